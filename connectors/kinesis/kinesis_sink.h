#pragma once

#include <memory>
#include <string>

#include "connectors/kinesis/kinesis_client.h"
#include "connectors/kinesis/kinesis_options.h"
#include "runtime/api/registry.h"

namespace millrace::connectors {

// Writes rows into a stream. Against our log exactly once: the rows of an epoch are put under a
// transaction, Prepare names it, Commit makes it visible. Elsewhere at least once: Prepare waits
// until all rows are acknowledged.
runtime::Result<std::unique_ptr<runtime::Sink>> MakeKinesisSink(const runtime::TableSpec& table);

// "millrace/JOB/SINK/": the transactions of one sink of one job begin so. Behind it stand subtask,
// run and epoch, so that no two runs share one.
std::string TransactionPrefix(const std::string& job_id, const std::string& sink_uid);

// What Prepare names, as it stands in the checkpoint: JSON {"version":1,"transaction":ID,
// "preparedMs":1700000000123}.
struct PreparedTransaction {
  std::string id;
  int64_t prepared_ms = 0;

  std::string ToText() const;
  static runtime::Result<PreparedTransaction> Parse(const std::string& text);
};

// Parts of the sink, for kinesis_sink.cpp. `prefix` empty: at least once.
runtime::Result<std::unique_ptr<runtime::SinkWriter>> MakeKinesisWriter(
    std::shared_ptr<KinesisClient> client, const KinesisSettings& settings,
    const runtime::TableSpec& table, std::string prefix);

}  // namespace millrace::connectors
