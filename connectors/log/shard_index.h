#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "connectors/log/log_format.h"
#include "connectors/log/log_store.h"

namespace millrace::connectors {

// Where records of one shard stand: one entry of the sparse index. In a segment it is one run; in a
// cluster several, one behind the other, with counters that go on without a gap.
struct Extent {
  uint64_t generation;  // of the segment or cluster
  uint32_t offset;      // of the (first) RunHead in the file
  uint32_t bytes;       // heads and bodies
  RecordCounter first_counter;
  uint32_t records;
  int64_t time_ms;       // of the first record
  int64_t last_time_ms;  // of the last one

  RecordCounter end_counter() const { return first_counter + records; }
};

struct ShardState {
  int64_t retention_ms = 0;
  RecordCounter next_counter = 1;
  int64_t last_time_ms = 0;
  std::deque<Extent> extents;  // by counter
};

struct TransactionRecord {
  TransactionInfo info;
  uint64_t number = 0;
  std::map<ShardNumber, std::vector<Extent>> extents;  // in order of writing; first_counter is 0
};

// Holds what the log knows in memory: for each shard the places of its records, and the
// transactions. Recovery and the writer change it through the same calls, so that a restart comes
// to the same state. Not thread-safe: the store guards it.
class ShardIndex {
 public:
  void DeclareShard(ShardNumber shard, int64_t retention_ms);
  void DropShard(ShardNumber shard);
  const ShardState* Find(ShardNumber shard) const;

  // Visible or invisible records were written. Shards that aren't declared are left out, and so are
  // visible records that are known already, from a cluster.
  void AddRecords(ShardNumber shard, const Extent& extent);
  void AddTransactionRecords(ShardNumber shard, uint64_t transaction, const Extent& extent);
  // The three notes.
  void ApplyPut(const TransactionNote& note);
  void ApplyCommit(const TransactionNote& note, int64_t time_ms);
  void ApplyAbort(const TransactionNote& note, int64_t time_ms);

  // nullptr if unknown.
  TransactionRecord* FindTransaction(const std::string& id);
  std::vector<TransactionInfo> ListTransactions(std::string_view prefix) const;
  // Open ones that began before `begun_ms`.
  std::vector<std::string> OpenTransactionsBefore(int64_t begun_ms) const;
  uint64_t NewTransactionNumber() { return ++last_transaction_; }

  // Drops records older than their shard's retention, and ended transactions of before
  // `forget_before_ms`.
  void Expire(int64_t now_ms, int64_t forget_before_ms);
  // Extents that still count, of visible records and open transactions, in a segment or cluster.
  struct Live {
    int64_t extents = 0;
    int64_t bytes = 0;
  };
  Live LiveIn(uint64_t generation) const;
  void ForgetSegment(uint64_t generation) { live_.erase(generation); }

  // Visible extents of a segment by shard, in order of counters.
  std::map<ShardNumber, std::vector<Extent>> ExtentsOf(uint64_t generation) const;
  // The records of `from` (a subset of ExtentsOf one segment, at some earlier time) stand in `to`
  // now, too. Those that were dropped meanwhile stay dropped.
  void MoveExtents(ShardNumber shard, const std::vector<Extent>& from,
                   const std::vector<Extent>& to);

  // What must outlive the segments: counters and ended transactions.
  std::string EncodeState() const;
  runtime::Status DecodeState(std::string_view bytes);

 private:
  void Retain(const Extent& extent) {
    Live& live = live_[extent.generation];
    ++live.extents;
    live.bytes += extent.bytes;
  }
  void Release(const Extent& extent) {
    Live& live = live_[extent.generation];
    --live.extents;
    live.bytes -= extent.bytes;
  }
  static void Insert(const Extent& extent, std::deque<Extent>* extents);
  static bool Covers(const std::deque<Extent>& extents, RecordCounter counter);
  void ReleaseTransaction(TransactionRecord* record);
  TransactionRecord& Named(const TransactionNote& note);

  std::unordered_map<ShardNumber, ShardState> shards_;
  std::map<std::string, TransactionRecord, std::less<>> transactions_;
  std::unordered_map<uint64_t, std::string> open_ids_;             // by number
  std::unordered_map<uint64_t, Live> live_;                        // by generation
  std::unordered_map<ShardNumber, RecordCounter> saved_counters_;  // of shards not declared yet
  uint64_t last_transaction_ = 0;
};

}  // namespace millrace::connectors
