#include "connectors/kinesis/kinesis_source.h"

#include <nlohmann/json.hpp>

namespace millrace::connectors {

using nlohmann::json;
using runtime::Result;
using runtime::Status;

namespace {

constexpr int kPositionVersion = 1;

class KinesisSource : public runtime::Source {
 public:
  KinesisSource(KinesisSettings settings, runtime::TableSpec table)
      : settings_(std::move(settings)),
        table_(std::move(table)),
        client_(std::make_shared<KinesisClient>(settings_.client)) {}

  Result<std::unique_ptr<runtime::SplitEnumerator>> MakeEnumerator() override {
    return MakeShardEnumerator(client_, settings_.source);
  }
  Result<std::unique_ptr<runtime::SourceReader>> MakeReader() override {
    return MakeShardReader(client_, settings_, table_);
  }
  bool bounded() const override { return settings_.source.bounded; }

 private:
  const KinesisSettings settings_;
  const runtime::TableSpec table_;
  const std::shared_ptr<KinesisClient> client_;
};

}  // namespace

std::string ShardPosition::ToText() const {
  json text = {{"version", kPositionVersion}};
  switch (start.kind) {
    case ShardStart::Kind::kAfterSequenceNumber:
      text["after"] = start.sequence_number;
      break;
    case ShardStart::Kind::kAtTimestamp:
      text["at"] = start.timestamp_ms;
      break;
    case ShardStart::Kind::kTrimHorizon:
      text["at"] = "TRIM_HORIZON";
      break;
    case ShardStart::Kind::kLatest:
      text["at"] = "LATEST";
      break;
  }
  if (until_ms.has_value()) text["until"] = *until_ms;
  return text.dump();
}

Result<ShardPosition> ShardPosition::Parse(const std::string& text) {
  try {
    const json position = json::parse(text);
    if (position.at("version").get<int>() != kPositionVersion) {
      return Status::User(
          "a position of a shard is of a version that this program does not know: " + text);
    }
    ShardPosition parsed;
    if (position.contains("after")) {
      parsed.start.kind = ShardStart::Kind::kAfterSequenceNumber;
      parsed.start.sequence_number = position["after"].get<std::string>();
    } else if (const json& at = position.at("at"); at.is_number()) {
      parsed.start.kind = ShardStart::Kind::kAtTimestamp;
      parsed.start.timestamp_ms = at.get<int64_t>();
    } else {
      parsed.start.kind =
          at == "LATEST" ? ShardStart::Kind::kLatest : ShardStart::Kind::kTrimHorizon;
    }
    if (position.contains("until")) parsed.until_ms = position["until"].get<int64_t>();
    return parsed;
  } catch (const json::exception& e) {
    return Status::Internal(std::string("a position of a shard can't be read: ") + e.what() + ": " +
                            text);
  }
}

Result<std::unique_ptr<runtime::Source>> MakeKinesisSource(const runtime::TableSpec& table) {
  ASSIGN_OR_RETURN(KinesisSettings settings, ReadKinesisSettings(table));
  auto source = std::make_unique<KinesisSource>(std::move(settings), table);
  // A format or column that can't be read is refused here, before anything starts.
  RETURN_IF_ERROR(source->MakeReader().status());
  return std::unique_ptr<runtime::Source>(std::move(source));
}

std::vector<runtime::Field> KinesisReadableMetadata() {
  using runtime::LogicalType;
  return {{"timestamp", LogicalType::TimestampLtz(3).AsNullable(false)},
          {"shard-id", LogicalType::VarChar(128).AsNullable(false)},
          {"sequence-number", LogicalType::VarChar(128).AsNullable(false)},
          {"partition-key", LogicalType::VarChar(256).AsNullable(false)}};
}

}  // namespace millrace::connectors
