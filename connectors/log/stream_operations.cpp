// CreateStream, DeleteStream, ListStreams, DescribeStream, DescribeStreamSummary, ListShards and
// the two retention calls.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "connectors/log/api_call.h"
#include "connectors/log/sequence_number.h"

namespace millrace::connectors {

using nlohmann::json;
using runtime::Result;

namespace {

constexpr int64_t kTokenLifetimeMs = 300000;
constexpr uint32_t kOnDemandShards = 4;

double Seconds(int64_t time_ms) { return static_cast<double>(time_ms) / 1000.0; }

json ShardJson(const StreamShard& shard) {
  SequenceNumber start;
  start.shard_created_s = start.time_s = shard.created_s;
  start.shard_index = shard.index;
  return {{"ShardId", FormatShardId(shard.index)},
          {"HashKeyRange",
           {{"StartingHashKey", FormatHashKey(shard.start)},
            {"EndingHashKey", FormatHashKey(shard.end)}}},
          {"SequenceNumberRange", {{"StartingSequenceNumber", FormatSequenceNumber(start)}}}};
}

json SummaryJson(const ApiContext& context, const Stream& stream) {
  return {{"StreamName", stream.name},
          {"StreamARN", context.ArnOf(stream.name)},
          {"StreamStatus", "ACTIVE"},
          {"StreamModeDetails", {{"StreamMode", stream.on_demand ? "ON_DEMAND" : "PROVISIONED"}}},
          {"StreamCreationTimestamp", Seconds(stream.created_ms)}};
}

json DescriptionJson(const ApiContext& context, const Stream& stream) {
  json description = SummaryJson(context, stream);
  description["RetentionPeriodHours"] = stream.retention_hours;
  description["EnhancedMonitoring"] = json::array({{{"ShardLevelMetrics", json::array()}}});
  description["EncryptionType"] = "NONE";
  return description;
}

ApiReply CreateStream(const ApiContext& context, const json& request) {
  const std::string name = request["StreamName"];
  const auto mode = request.find("StreamModeDetails");
  const bool on_demand =
      mode != request.end() && mode->value("StreamMode", "PROVISIONED") == "ON_DEMAND";
  if (!on_demand && !request.contains("ShardCount")) {
    return ApiError{"ValidationException",
                    "1 validation error detected: Value null at 'shardCount' failed to satisfy "
                    "constraint: Member must not be null"};
  }
  const int64_t shards = on_demand ? kOnDemandShards : request["ShardCount"].get<int64_t>();
  if (context.catalog->Find(name) != nullptr) {
    return ApiError{"ResourceInUseException",
                    "Stream " + name + " under account " + context.account + " already exists."};
  }
  const auto count = static_cast<int64_t>(context.catalog->CountShards());
  if (count + shards > context.shards_max) {
    return ApiError{
        "LimitExceededException",
        "This request would exceed the shard limit for the account " + context.account + " in " +
            context.region + ". Current shard count for the account: " + std::to_string(count) +
            ". Limit: " + std::to_string(context.shards_max) +
            ". Number of additional shards that would have resulted from this request: " +
            std::to_string(shards) +
            ". Refer to the AWS Service Limits page "
            "(http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current "
            "limits and how to request higher limits."};
  }
  const auto created = context.catalog->Create(name, static_cast<uint32_t>(shards), on_demand, 24,
                                               context.clock->NowMs());
  if (!created.ok()) {
    if (created.status().fault() == runtime::Fault::kUser) {
      return ApiError{"ResourceInUseException",
                      "Stream " + name + " under account " + context.account + " already exists."};
    }
    return InternalFailure(created.status());
  }
  for (const StreamShard& shard : created.value()->shards) {
    context.store->DeclareShard(shard.number, created.value()->retention_ms());
  }
  return std::string();
}

ApiReply DeleteStream(const ApiContext& context, const json& request) {
  auto found = FindStream(context, request);
  if (auto* error = std::get_if<ApiError>(&found)) return *error;
  const auto deleted =
      context.catalog->Delete(std::get<std::shared_ptr<const Stream>>(found)->name);
  if (!deleted.ok()) return InternalFailure(deleted.status());
  if (deleted.value() != nullptr) {
    std::vector<ShardNumber> numbers;
    for (const StreamShard& shard : deleted.value()->shards) numbers.push_back(shard.number);
    context.store->DropShards(numbers);
  }
  return std::string();
}

ApiReply ListStreams(const ApiContext& context, const json& request) {
  const size_t limit = std::min<int64_t>(request.value("Limit", 100), 100);
  std::string after = request.value("ExclusiveStartStreamName", "");
  if (request.contains("NextToken")) {
    const auto token = context.sealer->Open('L', request["NextToken"].get<std::string>());
    if (!token || token->size() != 2) return InvalidArgument("Invalid NextToken.");
    if (std::stoll((*token)[0]) + kTokenLifetimeMs < context.clock->NowMs()) {
      return ApiError{"ExpiredNextTokenException", "The NextToken has expired."};
    }
    after = (*token)[1];
  }
  auto streams = context.catalog->List(after, limit + 1);
  const bool more = streams.size() > limit;
  if (more) streams.pop_back();
  json names = json::array(), summaries = json::array();
  for (const auto& stream : streams) {
    names.push_back(stream->name);
    summaries.push_back(SummaryJson(context, *stream));
  }
  json reply = {{"StreamNames", names}, {"HasMoreStreams", more}, {"StreamSummaries", summaries}};
  if (more) {
    reply["NextToken"] =
        context.sealer->Seal('L', {std::to_string(context.clock->NowMs()), streams.back()->name});
  }
  return reply.dump();
}

ApiReply DescribeStream(const ApiContext& context, const json& request) {
  auto found = FindStream(context, request);
  if (auto* error = std::get_if<ApiError>(&found)) return *error;
  const Stream& stream = *std::get<std::shared_ptr<const Stream>>(found);
  const size_t limit = request.value("Limit", 100);
  const std::string after = request.value("ExclusiveStartShardId", "");
  json shards = json::array();
  bool more = false;
  for (const StreamShard& shard : stream.shards) {
    if (!after.empty() && FormatShardId(shard.index) <= after) continue;
    more = shards.size() == limit;
    if (more) break;
    shards.push_back(ShardJson(shard));
  }
  json description = DescriptionJson(context, stream);
  description["Shards"] = std::move(shards);
  description["HasMoreShards"] = more;
  return json{{"StreamDescription", description}}.dump();
}

ApiReply DescribeStreamSummary(const ApiContext& context, const json& request) {
  auto found = FindStream(context, request);
  if (auto* error = std::get_if<ApiError>(&found)) return *error;
  const Stream& stream = *std::get<std::shared_ptr<const Stream>>(found);
  json description = DescriptionJson(context, stream);
  description["OpenShardCount"] = stream.shards.size();
  description["ConsumerCount"] = 0;
  return json{{"StreamDescriptionSummary", description}}.dump();
}

ApiReply ListShards(const ApiContext& context, const json& request) {
  json named = request;
  std::string after = request.value("ExclusiveStartShardId", "");
  const bool has_name = request.contains("StreamName") || request.contains("StreamARN");
  const bool has_token = request.contains("NextToken");
  if (!has_name && !has_token) {
    return InvalidArgument("Either NextToken or StreamName should be provided.");
  }
  if (has_name && has_token) {
    return InvalidArgument("NextToken and StreamName cannot be provided together.");
  }
  if (has_token) {
    const auto token = context.sealer->Open('S', request["NextToken"].get<std::string>());
    if (!token || token->size() != 3) return InvalidArgument("Invalid NextToken.");
    if (std::stoll((*token)[0]) + kTokenLifetimeMs < context.clock->NowMs()) {
      return ApiError{"ExpiredNextTokenException", "The NextToken has expired."};
    }
    named["StreamName"] = (*token)[1];
    after = (*token)[2];
  }
  auto found = FindStream(context, named);
  if (auto* error = std::get_if<ApiError>(&found)) return *error;
  const Stream& stream = *std::get<std::shared_ptr<const Stream>>(found);
  const auto filter = request.find("ShardFilter");
  if (filter != request.end() && filter->value("Type", "") == "AFTER_SHARD_ID") {
    after = std::max(after, filter->value("ShardId", ""));
  }
  const size_t limit = std::min<int64_t>(request.value("MaxResults", 1000), 1000);
  json shards = json::array();
  json reply;
  for (const StreamShard& shard : stream.shards) {
    const std::string id = FormatShardId(shard.index);
    if (!after.empty() && id <= after) continue;
    if (shards.size() == limit) {
      reply["NextToken"] =
          context.sealer->Seal('S', {std::to_string(context.clock->NowMs()), stream.name,
                                     shards.back()["ShardId"].get<std::string>()});
      break;
    }
    shards.push_back(ShardJson(shard));
  }
  reply["Shards"] = std::move(shards);
  return reply.dump();
}

// `increase`: IncreaseStreamRetentionPeriod, else DecreaseStreamRetentionPeriod.
ApiReply ChangeRetention(const ApiContext& context, const json& request, bool increase) {
  const int64_t hours = request["RetentionPeriodHours"];
  auto found = FindStream(context, request);
  if (auto* error = std::get_if<ApiError>(&found)) return *error;
  const Stream& stream = *std::get<std::shared_ptr<const Stream>>(found);
  const std::string asked = "Requested retention period (" + std::to_string(hours) + " hours)";
  if (hours < 24) {
    return InvalidArgument("Minimum allowed retention period is 24 hours. " + asked +
                           " is too short.");
  }
  if (hours > 8760) {
    return InvalidArgument("Maximum allowed retention period is 8760 hours. " + asked +
                           " is too long.");
  }
  const bool wrong = increase ? hours < stream.retention_hours : hours > stream.retention_hours;
  if (wrong) {
    return InvalidArgument(asked + " for stream " + stream.name + " can not be " +
                           (increase ? "shorter" : "longer") + " than existing retention period (" +
                           std::to_string(stream.retention_hours) + " hours). Use " +
                           (increase ? "Decrease" : "Increase") + "RetentionPeriod API.");
  }
  const auto changed = context.catalog->SetRetention(stream.name, static_cast<int32_t>(hours));
  if (!changed.ok()) return InternalFailure(changed.status());
  if (changed.value() == nullptr) return NotFound(context, stream.name);
  for (const StreamShard& shard : changed.value()->shards) {
    context.store->DeclareShard(shard.number, changed.value()->retention_ms());
  }
  return std::string();
}

}  // namespace

std::vector<ApiOperation> StreamOperations() {
  using enum MemberType;
  const Member limit{"Limit", kInteger, false, nullptr, 1, 10000};
  const Member start_shard{"ExclusiveStartShardId", kString, false, kPatternName, 1, 128};
  const Member hours{"RetentionPeriodHours", kInteger, true};
  const Member mode{"StreamModeDetails",
                    kStructure,
                    false,
                    nullptr,
                    -1,
                    -1,
                    {},
                    {{"StreamMode", kString, true, nullptr, -1, -1, {"PROVISIONED", "ON_DEMAND"}}}};
  const Member filter{"ShardFilter",
                      kStructure,
                      false,
                      nullptr,
                      -1,
                      -1,
                      {},
                      {{"Type",
                        kString,
                        true,
                        nullptr,
                        -1,
                        -1,
                        {"AFTER_SHARD_ID", "AT_TRIM_HORIZON", "FROM_TRIM_HORIZON", "AT_LATEST",
                         "AT_TIMESTAMP", "FROM_TIMESTAMP"}},
                       {"ShardId", kString, false, kPatternName, 1, 128},
                       {"Timestamp", kTimestamp}}};
  const Member name = StreamNameMember(false), arn = StreamArnMember();
  return {
      {"CreateStream",
       {{"ShardCount", kInteger, false, nullptr, 1, 100000}, mode, StreamNameMember()},
       CreateStream},
      {"DeleteStream", {{"EnforceConsumerDeletion", kBoolean}, name, arn}, DeleteStream},
      {"ListStreams",
       {limit,
        {"ExclusiveStartStreamName", kString, false, kPatternName, 1, 128},
        {"NextToken", kString, false, nullptr, 1, 1048576}},
       ListStreams},
      {"DescribeStream", {limit, start_shard, name, arn}, DescribeStream},
      {"DescribeStreamSummary", {name, arn}, DescribeStreamSummary},
      {"ListShards",
       {start_shard,
        {"MaxResults", kInteger, false, nullptr, 1, 10000},
        {"NextToken", kString, false, nullptr, 1, 1048576},
        filter,
        {"StreamCreationTimestamp", kTimestamp},
        name,
        arn},
       ListShards},
      {"IncreaseStreamRetentionPeriod",
       {hours, name, arn},
       [](const ApiContext& c, const json& r) { return ChangeRetention(c, r, true); }},
      {"DecreaseStreamRetentionPeriod",
       {hours, name, arn},
       [](const ApiContext& c, const json& r) { return ChangeRetention(c, r, false); }},
  };
}

}  // namespace millrace::connectors
