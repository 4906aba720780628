#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "connectors/log/log_format.h"
#include "connectors/log/log_store.h"
#include "connectors/log/segment_file.h"
#include "connectors/log/shard_index.h"

namespace millrace::connectors {

// A call that waits for its group commit: an append, or the end of a transaction.
struct PendingCall {
  RecordBatch batch;
  LogStore::AppendDone append_done;
  std::string id;  // of the transaction to end
  bool commit = false;
  LogStore::TransactionDone end_done;

  // Set by the builder and the writer.
  runtime::Status status;
  TransactionOutcome outcome = TransactionOutcome::kDone;
};

// A built unit. The buffer begins with a free page, for the head of a segment, then the unit.
struct BuiltUnit {
  std::shared_ptr<PageBuffer> buffer;
  size_t length = 0;  // of the unit; 0: nothing is to be written
  uint32_t records = 0;
  char* unit() const { return buffer->data() + kSegmentPageBytes; }
};

// Lays the records of many calls out as one unit, those of a shard together, and gives them their
// counters. Used by one thread; keeps its tables from unit to unit.
class UnitBuilder {
 public:
  // Puts all calls that can succeed into a unit; sets the status and outcome of those that can't,
  // or that need nothing stored. Ends of transactions take effect after every append of the unit.
  // An empty `calls` makes an empty unit, which only proves what stands before it.
  BuiltUnit Build(std::vector<PendingCall>* calls, ShardIndex* index, int64_t time_ms,
                  uint64_t sequence);
  // Checksums everything for the segment into which the unit goes.
  static void Seal(const BuiltUnit& unit, uint64_t generation);

 private:
  struct Slot {  // a record run in the making
    ShardNumber shard;
    uint64_t transaction;
    uint32_t records;
    uint32_t bytes;
    char* at;
    RecordCounter next_counter;
  };
  struct OpenTransaction {  // as it will be after the appends of this unit
    uint64_t number;
    uint64_t last_batch;
    int64_t begun_ms;
    bool stored;
  };

  void AdmitAppend(PendingCall* call, ShardIndex* index, int64_t time_ms);
  bool AdmitTransaction(PendingCall* call, ShardIndex* index, int64_t time_ms, uint64_t* number);
  void AdmitEnd(PendingCall* call, ShardIndex* index, int64_t time_ms);
  int32_t SlotOf(ShardNumber shard, uint64_t transaction, const ShardIndex& index);
  void AddNote(RunKind kind, const TransactionNote& note, std::vector<std::string>* notes,
               int64_t time_ms);

  std::vector<Slot> slots_;
  std::vector<int32_t> slot_of_shard_;  // -1: none yet in this unit, -2: not declared
  std::vector<ShardNumber> touched_;    // entries of slot_of_shard_ to reset
  std::map<std::pair<ShardNumber, uint64_t>, int32_t> transaction_slots_;
  std::vector<int32_t> entry_slots_;  // of all entries of all admitted appends, in order
  std::map<std::string, OpenTransaction> open_;
  std::map<std::string, TransactionOutcome> ended_;      // in this unit
  std::vector<std::string> notes_before_, notes_after_;  // whole runs
};

// Gives out page buffers and takes them back, so that memory that has been touched is used again.
class BufferPool {
 public:
  explicit BufferPool(size_t kept_bytes_max);
  ~BufferPool();
  std::shared_ptr<PageBuffer> Take(size_t length);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace millrace::connectors
