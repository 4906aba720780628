#include "connectors/kinesis/kinesis_client.h"

#include <simdjson.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "runtime/api/clock.h"
#include "runtime/net/base64.h"

namespace millrace::connectors {

using nlohmann::json;
using runtime::HttpRequest;
using runtime::Result;
using runtime::Status;

namespace {

constexpr char kKinesis[] = "Kinesis_20131202";
constexpr char kTransactions[] = "Millrace_20261124";
constexpr size_t kSlackBytes = 64;  // a base64 decoder may write a few bytes too many

bool MayPass(int http_status, const std::string& type) {
  if (http_status >= 500 || http_status == 429) return true;
  return type == "ProvisionedThroughputExceededException" || type == "LimitExceededException" ||
         type == "ThrottlingException" || type == "Throttling" ||
         type == "KMSThrottlingException" || type == "RequestLimitExceeded" ||
         type == "ServiceUnavailable" || type == "InternalFailure" ||
         type == "ResourceInUseException";
}

bool IsAboutCredentials(const std::string& type) {
  return type == "AccessDeniedException" || type == "UnrecognizedClientException" ||
         type == "MissingAuthenticationTokenException" || type == "InvalidSignatureException" ||
         type == "IncompleteSignatureException" || type == "ExpiredTokenException";
}

void AppendJsonString(std::string_view text, std::string* to) {
  static constexpr char kDigits[] = "0123456789abcdef";
  to->push_back('"');
  size_t plain = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    to->append(text, plain, i - plain);
    plain = i + 1;
    if (c < 0x20) {
      *to += "\\u00";
      to->push_back(kDigits[c >> 4]);
      to->push_back(kDigits[c & 15]);
    } else {
      to->push_back('\\');
      to->push_back(static_cast<char>(c));
    }
  }
  to->append(text, plain);
  to->push_back('"');
}

std::string StreamMember(const KinesisClientOptions& options) {
  std::string member = options.stream_arn.empty() ? "\"StreamName\":" : "\"StreamARN\":";
  AppendJsonString(options.stream_arn.empty() ? options.stream : options.stream_arn, &member);
  return member;
}

// Seconds with a fraction of milliseconds, as the API writes times.
std::string SecondsText(int64_t time_ms) {
  char text[40];
  std::snprintf(text, sizeof(text), "%lld.%03lld", static_cast<long long>(time_ms / 1000),
                static_cast<long long>(time_ms % 1000));
  return text;
}

// Copies what GetRecords gave out of the response: base64 decoded, strings unescaped. One pass.
class RecordsParser {
 public:
  explicit RecordsParser(FetchedRecords* to) : to_(to) {}

  bool Parse(std::string* body) {
    using namespace simdjson;
    static thread_local ondemand::parser parser;
    body->reserve(body->size() + SIMDJSON_PADDING);
    // Every part of a record is at most as long as its text.
    to_->size_bytes = body->size() + kSlackBytes;
    to_->bytes = std::make_unique_for_overwrite<char[]>(to_->size_bytes);
    at_ = to_->bytes.get();
    ondemand::document document;
    ondemand::object object;
    if (parser.iterate(body->data(), body->size(), body->capacity()).get(document)) return false;
    if (document.get_object().get(object)) return false;
    for (auto field : object) {
      std::string_view name;
      if (field.unescaped_key().get(name)) return false;
      ondemand::value value;
      if (field.value().get(value)) return false;
      if (name == "Records") {
        ondemand::array array;
        if (value.get_array().get(array)) return false;
        for (auto element : array) {
          ondemand::object record;
          if (element.get_object().get(record) || !ParseRecord(record)) return false;
        }
      } else if (name == "NextShardIterator") {
        if (value.is_null()) continue;
        std::string_view text;
        if (value.get_string().get(text)) return false;
        to_->next_iterator = text;
      } else if (name == "MillisBehindLatest") {
        if (value.is_null()) continue;
        if (value.get_int64().get(to_->behind_ms)) return false;
      }
    }
    return true;
  }

