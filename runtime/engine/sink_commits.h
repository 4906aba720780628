#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/engine/execution.h"

namespace millrace::runtime {

// Everything that sinks have prepared and that is not yet visible, from Prepare until Commit has
// said so: each is in every manifest meanwhile. A sink's commits run one at a time, in the order of
// checkpoints; one that fails with Retry::kBackoff is tried again. Only called in slices of the
// master.
class SinkCommits {
 public:
  using ByUid = std::map<std::string, std::vector<Committable>>;
  struct Engine {  // of the master
    std::function<void(std::function<void()>)> run_io;
    std::function<void(std::function<void()>)> post;
    std::function<int64_t()> now_ms;
    std::function<void(const Status&)> failed;  // a commit that is not tried again
    std::function<void()> settled;              // a commit has ended, well or not
  };
  explicit SinkCommits(Engine engine) : engine_(std::move(engine)) {}

  // A new execution, which has committed what the restored checkpoint held.
  void Begin(std::vector<Execution::SinkParts>& sinks);
  // What a sink prepared for a checkpoint, complete or not.
  void Prepared(const std::string& uid, std::vector<Committable> committables);
  // All that a manifest has to hold.
  ByUid Uncommitted() const;
  // Checkpoint `id` is complete: all of it and of earlier ones may be committed. `then` is called
  // once: with true when that is done, with false if End came first.
  void CommitUpTo(int64_t id, std::function<void(bool)> then);
  // Tries again what is due. Returns when the next try is due; INT64_MAX: none waits.
  int64_t RetryDue();
  // The execution ends: nothing new is begun, nothing tried again. What runs goes on until busy()
  // is false.
  void End();
  bool busy() const { return running_ > 0; }

 private:
  struct Queue {
    std::shared_ptr<SinkCommitter> committer;  // null: nothing to commit
    std::vector<Committable> prepared;         // of checkpoints that are not complete
    std::vector<Committable> released;         // may be committed
    std::shared_ptr<std::vector<Committable>> committing;
    bool in_flight = false;  // an IO thread is at `committing`
    int tries = 0;
    int64_t pause_ms = 0;
    int64_t retry_at_ms = INT64_MAX;
  };
  struct Waiting {
    int64_t id;
    std::function<void(bool)> then;
  };
  void Next(const std::string& uid, Queue& queue);
  void Ended(const std::string& uid, int64_t generation, const Status& status);
  void RunWaiting();

  const Engine engine_;
  std::map<std::string, Queue> queues_;
  std::vector<Waiting> waiting_;  // in the order of ids
  int64_t generation_ = 0;
  bool ended_ = true;
  int running_ = 0;
};

}  // namespace millrace::runtime
