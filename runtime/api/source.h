#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/api/operator.h"

namespace millrace::runtime {

// A part of a source that one reader reads in order: a shard, a partition, a file, a number range.
// `position` is the connector's own versioned bytes: where to go on. Rescaling moves splits whole.
struct Split {
  std::string id;
  std::string position;
  bool operator==(const Split&) const = default;
};

// Finds splits. One for a source, in the job manager; called by one thread at a time, on IO threads:
// may block. (FLIP-27's SplitEnumerator without the messages: the engine assigns.)
class SplitEnumerator {
 public:
  virtual ~SplitEnumerator() = default;
  // Returns splits that were not returned before (nor are in a restored Snapshot). Called at the
  // start, after SplitFinished, and every discovery_interval_ms() if that is > 0.
  virtual Result<std::vector<Split>> Discover() = 0;
  virtual int64_t discovery_interval_ms() const { return 0; }
  // No further split will ever be found, whatever finishes: readers are told so.
  virtual bool done() const { return discovery_interval_ms() == 0; }
  // What it must remember so as not to return a split twice, as of its last Discover. Versioned
  // bytes. A checkpoint stores it together with the splits that no reader was given yet: so each
  // split is in exactly one of enumerator, unassigned, readers.
  virtual std::string Snapshot() const = 0;
  virtual Status Restore(const std::string& snapshot) = 0;
  // A reader has read this split to its end (a closed shard): its children may be discovered.
  virtual void SplitFinished(const std::string& split_id) {}
};

// What a reader hands over in one call.
struct ReadOutput {
  BatchPtr batch;        // all rows from one split, in order; null: nothing
  int32_t split = -1;    // which one: index in the order of AddSplits
  Timestamp watermark = kMinTimestamp;  // what the source itself knows of that split, after the batch
  bool split_finished = false;  // that split will give nothing more, after this batch
};

// Reads splits. One a subtask; called by the owning executor thread, must not block: fetching goes
// on IO threads of the connector's, which call the waker.
class SourceReader {
 public:
  virtual ~SourceReader() = default;
  // On a thread that may block, as the destructor.
  virtual Status Open(OperatorContext& context) = 0;
  // Takes more splits; they are numbered on in the order of all calls.
  virtual Status AddSplits(const std::vector<Split>& splits) = 0;
  // No further splits will come: when those it has are read, it is finished.
  virtual void NoMoreSplits() = 0;
  // Gives at most one batch. kMore: more is at hand now. kBlocked: the waker will be called.
  // kFinished: all splits read and NoMoreSplits was called. Never kNeedInput.
  // Positions (Snapshot) count a row as read once its batch was handed over.
  virtual Result<Progress> Poll(ReadOutput* out) = 0;
  // A paused split gives no batch (watermark alignment).
  virtual void SetPaused(int32_t split, bool paused) {}
  // Splits not finished, with their positions as of now.
  virtual Result<std::vector<Split>> Snapshot() = 0;
  // Checkpoint `id`, which holds that Snapshot, is complete (commit offsets to a group).
  virtual void CheckpointComplete(int64_t id) {}
};

// Makes the parts of one source table. Lives as long as the job.
class Source {
 public:
  virtual ~Source() = default;
  virtual Result<std::unique_ptr<SplitEnumerator>> MakeEnumerator() = 0;
  virtual Result<std::unique_ptr<SourceReader>> MakeReader() = 0;
  // Ends by itself.
  virtual bool bounded() const = 0;
};

// Derives watermarks from the rows of one split. (operators/ has the one of the SQL clause.)
class WatermarkGenerator {
 public:
  virtual ~WatermarkGenerator() = default;
  // Computes the watermark after each row of `batch` (running maximum of the expression; NULL
  // rows keep it): marks has num_rows() entries. Returns the last.
  virtual Result<Timestamp> OnBatch(const Batch& batch, std::vector<Timestamp>* marks) = 0;
};

}  // namespace millrace::runtime