 private:
  bool ParseRecord(simdjson::ondemand::object& object) {
    KinesisRecord record;
    for (auto field : object) {
      std::string_view name;
      if (field.unescaped_key().get(name)) return false;
      simdjson::ondemand::value value;
      if (field.value().get(value)) return false;
      if (name == "Data") {
        if (!ParseData(value, &record.data)) return false;
      } else if (name == "SequenceNumber") {
        if (!Copy(value, &record.sequence_number)) return false;
      } else if (name == "PartitionKey") {
        if (!Copy(value, &record.partition_key)) return false;
      } else if (name == "ApproximateArrivalTimestamp") {
        double seconds = 0;
        if (value.get_double().get(seconds)) return false;
        record.arrival_ms = std::llround(seconds * 1000);
      }
    }
    to_->records.push_back(record);
    return true;
  }

  // Base64 has nothing to unescape: takes the text as it stands up to the quote, and only if that
  // does not decode (some write "\/") the slow way.
  bool ParseData(simdjson::ondemand::value& value, std::string_view* data) {
    std::string_view token = value.raw_json_token();
    if (token.size() < 2 || token.front() != '"') return false;
    token.remove_prefix(1);
    token = token.substr(0, token.find('"'));
    const size_t size = runtime::Base64DecodedSize(token);
    if (!runtime::Base64Decode(token, at_)) {
      std::string_view text;
      if (value.get_string().get(text) || !runtime::Base64Decode(text, at_)) return false;
      *data = {at_, runtime::Base64DecodedSize(text)};
    } else {
      *data = {at_, size};
    }
    at_ += data->size();
    return true;
  }

  bool Copy(simdjson::ondemand::value& value, std::string_view* copy) {
    std::string_view text;
    if (value.get_string().get(text)) return false;
    std::memcpy(at_, text.data(), text.size());
    *copy = {at_, text.size()};
    at_ += text.size();
    return true;
  }

  FetchedRecords* const to_;
  char* at_ = nullptr;
};

}  // namespace

// An answer, whatever its status.
struct KinesisClient::Reply {
  int http_status = 200;
  std::string body;
  std::string error_type;  // empty: a success
  std::string error_message;
};

bool KinesisClientOptions::is_local() const {
  return endpoint.host == "localhost" || endpoint.host == "::1" ||
         endpoint.host.starts_with("127.");
}

KinesisClient::KinesisClient(KinesisClientOptions options)
    : options_(std::move(options)),
      stream_member_(StreamMember(options_)),
      outage_("stream '" + options_.stream + "' at http://" + options_.endpoint.HostHeader(),
              options_.retry_timeout_ms),
      http_(options_.endpoint, {.request_timeout_ms = options_.request_timeout_ms}) {}
KinesisClient::~KinesisClient() = default;

Status KinesisClient::GaveUp(const Status& status, int64_t failing_ms) const {
  return Status::External(status.message() + ". Gave up after " + DurationWords(failing_ms) +
                              ". Is the service running, and is 'aws.endpoint' right?",
                          status.retry());
}

std::string KinesisClient::Where(const char* operation) const {
  return std::string(operation) + " of stream '" + options_.stream + "' at http://" +
         options_.endpoint.HostHeader();
}

