// PutRecord and PutRecords. A request that is right takes the quick way: simdjson, then base64
// straight into the batch. Anything else is parsed again by the thorough way, which finds the error
// and words it as Kinesis does.
#include <simdjson.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "connectors/log/api_call.h"
#include "connectors/log/sequence_number.h"
#include "runtime/net/base64.h"

namespace millrace::connectors {

using nlohmann::json;
using runtime::HttpRequest;
using runtime::Responder;
using runtime::Status;

namespace {

constexpr size_t kRecordsMax = 500;
constexpr size_t kDataMax = 1048576;
constexpr size_t kKeyMax = 256;
constexpr size_t kRequestMax = 10 << 20;

// A put on its way: what the answer needs besides the batch.
struct Put {
  std::shared_ptr<const Stream> stream;
  std::vector<uint32_t> shard_indexes;  // of each record
  RecordBatch batch;
};

Member PartitionKeyMember() {
  return {"PartitionKey", MemberType::kString, true, nullptr, 1, kKeyMax};
}
Member HashKeyMember() { return {"ExplicitHashKey", MemberType::kString, false, kPatternHashKey}; }
Member DataMember() { return {"Data", MemberType::kBlob, true, nullptr, -1, kDataMax}; }

void AddRecord(Put* put, std::string_view key, HashKey hash, std::string_view text, bool* good) {
  const StreamShard& shard = put->stream->ShardOf(hash);
  const size_t length = runtime::Base64DecodedSize(text);
  char* const to = put->batch.Add(shard.number, key, static_cast<uint32_t>(length));
  *good = *good && runtime::Base64Decode(text, to);
  put->shard_indexes.push_back(shard.index);
}

// The quick way. False: take the thorough one.
bool ParseQuickly(const ApiContext& context, const std::string& body, Put* put) {
  using namespace simdjson;
  static thread_local ondemand::parser parser;
  static thread_local std::string copy;
  std::string_view text = body;
  size_t room = body.capacity() + 1;
  if (room < body.size() + SIMDJSON_PADDING) {
    copy.reserve(body.size() + SIMDJSON_PADDING);
    copy = body;
    text = copy;
    room = body.size() + SIMDJSON_PADDING;
  }
  ondemand::document document;
  ondemand::object object;
  if (parser.iterate(text.data(), text.size(), room).get(document)) return false;
  if (document.get_object().get(object)) return false;
  std::string_view name;
  if (object.find_field_unordered("StreamName").get_string().get(name)) {
    if (object.find_field_unordered("StreamARN").get_string().get(name)) return false;
    const size_t slash = name.rfind(":stream/");
    if (slash == std::string_view::npos || !name.starts_with("arn:aws")) return false;
    name = name.substr(slash + 8);
  }
  put->stream = context.catalog->Find(name);
  if (put->stream == nullptr) return false;
  ondemand::array records;
  if (object.find_field_unordered("Records").get_array().get(records)) return false;
  bool good = true;
  for (auto element : records) {
    ondemand::object record;
    if (element.get_object().get(record)) return false;
    std::string_view data, key, explicit_hash;
    bool has_data = false, has_key = false, has_hash = false;
    for (auto field : record) {
      std::string_view field_name;
      if (field.unescaped_key().get(field_name)) return false;
      if (field_name == "Data") {
        if (field.value().get_string().get(data)) return false;
        has_data = true;
      } else if (field_name == "PartitionKey") {
        if (field.value().get_string().get(key)) return false;
        has_key = true;
      } else if (field_name == "ExplicitHashKey") {
        if (field.value().get_string().get(explicit_hash)) return false;
        has_hash = true;
      }
    }
    if (!has_data || !has_key || key.empty() || key.size() > kKeyMax) return false;
    if (runtime::Base64DecodedSize(data) > kDataMax) return false;
    HashKey hash;
    if (has_hash) {
      const auto parsed = ParseHashKey(explicit_hash);
      if (!parsed || (explicit_hash.size() > 1 && explicit_hash[0] == '0')) return false;
      hash = *parsed;
    } else {
      hash = HashOfPartitionKey(key);
    }
    if (put->shard_indexes.size() == kRecordsMax) return false;
    AddRecord(put, key, hash, data, &good);
  }
  const bool ends = text[text.find_last_not_of(" \t\r\n")] == '}';
  return good && ends && !put->batch.empty() && put->batch.size_bytes() <= kRequestMax;
}

std::optional<ApiError> AddThoroughly(const json& record, Put* put) {
  const std::string key = record["PartitionKey"];
  HashKey hash = 0;
  if (record.contains("ExplicitHashKey")) {
    const std::string text = record["ExplicitHashKey"];
    const auto parsed = ParseHashKey(text);
    if (!parsed) {
      return InvalidArgument(
          "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified "
          "value was " +
          text);
    }
    hash = *parsed;
  } else {
    hash = HashOfPartitionKey(key);
  }
  bool good = true;
  AddRecord(put, key, hash, record["Data"].get_ref<const std::string&>(), &good);
  return std::nullopt;
}

// The thorough way, for both operations.
std::optional<ApiError> ParseThoroughly(const ApiContext& context, const std::string& body,
                                        bool many, Put* put) {
  *put = {};
  json request = json::parse(body, nullptr, false);
  if (!request.is_object()) return ApiError{"SerializationException", ""};
  const bool by_arn = request.contains("StreamARN");
  using enum MemberType;
  std::vector<Member> members;
  if (many) {
    members = {{"Records",
                kList,
                true,
                nullptr,
                1,
                kRecordsMax,
                {},
                {PartitionKeyMember(), HashKeyMember(), DataMember()}}};
  } else {
    members = {{"SequenceNumberForOrdering", kString, false, kPatternSequenceNumber},
               PartitionKeyMember(),
               HashKeyMember(),
               DataMember()};
  }
  members.push_back(StreamNameMember(!by_arn));
  members.push_back(StreamArnMember());
  if (auto error = ValidateRequest(members, &request)) return error;
  auto found = FindStream(context, request);
  if (auto* error = std::get_if<ApiError>(&found)) return *error;
  put->stream = std::get<std::shared_ptr<const Stream>>(found);
  if (many) {
    for (const json& record : request["Records"]) {
      if (auto error = AddThoroughly(record, put)) return error;
    }
    if (put->batch.size_bytes() > kRequestMax) {
      return InvalidArgument("Records size exceeds 10 MB limit");
    }
    return std::nullopt;
  }
  if (auto error = AddThoroughly(request, put)) return error;
  if (request.contains("SequenceNumberForOrdering")) {
    const std::string text = request["SequenceNumberForOrdering"];
    const auto number = ParseSequenceNumber(text);
    if (!number || number->time_s > context.clock->NowMs() / 1000) {
      return InvalidArgument("ExclusiveMinimumSequenceNumber " + text +
                             " used in PutRecord on stream " + put->stream->name +
                             " under account " + context.account + " is invalid.");
    }
  }
  return std::nullopt;
}

// Takes the extension's headers over into the batch.
std::optional<ApiError> ReadTransaction(const HttpRequest& request, RecordBatch* batch) {
  const std::string_view id = request.Header(kTransactionHeader);
  const std::string_view number = request.Header(kTransactionBatchHeader);
  if (id.size() > 512) {
    return InvalidArgument("A transaction's id must have at most 512 characters.");
  }
  batch->set_transaction(std::string(id));
  if (number.empty()) return std::nullopt;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (id.empty() || error != std::errc() || end != number.data() + number.size() || value == 0) {
    return InvalidArgument(std::string(kTransactionBatchHeader) +
                           " must be a number from 1 on, together with " + kTransactionHeader +
                           ". Specified value was " + std::string(number));
  }
  batch->set_transaction_batch(value);
  return std::nullopt;
}

ApiReply Failure(const ApiContext& context, const Stream& stream, const Status& status) {
  if (status.fault() != runtime::Fault::kUser) return InternalFailure(status);
  if (context.catalog->Find(stream.name) == nullptr) return NotFound(context, stream.name);
  return ApiError{status.message().starts_with(kTransactionIsAborted)
                      ? "TransactionAbortedException"
                      : "TransactionCommittedException",
                  status.message()};
}

void AppendResult(const Stream& stream, uint32_t shard_index, RecordCounter counter,
                  int64_t time_ms, std::string* out) {
  *out += "{";
  if (counter != 0) {
    SequenceNumber number;
    number.shard_created_s = stream.shards[shard_index].created_s;
    number.counter = counter;
    number.time_s = time_ms / 1000;
    number.shard_index = shard_index;
    *out += "\"SequenceNumber\":\"";
    const size_t at = out->size();
    out->resize(at + kSequenceNumberDigits);
    FormatSequenceNumber(number, out->data() + at);
    *out += "\",";
  }
  *out += "\"ShardId\":\"" + FormatShardId(shard_index) + "\"}";
}

ApiReply Answer(const Put& put, bool many, const RecordBatch& batch, int64_t time_ms) {
  const auto counter = [&](size_t i) {
    // A batch of a transaction that was stored before comes back empty.
    return i < batch.entries().size() ? batch.entries()[i].counter : 0;
  };
  std::string out;
  if (!many) {
    AppendResult(*put.stream, put.shard_indexes[0], counter(0), time_ms, &out);
    return out;
  }
  out.reserve(64 + put.shard_indexes.size() * 128);
  out += "{\"FailedRecordCount\":0,\"Records\":[";
  for (size_t i = 0; i < put.shard_indexes.size(); ++i) {
    if (i > 0) out += ",";
    AppendResult(*put.stream, put.shard_indexes[i], counter(i), time_ms, &out);
  }
  out += "]}";
  return out;
}

void HandlePut(const ApiContext& context, const HttpRequest& request, Responder responder,
               bool many) {
  auto put = std::make_shared<Put>();
  std::optional<ApiError> error;
  if (!many || !ParseQuickly(context, request.body, put.get())) {
    error = ParseThoroughly(context, request.body, many, put.get());
  }
  if (!error) error = ReadTransaction(request, &put->batch);
  if (error) return responder.Send(MakeApiResponse(std::move(*error)));
  auto shared_responder = std::make_shared<Responder>(std::move(responder));
  RecordBatch batch = std::move(put->batch);
  context.store->Append(std::move(batch), [&context, put, many, shared_responder](
                                              Status status, RecordBatch batch, int64_t time_ms) {
    // The answer is made on a thread of the server: the log's own goes on with the next unit.
    auto held = std::make_shared<RecordBatch>(std::move(batch));
    shared_responder->SendFrom([&context, put, many, status, held, time_ms] {
      return MakeApiResponse(status.ok() ? Answer(*put, many, *held, time_ms)
                                         : Failure(context, *put->stream, status));
    });
  });
}

}  // namespace

void HandlePutRecord(const ApiContext& context, HttpRequest request, Responder responder) {
  HandlePut(context, request, std::move(responder), false);
}

void HandlePutRecords(const ApiContext& context, HttpRequest request, Responder responder) {
  HandlePut(context, request, std::move(responder), true);
}

}  // namespace millrace::connectors
