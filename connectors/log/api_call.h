#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <variant>
#include <vector>

#include "connectors/log/api_validation.h"
#include "connectors/log/log_store.h"
#include "connectors/log/sealed_token.h"
#include "connectors/log/stream_catalog.h"
#include "runtime/api/clock.h"
#include "runtime/net/http_server.h"

namespace millrace::connectors {

// What the operations of the API work on. All of it is thread-safe and outlives the calls.
struct ApiContext {
  StreamCatalog* catalog = nullptr;
  LogStore* store = nullptr;
  const runtime::Clock* clock = nullptr;
  const TokenSealer* sealer = nullptr;
  std::string region;
  std::string account;
  int64_t shards_max = 0;

  std::string ArnOf(const std::string& stream) const;
};

// How an operation ends: the body of a 200, or an error.
using ApiReply = std::variant<std::string, ApiError>;

ApiError NotFound(const ApiContext& context, const std::string& stream);
ApiError InvalidArgument(std::string message);
// An error of the store or the disk; words and all, since whoever runs the log is who reads it.
ApiError InternalFailure(const runtime::Status& status);

// Adds the headers that every answer of the API has.
runtime::HttpResponse MakeApiResponse(ApiReply reply);

// The members by which most requests name a stream: its name, or its ARN.
Member StreamNameMember(bool required = true);
Member StreamArnMember();
// Reads them, after ValidateRequest. A missing name is null's validation error.
std::variant<std::shared_ptr<const Stream>, ApiError> FindStream(const ApiContext& context,
                                                                 const nlohmann::json& request);
// The name a request gives, empty if none.
std::string StreamNameOf(const nlohmann::json& request);

// An operation: what it takes, and what it does. `run` blocks for a disk read or sync at most.
struct ApiOperation {
  const char* name;
  std::vector<Member> members;
  ApiReply (*run)(const ApiContext& context, const nlohmann::json& request);
};

// stream_operations.cpp and read_operations.cpp.
std::vector<ApiOperation> StreamOperations();
std::vector<ApiOperation> ReadOperations();

// Answers PutRecord, PutRecords (put_operations.cpp) and the calls on transactions
// (transaction_operations.cpp), which wait for the disk without a thread.
void HandlePutRecord(const ApiContext& context, runtime::HttpRequest request,
                     runtime::Responder responder);
void HandlePutRecords(const ApiContext& context, runtime::HttpRequest request,
                      runtime::Responder responder);
// False if there is no such operation; the responder is left alone then.
bool HandleTransaction(const ApiContext& context, const std::string& operation,
                       const runtime::HttpRequest& request, runtime::Responder* responder);

constexpr char kTransactionHeader[] = "x-millrace-transaction";
constexpr char kTransactionBatchHeader[] = "x-millrace-transaction-batch";
constexpr char kTransactionTarget[] = "Millrace_20261124";

}  // namespace millrace::connectors