Result<KinesisClient::Reply> KinesisClient::Call(const char* service, const char* operation,
                                                 std::string body, runtime::HttpHeaders headers) {
  HttpRequest request;
  request.method = "POST";
  request.headers = std::move(headers);
  request.headers.emplace_back("Host", options_.endpoint.HostHeader());
  request.headers.emplace_back("Content-Type", "application/x-amz-json-1.1");
  request.headers.emplace_back("X-Amz-Target", std::string(service) + "." + operation);
  request.body = std::move(body);
  if (options_.credentials.has_value()) {
    runtime::SignRequest(*options_.credentials, {options_.region, "kinesis"},
                         runtime::SystemClock().NowMs(), &request);
  }
  Result<runtime::HttpResponse> response = http_.Send(request);
  if (!response.ok()) {
    Status status = response.status().Within(Where(operation));
    if (status.retry() != runtime::Retry::kNo) outage_.Failed(status);
    return status;
  }
  Reply reply;
  reply.http_status = response->status;
  reply.body = std::move(response->body);
  if (reply.http_status < 500) outage_.Answered();
  if (reply.http_status == 200) return reply;
  const json error = json::parse(reply.body, nullptr, false);
  if (error.is_object()) {
    const auto text = [&](const char* name) {
      const auto found = error.find(name);
      return found != error.end() && found->is_string() ? found->get<std::string>() : "";
    };
    reply.error_type = text("__type");
    reply.error_type = reply.error_type.substr(reply.error_type.rfind('#') + 1);
    reply.error_message = text("message");
    if (reply.error_message.empty()) reply.error_message = text("Message");
  }
  if (reply.error_type.empty()) {
    reply.error_type = "HTTP " + std::to_string(reply.http_status);
    reply.error_message = reply.body.substr(0, 200);
  }
  if (reply.http_status >= 500) outage_.Failed(ErrorOf(operation, reply));
  return reply;
}

