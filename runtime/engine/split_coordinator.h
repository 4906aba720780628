#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/engine/execution.h"

namespace millrace::runtime {

// Finds the splits of an execution's sources and deals them out to readers. An enumerator is only
// called on IO threads, one call at a time. What a checkpoint stores of it is its snapshot after
// the last call that has ended, together with the splits that no reader has: so a slow discovery
// holds up no checkpoint. Only called in slices of the master.
class SplitCoordinator {
 public:
  struct Engine {  // of the master
    std::function<void(std::function<void()>)> run_io;
    std::function<void(std::function<void()>)> post;
    std::function<int64_t()> now_ms;
    std::function<void(const Status&)> failed;
  };
  explicit SplitCoordinator(Engine engine) : engine_(std::move(engine)) {}

  void Begin(std::shared_ptr<Execution> execution);
  // What is still under way comes to nothing.
  void End();

  // A reader has read a split to its end.
  void SplitFinished(int vertex, const std::string& split_id);
  // Begins what is due. Returns when it wants to be called again; INT64_MAX: no more.
  int64_t Advance();

  std::map<std::string, Manifest::EnumeratorPart> Snapshot() const;
  // The barrier triggered last: readers forget splits whose end the enumerator has heard of only
  // with a later one, whose checkpoint holds what it heard.
  void Triggered(int64_t barrier_id) { last_barrier_id_ = barrier_id; }

 private:
  struct Found {
    Status status;
    std::vector<Split> splits;
    std::string snapshot;
    int64_t interval_ms = 0;
    bool done = false;
  };
  struct Progress {  // of one source
    std::string snapshot;
    std::vector<Split> unassigned;
    std::vector<int> assigned_counts;   // by subtask
    std::vector<std::string> finished;  // the enumerator has not heard of
    bool discovering = false;
    bool no_more_sent = false;
    int64_t next_ms = INT64_MAX;
  };
  void Discover(size_t source);
  void Discovered(size_t source, std::vector<std::string> heard, Found found);
  void Assign(size_t source, bool done);

  const Engine engine_;
  std::shared_ptr<Execution> execution_;
  std::vector<Progress> progress_;  // by source
  int64_t generation_ = 0;
  int64_t last_barrier_id_ = 0;
};

}  // namespace millrace::runtime
