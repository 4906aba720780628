#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/api/clock.h"
#include "runtime/api/file_system.h"
#include "runtime/api/metrics.h"
#include "runtime/api/state.h"
#include "runtime/types/batch.h"
#include "runtime/types/status.h"

namespace millrace::runtime {

// What a call of an operator, source or sink leaves to do.
enum class Progress : uint8_t {
  kNeedInput,  // done with what it was given
  kMore,       // make the same call again before giving anything else
  kBlocked,    // as kMore, but only after the context's waker was called
  kFinished,   // done, and nothing will ever come again (a reached LIMIT): inputs may be stopped
};

// Takes what an operator emits during one call. At most one batch a call.
class Output {
 public:
  // REQUIRES: nothing emitted in this call yet; batch has at least one row.
  void Emit(BatchPtr batch) {
    CHECK_THAT_HOLDS(batch_ == nullptr && batch->num_rows() > 0);
    batch_ = std::move(batch);
  }
  bool empty() const { return batch_ == nullptr; }
  BatchPtr Take() { return std::move(batch_); }

 private:
  BatchPtr batch_;
};

// What an operator is made from. Plain data; part of the JobGraph.
struct OperatorSpec {
  std::string uid;          // stable over restarts; state is found by it
  std::string kind;         // registered name: "calc", "group-aggregate", "source", "sink"
  std::string description;  // for people, from the plan
  std::string config;       // JSON object, by kind; documented at the operator
  std::vector<RowType> inputs;
  RowType output;
  bool operator==(const OperatorSpec&) const = default;
};

// Options of a job that operators read; from the plan's configuration and the command line.
struct JobSettings {
  int32_t batch_rows = kDefaultBatchRows;
  size_t batch_bytes = 1 << 20;
  std::string time_zone = "UTC";  // table.local-time-zone
};

// Tells one run of a job from others. A job keeps its id over restarts and when it is resumed from
// its own checkpoints; every start and restart has a run id of its own.
struct RunIdentity {
  std::string job_id;                  // 32 hex digits
  std::string run_id;                  // unique for each attempt
  int attempt = 0;
  int64_t restored_checkpoint_id = 0;  // 0: a fresh start
};

// What the engine gives an operator, source or sink. Lives as long as it. Unless said otherwise,
// only for the thread that makes the current call.
class OperatorContext {
 public:
  virtual ~OperatorContext() = default;
  virtual const JobSettings& settings() const = 0;
  virtual const RunIdentity& run() const = 0;
  virtual int subtask() const = 0;
  virtual int parallelism() const = 0;
  virtual int max_parallelism() const = 0;
  virtual MemoryPool& pool() = 0;
  virtual MetricGroup& metrics() = 0;
  // Milliseconds since the epoch, read once a batch.
  virtual int64_t now_ms() const = 0;
  // Time, disk and blocking work go through these, so that a test can simulate them. Thread-safe.
  virtual const Clock& clock() const = 0;
  virtual Result<FileSystem*> file_system(std::string_view uri) = 0;
  // Runs `work` on an IO thread. What it touches must outlive it.
  virtual void RunIo(std::function<void()> work) = 0;

  // The watermark that all inputs have reached; kMinTimestamp before the first.
  virtual Timestamp watermark() const = 0;

  // State number `index` of States(). keyed(): not of kList and kUnionList. list(): only of these;
  // restored entries are there from Open on; what it holds after PrepareBarrier is stored.
  virtual KeyedTable& keyed(int index) = 0;
  virtual ListEntries& list(int index) = 0;
  // Rows of the keys that NameKeys named by its `request`-th Add for state `index`: entry i belongs
  // to names.rows[i].
  virtual uint8_t* const* rows(int index, int request = 0) = 0;

  // Calls OnTimer at or after this processing time (once; a later call replaces an earlier
  // timer only if it is sooner).
  virtual void SetProcessingTimer(int64_t time_ms) = 0;
  // Makes the subtask ready. Thread-safe, may be called at any time, also after the operator died.
  virtual std::function<void()> waker() = 0;
};

// Takes the keys that an operator will need of a batch.
class KeyRequests {
 public:
  virtual ~KeyRequests() = default;
  // Names the keys of `names` in state `state`. Vectors, rows, key groups and slices must stay valid
  // until Process returned something other than kMore and kBlocked.
  virtual void Add(int state, Access access, const KeyNames& names) = 0;
};

// Transforms batches. Called by one thread at a time; must not block; should return within about a
// millisecond. Every call that can emit emits at most one batch (settings().batch_rows rows or
// batch_bytes), then kMore with a cursor of its own. Barriers and watermarks come only when no kMore
// is pending, so a cursor is never state. Output equals one row at a time: batching shares lookups
// and dispatch, never suppresses an update.
//
// Order of calls: Open and the destructor on a thread that may block, the rest on the executor.
// A bounded input ends thus: when all inputs have ended, OnWatermark(kMaxTimestamp) if it was not
// reached before, Finish of the last input, then PrepareBarrier of the final checkpoint; after
// Finish nothing else. A job that is stopped with drain ends its sources so; one stopped without
// gets only the PrepareBarrier. An ended input counts as kMaxTimestamp for the minimum.
class Operator {
 public:
  virtual ~Operator() = default;

  // Names the state that this operator wants; the engine creates, pins, snapshots, evicts and
  // restores it. Called once, before Open.
  virtual std::vector<StateSpec> States() const { return {}; }
  // `context` lives as long as the operator.
  virtual Status Open(OperatorContext& context) { return Status::Ok(); }
  // Names the keys of `batch` whose rows Process will use. Called once before Process of a batch,
  // not again on kMore.
  virtual Status NameKeys(int input, const Batch& batch, KeyRequests& requests) {
    return Status::Ok();
  }
  // Consumes `batch` and emits output. kMore: called again with the same batch.
  virtual Result<Progress> Process(int input, const BatchPtr& batch, Output& out) = 0;
  // All inputs have reached `time` (strictly rising). Emits what is due; the engine forwards
  // the watermark once kMore ends.
  virtual Result<Progress> OnWatermark(Timestamp time, Output& out) { return Progress::kNeedInput; }
  // The waker was called while no call was pending: emits what has become ready since (replies to
  // asynchronous lookups).
  virtual Result<Progress> OnWake(Output& out) { return Progress::kNeedInput; }
  // The time given to SetProcessingTimer has come.
  virtual Result<Progress> OnTimer(int64_t now_ms, Output& out) { return Progress::kNeedInput; }
  // A barrier has come on all inputs: emits what it holds back (mini-batch bundles) and brings
  // its list state up to date. State is frozen right after.
  virtual Result<Progress> PrepareBarrier(int64_t checkpoint_id, Output& out) {
    return Progress::kNeedInput;
  }
  // Input `input` has ended. When all have, emits the rest.
  virtual Result<Progress> Finish(int input, Output& out) { return Progress::kNeedInput; }

  // Maps a watermark to what is sent on: identity, but for operators that make watermarks, which
  // return kMinTimestamp (swallow) and emit their own by NextWatermark. Called once, after
  // OnWatermark came to its end.
  virtual Timestamp ForwardWatermark(Timestamp time) { return time; }
  // A watermark to send behind what the call emitted, if anything; kMinTimestamp: none. Asked after
  // every call; never lower than before.
  virtual Timestamp NextWatermark() { return kMinTimestamp; }
  // Whether the output is idle; empty: as the inputs are. Asked after every call (watermark
  // assigners with a timeout).
  virtual std::optional<bool> Idle() const { return std::nullopt; }
};

}  // namespace millrace::runtime
