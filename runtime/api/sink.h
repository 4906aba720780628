#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/api/operator.h"

namespace millrace::runtime {

// Names what a writer has prepared for one checkpoint and a committer makes visible. Stored in the
// checkpoint. The engine keeps each until Commit has made it visible, and stores all that it
// keeps in every checkpoint meanwhile: those of a failed checkpoint are committed by the next.
struct Committable {
  int64_t checkpoint_id = 0;
  int32_t subtask = 0;
  std::string bytes;  // versioned, the connector's own
};

// Writes rows of an epoch so that they stay invisible. One a subtask, called by the owning
// executor thread; must not block (IO goes to threads of the connector's).
class SinkWriter {
 public:
  virtual ~SinkWriter() = default;
  // On a thread that may block, as Restore and the destructor. context.run() tells runs apart: what
  // is written carries job, sink uid, subtask, run and checkpoint, since checkpoint ids alone repeat.
  virtual Status Open(OperatorContext& context) = 0;
  // Writer state (Snapshot) of all subtasks of the restored checkpoint, each entry given to one.
  virtual Status Restore(const std::vector<std::string>& states) { return Status::Ok(); }
  // Takes a batch. kNeedInput: taken. kBlocked: not taken, give it again after the waker.
  virtual Result<Progress> Write(const BatchPtr& batch) = 0;
  // Ends the epoch of `checkpoint_id`: all rows given so far are durable, though invisible, when it
  // returns kNeedInput, and *committables names them. kBlocked: call again after the waker.
  // `end_of_input`: nothing will follow.
  virtual Result<Progress> Prepare(int64_t checkpoint_id, bool end_of_input,
                                   std::vector<std::string>* committables) = 0;
  // State to store with the checkpoint, right after Prepare. Empty: none.
  virtual Result<std::vector<std::string>> Snapshot() { return std::vector<std::string>{}; }
  // Processing time has come (rolling of files); as SetProcessingTimer asked.
  virtual Status OnTimer(int64_t now_ms) { return Status::Ok(); }
};

// Makes prepared rows visible. One a sink, called on IO threads: for several subtasks at once, for
// one subtask one call at a time in checkpoint order. On a restore first Commit of what the
// checkpoint holds, then AbortAfter, then writers are opened and restored.
class SinkCommitter {
 public:
  virtual ~SinkCommitter() = default;
  // Makes everything named visible, exactly once however often it is called: retried on
  // kBackoff, and repeated after a restore from the checkpoint that holds the committables.
  virtual Status Commit(std::span<const Committable> committables) = 0;
  // Drops whatever earlier runs of this job wrote for this sink after the restored checkpoint, which
  // nothing will commit. `writer_states` (all that will be given to Restore) name what must stay.
  virtual Status AbortAfter(const RunIdentity& run, std::span<const std::string> writer_states) {
    return Status::Ok();
  }
};

// Makes the parts of one sink table. Lives as long as the job.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual Result<std::unique_ptr<SinkWriter>> MakeWriter() = 0;
  // Null: rows are visible once written (at least once), nothing to commit.
  virtual Result<std::unique_ptr<SinkCommitter>> MakeCommitter() = 0;
};

}  // namespace millrace::runtime
