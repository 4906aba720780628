#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::connectors {

// Makes the opaque tokens of the API (shard iterators, NextToken): a few texts, encrypted and
// authenticated (AES-256-GCM) with the log's secret, in base64 and in the shape that Kinesis
// iterators have: eight bytes 00..01 first, 152 bytes or more, in steps of 16. Thread-safe.
class TokenSealer {
 public:
  explicit TokenSealer(std::string secret) : secret_(std::move(secret)) {}

  // The fields must not contain '/'. `kind` keeps tokens of one use from being taken for another.
  std::string Seal(char kind, const std::vector<std::string>& fields) const;
  // Nothing if it is not a token of this log and kind.
  std::optional<std::vector<std::string>> Open(char kind, std::string_view token) const;

 private:
  const std::string secret_;  // 32 bytes
};

}  // namespace millrace::connectors
