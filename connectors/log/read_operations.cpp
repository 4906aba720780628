// GetShardIterator and GetRecords.
#include <cmath>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "connectors/log/api_call.h"
#include "connectors/log/sequence_number.h"
#include "runtime/net/base64.h"

namespace millrace::connectors {

using nlohmann::json;

namespace {

constexpr int64_t kIteratorLifetimeMs = 300000;
constexpr size_t kReplyBytesMax = 10 << 20;

// What an iterator holds: the next counter of one shard of one life of a stream.
std::string SealIterator(const ApiContext& context, const Stream& stream, const StreamShard& shard,
                         RecordCounter next) {
  return context.sealer->Seal(
      'I', {std::to_string(context.clock->NowMs()), stream.name, std::to_string(shard.index),
            std::to_string(shard.number), std::to_string(next)});
}

ApiError NoShard(const ApiContext& context, const std::string& shard, const std::string& stream) {
  return {"ResourceNotFoundException", "Shard " + shard + " in stream " + stream +
                                           " under account " + context.account + " does not exist"};
}

// The counter at which a shard's iterator of the requested type begins.
std::variant<RecordCounter, ApiError> StartOf(const ApiContext& context, const json& request,
                                              const Stream& stream, const StreamShard& shard) {
  const std::string type = request["ShardIteratorType"];
  const std::string shard_id = FormatShardId(shard.index);
  const std::string used = " used in GetShardIterator on shard " + shard_id + " in stream " +
                           stream.name + " under account " + context.account + " is invalid";
  const std::string either =
      "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and "
      "StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request "
      "specified " +
      type + " and ";
  if (type == "AT_TIMESTAMP") {
    if (!request.contains("Timestamp")) {
      return InvalidArgument(
          "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current "
          "request has no timestamp parameter.");
    }
    const auto time_ms =
        static_cast<int64_t>(std::llround(request["Timestamp"].get<double>() * 1000));
    const int64_t now_ms = context.clock->NowMs();
    if (time_ms > now_ms) {
      return InvalidArgument(
          "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. "
          "timestampInMillis: " +
          std::to_string(time_ms) + ", currentTimestampInMillis: " + std::to_string(now_ms));
    }
    const auto found = context.store->FindTime(shard.number, time_ms);
    if (!found.ok()) return InternalFailure(found.status());
    return found.value();
  }
  const bool by_number = type == "AT_SEQUENCE_NUMBER" || type == "AFTER_SEQUENCE_NUMBER";
  if (request.contains("StartingSequenceNumber") != by_number) {
    return InvalidArgument(
        either + (by_number ? "no StartingSequenceNumber." : "also a StartingSequenceNumber."));
  }
  if (by_number) {
    const std::string text = request["StartingSequenceNumber"];
    const auto number = ParseSequenceNumber(text);
    if (!number) return InvalidArgument("StartingSequenceNumber " + text + used + ".");
    if (number->shard_index != shard.index) {
      return InvalidArgument("Invalid StartingSequenceNumber. It encodes " +
                             FormatShardId(number->shard_index) +
                             ", while it was used in a call to a shard with " + shard_id);
    }
    if (number->shard_created_s != shard.created_s) {
      return InvalidArgument("StartingSequenceNumber " + text + used +
                             " because it did not come from this stream.");
    }
    if (number->counter == kEndOfShardCounter) {
      return InvalidArgument("Invalid SequenceNumber for ShardIteratorType " + type +
                             ", SequenceNumber has reached max possible value for the shard.");
    }
    return number->counter + (type == "AFTER_SEQUENCE_NUMBER" ? 1 : 0);
  }
  const auto ends = context.store->Ends(shard.number);
  if (!ends.ok()) return InternalFailure(ends.status());
  return type == "LATEST" ? ends.value().next_counter : RecordCounter{0};
}

ApiReply GetShardIterator(const ApiContext& context, const json& request) {
  const std::string asked = request["ShardId"];
  const std::string name = StreamNameOf(request);
  const auto index = ParseShardId(asked);
  if (!name.empty() && !index) {
    return ApiError{"ResourceNotFoundException", "Could not find shard " + asked + " in stream " +
                                                     name + " under account " + context.account +
                                                     "."};
  }
  auto found = FindStream(context, request);
  if (auto* error = std::get_if<ApiError>(&found)) {
    return error->type == "ResourceNotFoundException"
               ? NoShard(context, FormatShardId(*index), name)
               : *error;
  }
  const auto& stream = std::get<std::shared_ptr<const Stream>>(found);
  if (*index >= stream->shards.size()) return NoShard(context, FormatShardId(*index), name);
  const StreamShard& shard = stream->shards[*index];
  auto start = StartOf(context, request, *stream, shard);
  if (auto* error = std::get_if<ApiError>(&start)) return *error;
  return json{
      {"ShardIterator", SealIterator(context, *stream, shard, std::get<RecordCounter>(start))}}
      .dump();
}

// "Thu Jan 22 01:22:02 UTC 2015".
std::string FormatUtc(int64_t time_ms) {
  const std::time_t seconds = time_ms / 1000;
  std::tm parts;
  gmtime_r(&seconds, &parts);
  char text[64];
  return std::string(text, std::strftime(text, sizeof(text), "%a %b %d %H:%M:%S UTC %Y", &parts));
}

void AppendJsonString(std::string_view text, std::string* out) {
  out->push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\u%04x", c);
      *out += escape;
    } else {
      out->push_back(c);
    }
  }
  out->push_back('"');
}

