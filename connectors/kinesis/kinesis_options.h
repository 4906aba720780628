#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "connectors/kinesis/kinesis_client.h"
#include "runtime/api/option_table.h"
#include "runtime/api/registry.h"

namespace millrace::connectors {

// The options of 'connector' = 'kinesis', under the names of flink-connector-aws 5 and 6, the names
// of its 'kinesis-legacy' where they still say something, and ours.
runtime::OptionTable KinesisOptions();

// Where a shard that was not read yet begins.
enum class InitialPosition : uint8_t { kLatest, kTrimHorizon, kAtTimestamp };

struct KinesisSourceSettings {
  InitialPosition position = InitialPosition::kLatest;
  int64_t timestamp_ms = 0;  // of kAtTimestamp
  int64_t discovery_interval_ms = 10000;
  bool bounded = false;  // ends at what is there when it starts
  int64_t records_max = 10000;
  int64_t idle_interval_ms = 250;   // after a fetch that found nothing
  int64_t fetch_interval_ms = 0;    // after one that found something
  size_t prefetch_bytes = 8 << 20;  // of a reader
};

enum class SinkGuarantee : uint8_t { kAuto, kExactlyOnce, kAtLeastOnce };
enum class SinkPartitioner : uint8_t { kRandom, kFixed, kFields };

struct KinesisSinkSettings {
  SinkGuarantee guarantee = SinkGuarantee::kAuto;
  SinkPartitioner partitioner = SinkPartitioner::kRandom;
  std::string field_delimiter = "|";
  size_t request_records_max = 500;
  size_t request_bytes_max = 5 << 20;
  size_t buffered_records_max = 10000;
  int64_t flush_timeout_ms = 5000;
  bool fail_on_error = false;
};

// Everything that the options of one table say.
struct KinesisSettings {
  KinesisClientOptions client;
  std::string format;
  KinesisSourceSettings source;
  KinesisSinkSettings sink;
};

// Reads and checks the options of a table. Errors: kUser, with the option and what to do.
runtime::Result<KinesisSettings> ReadKinesisSettings(const runtime::TableSpec& table);

}  // namespace millrace::connectors
