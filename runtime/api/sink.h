#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/api/operator.h"

namespace millrace::runtime {

// Names what a writer has prepared for one checkpoint and a committer makes visible: versioned
// bytes of the connector, stored in the checkpoint.
using Committable = std::string;

// Writes rows of an epoch so that they stay invisible. One a subtask, called by the owning
// executor thread; must not block (IO goes to threads of the connector's).
class SinkWriter {
 public:
  virtual ~SinkWriter() = default;
  virtual Status Open(OperatorContext& context) = 0;
  // Writer state (Snapshot) of all subtasks of the restored checkpoint, each entry given to one.
  virtual Status Restore(const std::vector<std::string>& states) { return Status::Ok(); }
  // Takes a batch. kNeedInput: taken. kBlocked: not taken, give it again after the waker.
  virtual Result<Progress> Write(const BatchPtr& batch) = 0;
  // Ends the epoch of `checkpoint_id`: all rows given so far are durable, though invisible, when it
  // returns kNeedInput, and *committables names them. kBlocked: call again after the waker.
  // `end_of_input`: nothing will follow.
  virtual Result<Progress> Prepare(int64_t checkpoint_id, bool end_of_input,
                                   std::vector<Committable>* committables) = 0;
  // State to store with the checkpoint, right after Prepare. Empty: none.
  virtual Result<std::vector<std::string>> Snapshot() { return std::vector<std::string>{}; }
  // Processing time has come (rolling of files); as SetProcessingTimer asked.
  virtual Status OnTimer(int64_t now_ms) { return Status::Ok(); }
};

// Makes prepared rows visible. One a sink, called on IO threads, one call at a time.
class SinkCommitter {
 public:
  virtual ~SinkCommitter() = default;
  // Makes everything named visible, exactly once however often it is called: retried on
  // kBackoff, and repeated after a restore from the checkpoint that holds the committables.
  virtual Status Commit(std::span<const Committable> committables) = 0;
  // Called once on a restore, before any writer: drops whatever was written for this sink by
  // earlier attempts after checkpoint `restored_id` (0: a fresh start), which nothing commits.
  virtual Status AbortAfter(int64_t restored_id) { return Status::Ok(); }
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
