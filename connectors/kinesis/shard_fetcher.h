#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "connectors/kinesis/io_gate.h"
#include "connectors/kinesis/kinesis_client.h"
#include "connectors/kinesis/kinesis_options.h"
#include "runtime/types/memory_pool.h"

namespace millrace::connectors {

// Fetches the records of a reader's shards ahead of it, on IO threads: at most one request a shard
// is under way, and what lies here or with the reader is bounded in bytes. A shard that gives
// nothing is asked again after a pause that grows up to the idle interval; no thread waits
// meanwhile. A service that can't be reached or throttles is tried again until the client's retry
// timeout.
//
// Shared by its reader and the work it started, so it outlives the reader if it must; after Stop
// nothing new begins. Thread-safe; nothing here blocks but the work on IO threads. Wakes the reader
// when there is something new to Take.
class ShardFetcher : public std::enable_shared_from_this<ShardFetcher> {
 public:
  ShardFetcher(std::shared_ptr<KinesisClient> client, std::shared_ptr<IoGate> gate,
               const KinesisSourceSettings& settings, std::shared_ptr<runtime::MemoryPool> pool);
  ~ShardFetcher();

  // Begins to fetch a shard; they are numbered in the order of the calls. `until_ms`: the shard
  // ends before the first record that arrived later, or where nothing more is there.
  void AddShard(std::string id, ShardStart start, std::optional<int64_t> until_ms);
  // The next records of a shard, and null if none are at hand. Those without a next_iterator are
  // the shard's last, and may be none.
  std::unique_ptr<FetchedRecords> Take(int shard);
  // Says that records given by Take are no longer needed.
  void Release(std::unique_ptr<FetchedRecords> records);
  // Why it has given up; OK: it has not.
  runtime::Status status() const;
  // How far the reader's slowest shard was from its tip when it was last asked.
  int64_t behind_ms() const;
  void Stop();

 private:
  struct Shard {
    std::string id;
    ShardStart next;       // where to go on without an iterator
    std::string iterator;  // empty: to be got
    std::optional<int64_t> until_ms;
    bool fetching = false;  // a request is under way
    bool pausing = false;   // until its timer
    bool ended = false;     // everything of it was fetched
    std::unique_ptr<FetchedRecords> ready;
    size_t expected_bytes = 1 << 20;  // of its next answer
    int64_t pause_ms = 0;             // the last one
    int64_t failing_since_ms = 0;     // 0: the last request went well
    int expired_in_a_row = 0;
    int64_t behind_ms = 0;
  };

  void Dispatch();  // starts what may be; mutex_ held
  bool MayFetch(const Shard& shard) const;
  void Fetch(size_t index);
  void Fetched(Shard& shard, size_t index, FetchedRecords records);
  void Failed(Shard& shard, size_t index, const runtime::Status& status, bool expired);
  void Pause(Shard& shard, size_t index, int64_t pause_ms);

  const std::shared_ptr<KinesisClient> client_;
  const std::shared_ptr<IoGate> gate_;
  const KinesisSourceSettings settings_;
  const int64_t first_pause_ms_;  // after a fetch that found nothing more
  const std::shared_ptr<runtime::MemoryPool> pool_;

  mutable std::mutex mutex_;
  std::deque<Shard> shards_;
  runtime::Status status_;
  bool stopped_ = false;
  size_t next_shard_ = 0;
  size_t held_bytes_ = 0;      // ready, or with the reader
  size_t expected_bytes_ = 0;  // of requests under way
};

}  // namespace millrace::connectors
