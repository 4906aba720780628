#pragma once

#include <memory>
#include <string>

#include "connectors/kinesis/kinesis_client.h"
#include "connectors/kinesis/kinesis_options.h"
#include "runtime/api/registry.h"

namespace millrace::connectors {

// Where reading of a shard goes on, as it stands in Split::position: JSON
// {"version":1,"after":"4957..."} or {"version":1,"at":"TRIM_HORIZON"} or
// {"version":1,"at":1700000000123} (milliseconds), with "until" (milliseconds) when the source is
// bounded.
struct ShardPosition {
  ShardStart start;
  std::optional<int64_t> until_ms;

  std::string ToText() const;
  static runtime::Result<ShardPosition> Parse(const std::string& text);
};

// Reads a stream: a split is a shard. Children of a split or merged shard are read once their
// parents have been read to their end.
runtime::Result<std::unique_ptr<runtime::Source>> MakeKinesisSource(
    const runtime::TableSpec& table);

// The metadata columns: 'timestamp', 'shard-id' and 'sequence-number' as Flink's 'kinesis-legacy',
// and 'partition-key', ours.
std::vector<runtime::Field> KinesisReadableMetadata();

// Parts of the source, for kinesis_source.cpp.
std::unique_ptr<runtime::SplitEnumerator> MakeShardEnumerator(
    std::shared_ptr<KinesisClient> client, const KinesisSourceSettings& settings);
runtime::Result<std::unique_ptr<runtime::SourceReader>> MakeShardReader(
    std::shared_ptr<KinesisClient> client, const KinesisSettings& settings,
    const runtime::TableSpec& table);

}  // namespace millrace::connectors
