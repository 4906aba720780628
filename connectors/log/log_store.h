#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/log/record_batch.h"
#include "runtime/types/status.h"

namespace millrace::connectors {

// What one Read found. The records point into `held`.
struct ReadBatch {
  std::vector<LogRecord> records;
  RecordCounter next_counter = 0;  // from which to read on; never smaller than was asked for
  int64_t behind_ms = 0;           // how far the end of the batch is from the shard's last record
  std::vector<std::shared_ptr<const void>> held;
};

// The two ends of what a shard holds now.
struct ShardEnds {
  RecordCounter first_counter = 1;  // of the oldest record kept; next_counter if there is none
  RecordCounter next_counter = 1;   // that the next record will get
  int64_t last_time_ms = 0;         // of the newest record; 0 if there is none
};

enum class TransactionState : uint8_t { kOpen, kCommitted, kAborted };

struct TransactionInfo {
  std::string id;
  TransactionState state = TransactionState::kOpen;
  uint64_t records = 0;
  uint64_t size_bytes = 0;
  uint64_t last_batch = 0;  // the highest RecordBatch::transaction_batch stored
  int64_t begun_ms = 0;
  int64_t ended_ms = 0;  // 0 while open
};

// How the message of an Append begins that is refused because its transaction has ended.
inline constexpr std::string_view kTransactionIsCommitted =
    "transaction is committed and takes no more records";
inline constexpr std::string_view kTransactionIsAborted =
    "transaction is aborted and takes no more records, begin one under another id";

// How a call on a transaction ended.
enum class TransactionOutcome : uint8_t { kDone, kAlreadyDone, kUnknown, kAborted, kCommitted };

// Stores records of many shards durably, in order per shard, and reads them back. Two are meant:
// embedded segments (embedded_log_store.h) and Kafka, where a shard is a partition.
//
// Thread-safe. Append, CommitTransaction and AbortTransaction return at once and complete later, in
// any order, on a thread of the store, or on the caller's if the store has stopped; a completion
// must be short and must not block. The rest may block for one disk read.
//
// Order: records of one batch, and of batches of which the first completed before the second was
// appended, keep their order within a shard. A shard's counters have no gaps.
// Durability: as the options of the store say; by default a completion with OK means that the disk
// has it. After an error the records are not visible as long as this store lives; where a write or
// sync failed and a crash follows, they may be there when it is opened again: "failed" then means
// "not known", as with any disk. Records under a transaction stay invisible until it commits.
// Errors: kExternal with what the disk said; full disks clear by themselves once there is room.
class LogStore {
 public:
  // Hands the batch back. With OK each entry has its counter, except under a transaction (0 until
  // it commits); `time_ms` is the arrival time of all of them.
  using AppendDone = std::function<void(runtime::Status, RecordBatch batch, int64_t time_ms)>;
  using TransactionDone = std::function<void(runtime::Status, TransactionOutcome)>;

  virtual ~LogStore() = default;

  // Declares a shard before its first use, with what the catalog knows of it; records older than
  // `retention_ms` are dropped. Idempotent; again with another retention changes it.
  virtual void DeclareShard(ShardNumber shard, int64_t retention_ms) = 0;
  // Forgets shards and their records, those of open transactions too.
  virtual void DropShards(const std::vector<ShardNumber>& shards) = 0;

  // REQUIRES: the batch is not empty and its shards are declared (those dropped meanwhile fail).
  // A batch under a transaction begins that transaction if it is new. It fails with kUser if that
  // has ended, and is answered without being stored again if its number was stored before.
  virtual void Append(RecordBatch batch, AppendDone done) = 0;

  // Makes the records of a transaction visible, in one step that survives a crash: all or none.
  // They get their counters and time now. kAlreadyDone: it was committed before; kAborted: too
  // late; kUnknown: no such id, or forgotten (ids are remembered for the store's memory of them).
  virtual void CommitTransaction(std::string id, TransactionDone done) = 0;
  // Drops them. kAlreadyDone: aborted before; kCommitted: too late; kUnknown.
  virtual void AbortTransaction(std::string id, TransactionDone done) = 0;
  // Transactions whose id starts with `prefix`, in order of id.
  virtual std::vector<TransactionInfo> ListTransactions(std::string_view prefix) = 0;

  // Reads from the first record at or after `from`, up to the limits (one record always fits).
  // Finding nothing is no error. Errors: kUser for a shard that isn't declared; kInternal for
  // damaged bytes, with the file and offset.
  virtual runtime::Result<ReadBatch> Read(ShardNumber shard, RecordCounter from, size_t records_max,
                                          size_t bytes_max) = 0;
  virtual runtime::Result<ShardEnds> Ends(ShardNumber shard) = 0;
  // The counter of the first record that arrived at or after `time_ms`; next_counter if none has.
  virtual runtime::Result<RecordCounter> FindTime(ShardNumber shard, int64_t time_ms) = 0;
};

}  // namespace millrace::connectors
