#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace millrace::connectors {

// An error as the API answers it.
struct ApiError {
  std::string type;  // ResourceNotFoundException
  std::string message;
  int http_status = 400;
};

enum class MemberType : uint8_t {
  kString,
  kInteger,
  kBoolean,
  kBlob,
  kTimestamp,
  kList,
  kStructure
};

// Declares one member of a request: its type, and the constraints that the API checks, in the order
// in which its error texts list them.
struct Member {
  const char* name;
  MemberType type;
  bool required = false;
  const char* pattern = nullptr;  // one of the kPattern texts below
  int64_t min = -1;               // length of texts, blobs and lists; value of integers; -1: none
  int64_t max = -1;
  std::vector<const char*> choices = {};
  std::vector<Member> children = {};  // of a structure, or of the structures of a list
};

inline constexpr char kPatternName[] = "[a-zA-Z0-9_.-]+";
inline constexpr char kPatternHashKey[] = "0|([1-9]\\d{0,38})";
inline constexpr char kPatternSequenceNumber[] = "0|([1-9]\\d{0,128})";
inline constexpr char kPatternStreamArn[] = "arn:aws.*:kinesis:.*:\\d{12}:stream/\\S+";

// Checks a request against its members, first every type (SerializationException), then every
// constraint (ValidationException with up to ten of them), with the texts of Kinesis. Members that
// aren't declared, and those that are null, are taken out.
std::optional<ApiError> ValidateRequest(const std::vector<Member>& members,
                                        nlohmann::json* request);

}  // namespace millrace::connectors