Status KinesisClient::ErrorOf(const char* operation, const Reply& reply) const {
  const std::string text = Where(operation) + ": " + reply.error_type +
                           (reply.error_message.empty() ? "" : ": " + reply.error_message);
  if (MayPass(reply.http_status, reply.error_type)) return Status::External(text);
  if (reply.error_type == "TransactionAbortedException") {
    // The rows of this epoch are gone, perhaps for its age: the job goes on from its checkpoint.
    return Status::External(text, runtime::Retry::kNo);
  }
  if (reply.error_type == "ResourceNotFoundException") {
    return Status::User(text + " Create the stream, or correct 'stream.arn' and 'aws.endpoint'.");
  }
  if (IsAboutCredentials(reply.error_type)) {
    return Status::User(text +
                        " Check 'aws.credentials.basic.accesskeyid' and '.secretkey' or "
                        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and 'aws.region'.");
  }
  return Status::User(text);
}

Result<std::vector<KinesisShard>> KinesisClient::ListShards(const char* filter, int64_t time_ms) {
  constexpr char kOperation[] = "ListShards";
  std::vector<KinesisShard> shards;
  std::string body = "{" + stream_member_ + ",\"MaxResults\":1000";
  if (filter != nullptr) {
    body += ",\"ShardFilter\":{\"Type\":\"" + std::string(filter) + "\"";
    if (std::string_view(filter) == "AT_TIMESTAMP")
      body += ",\"Timestamp\":" + SecondsText(time_ms);
    body += "}";
  }
  body += "}";
  while (true) {
    ASSIGN_OR_RETURN(const Reply reply, Call(kKinesis, kOperation, body));
    if (!reply.error_type.empty()) return ErrorOf(kOperation, reply);
    try {
      const json answer = json::parse(reply.body);
      for (const json& shard : answer.at("Shards")) {
        shards.push_back({shard.at("ShardId"), shard.value("ParentShardId", ""),
                          shard.value("AdjacentParentShardId", ""),
                          shard.at("SequenceNumberRange").contains("EndingSequenceNumber")});
      }
      const auto token = answer.find("NextToken");
      if (token == answer.end() || !token->is_string()) return shards;
      body = json{{"NextToken", *token}, {"MaxResults", 1000}}.dump();
    } catch (const json::exception& e) {
      return Status::External(Where(kOperation) + ": an answer that can't be read: " + e.what());
    }
  }
}

Status KinesisClient::DescribeStreamSummary() {
  constexpr char kOperation[] = "DescribeStreamSummary";
  ASSIGN_OR_RETURN(const Reply reply, Call(kKinesis, kOperation, "{" + stream_member_ + "}"));
  return reply.error_type.empty() ? Status::Ok() : ErrorOf(kOperation, reply);
}

Result<std::string> KinesisClient::GetShardIterator(const std::string& shard,
                                                    const ShardStart& start) {
  constexpr char kOperation[] = "GetShardIterator";
  std::string body = "{" + stream_member_ + ",\"ShardId\":";
  AppendJsonString(shard, &body);
  switch (start.kind) {
    case ShardStart::Kind::kTrimHorizon:
      body += ",\"ShardIteratorType\":\"TRIM_HORIZON\"}";
      break;
    case ShardStart::Kind::kLatest:
      body += ",\"ShardIteratorType\":\"LATEST\"}";
      break;
    case ShardStart::Kind::kAfterSequenceNumber:
      body += ",\"ShardIteratorType\":\"AFTER_SEQUENCE_NUMBER\",\"StartingSequenceNumber\":\"" +
              start.sequence_number + "\"}";
      break;
    case ShardStart::Kind::kAtTimestamp:
      body += ",\"ShardIteratorType\":\"AT_TIMESTAMP\",\"Timestamp\":" +
              SecondsText(start.timestamp_ms) + "}";
      break;
  }
  ASSIGN_OR_RETURN(const Reply reply, Call(kKinesis, kOperation, std::move(body)));
  if (!reply.error_type.empty()) {
    const Status error = ErrorOf(kOperation, reply);
    // A clock ahead of the service's: the time will come.
    if (start.kind == ShardStart::Kind::kAtTimestamp &&
        reply.error_message.find("cannot be greater than") != std::string::npos) {
      return Status::External(error.message());
    }
    return error;
  }
  const json answer = json::parse(reply.body, nullptr, false);
  const auto found = answer.is_object() ? answer.find("ShardIterator") : answer.end();
  if (found == answer.end() || !found->is_string()) {
    return Status::External(Where(kOperation) + ": an answer without an iterator");
  }
  return found->get<std::string>();
}

Result<FetchedRecords> KinesisClient::GetRecords(const std::string& iterator, int64_t limit,
                                                 bool* expired) {
  constexpr char kOperation[] = "GetRecords";
  *expired = false;
  ASSIGN_OR_RETURN(
      Reply reply,
      Call(kKinesis, kOperation,
           "{\"ShardIterator\":\"" + iterator + "\",\"Limit\":" + std::to_string(limit) +
               (options_.stream_arn.empty() ? "}" : "," + stream_member_ + "}")));
  if (!reply.error_type.empty()) {
    // A service that was set up anew no longer knows its iterators, though the stream be the same.
    *expired = reply.error_type == "ExpiredIteratorException" ||
               (reply.error_type == "InvalidArgumentException" &&
                reply.error_message.find("ShardIterator") != std::string::npos);
    return ErrorOf(kOperation, reply);
  }
  FetchedRecords fetched;
  if (!RecordsParser(&fetched).Parse(&reply.body)) {
    return Status::External(Where(kOperation) + ": an answer that can't be read");
  }
  return fetched;
}

Status KinesisClient::PutRecords(const std::string& body, size_t records,
                                 std::string_view transaction, uint64_t batch,
                                 std::vector<size_t>* failed) {
  constexpr char kOperation[] = "PutRecords";
  failed->clear();
  runtime::HttpHeaders headers;
  if (!transaction.empty()) {
    headers.emplace_back("x-millrace-transaction", std::string(transaction));
    headers.emplace_back("x-millrace-transaction-batch", std::to_string(batch));
  }
  ASSIGN_OR_RETURN(Reply reply, Call(kKinesis, kOperation, body, std::move(headers)));
  if (!reply.error_type.empty()) return ErrorOf(kOperation, reply);
  if (reply.body.starts_with("{\"FailedRecordCount\":0,")) return Status::Ok();
  const json answer = json::parse(reply.body, nullptr, false);
  if (!answer.is_object()) {
    return Status::External(Where(kOperation) + ": an answer that can't be read");
  }
  if (answer.value("FailedRecordCount", 0) == 0) return Status::Ok();
  const auto entries = answer.find("Records");
  if (entries == answer.end() || !entries->is_array() || entries->size() != records) {
    return Status::External(Where(kOperation) + ": an answer that can't be read");
  }
  for (size_t i = 0; i < records; ++i) {
    if ((*entries)[i].contains("ErrorCode") && !(*entries)[i]["ErrorCode"].is_null()) {
      failed->push_back(i);
    }
  }
  return Status::Ok();
}

Result<bool> KinesisClient::HasTransactions() {
  constexpr char kOperation[] = "ListTransactions";
  ASSIGN_OR_RETURN(const Reply reply,
                   Call(kTransactions, kOperation, "{\"Prefix\":\"millrace/none/\"}"));
  if (reply.error_type.empty()) return true;
  if (reply.http_status < 500 && !IsAboutCredentials(reply.error_type)) return false;
  return ErrorOf(kOperation, reply);
}

Result<TransactionEnd> KinesisClient::EndTransaction(const char* operation, const std::string& id) {
  ASSIGN_OR_RETURN(const Reply reply,
                   Call(kTransactions, operation, json{{"TransactionId", id}}.dump()));
  if (reply.error_type.empty()) return TransactionEnd::kDone;
  if (reply.error_type == "TransactionNotFoundException") return TransactionEnd::kUnknown;
  if (reply.error_type == "TransactionAbortedException") return TransactionEnd::kAborted;
  if (reply.error_type == "TransactionCommittedException") return TransactionEnd::kCommitted;
  return ErrorOf(operation, reply);
}

Result<TransactionEnd> KinesisClient::CommitTransaction(const std::string& id) {
  return EndTransaction("CommitTransaction", id);
}
Result<TransactionEnd> KinesisClient::AbortTransaction(const std::string& id) {
  return EndTransaction("AbortTransaction", id);
}

Result<std::vector<std::string>> KinesisClient::OpenTransactions(const std::string& prefix) {
  constexpr char kOperation[] = "ListTransactions";
  ASSIGN_OR_RETURN(const Reply reply, Call(kTransactions, kOperation,
                                           json{{"Prefix", prefix}, {"State", "OPEN"}}.dump()));
  if (!reply.error_type.empty()) return ErrorOf(kOperation, reply);
  try {
    std::vector<std::string> ids;
    const json answer = json::parse(reply.body);
    for (const json& transaction : answer.at("Transactions")) {
      ids.push_back(transaction.at("TransactionId"));
    }
    return ids;
  } catch (const json::exception& e) {
    return Status::External(Where(kOperation) + ": an answer that can't be read: " + e.what());
  }
}

PutRequest::PutRequest(const KinesisClient& client) {
  body_ = "{" + client.stream_member() + ",\"Records\":[";
  first_ = static_cast<uint32_t>(body_.size());
}

void PutRequest::Add(std::string_view data, std::string_view partition_key) {
  CHECK_THAT_HOLDS(!closed_);
  if (!begins_.empty()) body_.push_back(',');
  begins_.push_back(static_cast<uint32_t>(body_.size()));
  body_ += "{\"PartitionKey\":";
  AppendJsonString(partition_key, &body_);
  body_ += ",\"Data\":\"";
  const size_t at = body_.size();
  body_.resize(at + runtime::Base64EncodedSize(data.size()));
  runtime::Base64Encode(data.data(), data.size(), body_.data() + at);
  body_ += "\"}";
}

const std::string& PutRequest::Close() {
  if (!closed_) body_ += "]}";
  closed_ = true;
  return body_;
}

void PutRequest::Keep(const std::vector<size_t>& records) {
  CHECK_THAT_HOLDS(closed_ && !records.empty());
  std::string body = body_.substr(0, first_);
  std::vector<uint32_t> begins;
  for (const size_t record : records) {
    if (!begins.empty()) body.push_back(',');
    begins.push_back(static_cast<uint32_t>(body.size()));
    // Behind each but the last stands a comma, behind the last "]}".
    const size_t end = record + 1 < begins_.size() ? begins_[record + 1] - 1 : body_.size() - 2;
    body.append(body_, begins_[record], end - begins_[record]);
  }
  body += "]}";
  body_ = std::move(body);
  begins_ = std::move(begins);
}

}  // namespace millrace::connectors
