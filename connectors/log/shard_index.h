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

// Where a run of one shard's records stands: one entry of the sparse index.
struct Extent {
  uint64_t generation;  // of the segment
  uint32_t offset;      // of the RunHead in the segment
  uint32_t bytes;       // head and body
  RecordCounter first_counter;
  uint32_t records;
  int64_t time_ms;
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

  // A run of visible or of invisible records was written. Shards that aren't declared are left out.
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
  // Runs that still count, of visible records and open transactions, in a segment.
  int64_t LiveRuns(uint64_t generation) const;
  void ForgetSegment(uint64_t generation) { live_runs_.erase(generation); }

  // What must outlive the segments: counters and ended transactions.
  std::string EncodeState() const;
  runtime::Status DecodeState(std::string_view bytes);

 private:
  void Retain(const Extent& extent) { ++live_runs_[extent.generation]; }
  void Release(const Extent& extent) { --live_runs_[extent.generation]; }
  void ReleaseTransaction(TransactionRecord* record);
  TransactionRecord& Named(const TransactionNote& note);

  std::unordered_map<ShardNumber, ShardState> shards_;
  std::map<std::string, TransactionRecord, std::less<>> transactions_;
  std::unordered_map<uint64_t, std::string> open_ids_;  // by number
  std::unordered_map<uint64_t, int64_t> live_runs_;     // by generation
  std::unordered_map<ShardNumber, RecordCounter> saved_counters_;  // of shards not declared yet
  uint64_t last_transaction_ = 0;
};

}  // namespace millrace::connectors
