#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "connectors/log/log_store.h"
#include "connectors/log/segment_file.h"
#include "runtime/api/clock.h"

namespace millrace::connectors {

// When an append is acknowledged.
enum class Durability : uint8_t {
  kDisk,      // once it is on disk (fdatasync)
  kInterval,  // once it is written; synced every sync_interval_ms: a crash of the machine loses
              // that
  kMemory,    // at once: a crash of the process loses what was not written yet
};

struct EmbeddedLogOptions {
  uint64_t segment_bytes = 128ull << 20;
  size_t unit_bytes = 4ull << 20;    // a group commit takes no more calls once it holds this much
  int64_t gather_us = 500;           // how long a group commit waits for more calls under load
  size_t cache_bytes = 64ull << 20;  // of the newest units, kept in memory for tail reads
  size_t pending_bytes_max = 64ull << 20;  // above it appends fail at once: the disk can't follow
  size_t spares_max = 4;                   // freed segments that are kept to be written again
  Durability durability = Durability::kDisk;
  int64_t sync_interval_ms = 10;
  int64_t transaction_timeout_ms = 24LL * 3600 * 1000;     // open ones are aborted
  int64_t transaction_memory_ms = 7LL * 24 * 3600 * 1000;  // ended ones are forgotten
  const runtime::Clock* clock = nullptr;                   // nullptr: the machine's
};

// Counts since the store was opened; for metrics and tests.
struct EmbeddedLogCounts {
  uint64_t units = 0;
  uint64_t records = 0;
  uint64_t bytes_written = 0;
  uint64_t bytes_read_from_disk = 0;
  uint64_t segments = 0;
  uint64_t clusters = 0;
  uint64_t recovered_units = 0;
  uint64_t torn_bytes = 0;
};

// Keeps the log in one folder of this machine: one append-only log shared by all shards, in
// segments (log_format.h) that one thread writes, a group commit after the other. Reads are served
// from the newest units in memory, else from disk through a sparse index that is kept in memory. A
// second thread re-clusters old segments where that helps (cluster_file.h).
class EmbeddedLogStore : public LogStore {
 public:
  using Shards = std::vector<std::pair<ShardNumber, int64_t>>;  // with their retention_ms

  // Locks the folder and recovers what it holds; records of shards not in `shards` are dropped.
  // Errors: kUser if another process has the folder; kInternal with file and offset for damage.
  static runtime::Result<std::unique_ptr<EmbeddedLogStore>> Open(
      std::unique_ptr<SegmentFolder> folder, const EmbeddedLogOptions& options,
      const Shards& shards);
  // Waits for what was appended, then stops.
  ~EmbeddedLogStore() override;

  void DeclareShard(ShardNumber shard, int64_t retention_ms) override;
  void DropShards(const std::vector<ShardNumber>& shards) override;
  void Append(RecordBatch batch, AppendDone done) override;
  void CommitTransaction(std::string id, TransactionDone done) override;
  void AbortTransaction(std::string id, TransactionDone done) override;
  std::vector<TransactionInfo> ListTransactions(std::string_view prefix) override;
  runtime::Result<ReadBatch> Read(ShardNumber shard, RecordCounter from, size_t records_max,
                                  size_t bytes_max) override;
  runtime::Result<ShardEnds> Ends(ShardNumber shard) override;
  runtime::Result<RecordCounter> FindTime(ShardNumber shard, int64_t time_ms) override;

  EmbeddedLogCounts counts() const;
  // Waits until the background has nothing left to re-cluster; for tests and benchmarks.
  void WaitUntilClustered();

 private:
  class Impl;
  explicit EmbeddedLogStore(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::connectors