// Written by hand: this is the hot path of every consumer.
std::string RecordsJson(const ReadBatch& batch, const StreamShard& shard,
                        const std::string& next_iterator) {
  size_t size = 512 + next_iterator.size();
  for (const LogRecord& record : batch.records) {
    size += 192 + record.key.size() + runtime::Base64EncodedSize(record.data.size());
  }
  std::string out;
  out.reserve(size);
  out += "{\"MillisBehindLatest\":" + std::to_string(batch.behind_ms) +
         ",\"NextShardIterator\":\"" + next_iterator + "\",\"Records\":[";
  SequenceNumber number;
  number.shard_created_s = shard.created_s;
  number.shard_index = shard.index;
  char digits[kSequenceNumberDigits], time[32];
  int64_t time_ms = -1;
  size_t time_length = 0;
  for (const LogRecord& record : batch.records) {
    number.counter = record.counter;
    number.time_s = record.time_ms / 1000;
    FormatSequenceNumber(number, digits);
    if (record.time_ms != time_ms) {
      time_ms = record.time_ms;
      time_length = static_cast<size_t>(std::snprintf(time, sizeof(time), "%lld.%03lld",
                                                      static_cast<long long>(time_ms / 1000),
                                                      static_cast<long long>(time_ms % 1000)));
    }
    if (out.back() == '}') out.push_back(',');
    out += "{\"SequenceNumber\":\"";
    out.append(digits, sizeof(digits));
    out += "\",\"ApproximateArrivalTimestamp\":";
    out.append(time, time_length);
    out += ",\"Data\":\"";
    const size_t at = out.size();
    out.resize(at + runtime::Base64EncodedSize(record.data.size()));
    runtime::Base64Encode(record.data.data(), record.data.size(), out.data() + at);
    out += "\",\"PartitionKey\":";
    AppendJsonString(record.key, &out);
    out.push_back('}');
  }
  out += "]}";
  return out;
}

ApiReply GetRecords(const ApiContext& context, const json& request) {
  const auto fields = context.sealer->Open('I', request["ShardIterator"].get<std::string>());
  if (!fields || fields->size() != 5) return InvalidArgument("Invalid ShardIterator.");
  // The token is authentic, so its fields are what SealIterator wrote.
  const int64_t created_ms = std::stoll((*fields)[0]);
  const std::string& name = (*fields)[1];
  const uint64_t index = std::stoull((*fields)[2]), number = std::stoull((*fields)[3]);
  const RecordCounter from = std::stoull((*fields)[4]);
  const int64_t now_ms = context.clock->NowMs();
  if (now_ms - created_ms > kIteratorLifetimeMs) {
    return ApiError{"ExpiredIteratorException",
                    "Iterator expired. The iterator was created at time " + FormatUtc(created_ms) +
                        " while right now it is " + FormatUtc(now_ms) +
                        " which is further in the future than the tolerated delay of 300000 "
                        "milliseconds."};
  }
  const auto stream = context.catalog->Find(name);
  if (stream == nullptr || index >= stream->shards.size() ||
      stream->shards[index].number != number) {
    return NoShard(context, FormatShardId(static_cast<uint32_t>(index)), name);
  }
  const StreamShard& shard = stream->shards[index];
  const auto batch =
      context.store->Read(shard.number, from, request.value("Limit", 10000), kReplyBytesMax);
  if (!batch.ok()) return InternalFailure(batch.status());
  return RecordsJson(batch.value(), shard,
                     SealIterator(context, *stream, shard, batch.value().next_counter));
}

}  // namespace

std::vector<ApiOperation> ReadOperations() {
  using enum MemberType;
  return {
      {"GetShardIterator",
       {{"ShardId", kString, true, kPatternName, 1, 128},
        {"ShardIteratorType",
         kString,
         true,
         nullptr,
         -1,
         -1,
         {"AFTER_SEQUENCE_NUMBER", "LATEST", "AT_TIMESTAMP", "AT_SEQUENCE_NUMBER", "TRIM_HORIZON"}},
        {"StartingSequenceNumber", kString, false, kPatternSequenceNumber},
        StreamNameMember(false),
        StreamArnMember(),
        {"Timestamp", kTimestamp}},
       GetShardIterator},
      {"GetRecords",
       {{"Limit", kInteger, false, nullptr, 1, 10000},
        {"ShardIterator", kString, true, nullptr, 1, 512},
        StreamArnMember()},
       GetRecords},
  };
}

}  // namespace millrace::connectors
