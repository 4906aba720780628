#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/api/registry.h"
#include "runtime/engine/job_graph.h"
#include "runtime/engine/job_options.h"
#include "runtime/engine/manifest.h"
#include "runtime/engine/subtask.h"

namespace millrace::runtime {

// What a worker runs jobs with. All outlive every job.
struct WorkerEnvironment {
  Executor* executor = nullptr;
  const Registry* registry = nullptr;
  StateBackend* state_backend = nullptr;
  std::shared_ptr<MemoryPool> pool;
  std::function<Result<FileSystem*>(std::string_view)> file_systems;  // FileSystemOf, or a test's
};

// One attempt at running a job graph: its subtasks and what connects them. Build and the destructor
// block (they open connectors and load state): IO threads only.
class Execution {
 public:
  struct SourceParts {
    int vertex = 0;
    std::string uid;
    std::unique_ptr<Source> source;
    std::unique_ptr<SplitEnumerator> enumerator;
    std::string table;                 // its name
    int parallelism = 1;
    std::string snapshot;              // of the enumerator when built
    std::vector<Split> unassigned;     // of the restored checkpoint
  };
  struct SinkParts {
    std::string uid;
    std::unique_ptr<Sink> sink;
    std::shared_ptr<SinkCommitter> committer;  // null: nothing to commit
  };

  // Makes everything, restores it, commits what the restored checkpoint left to commit and drops
  // what nothing will. Nothing runs yet. `restored` null: a fresh start.
  static Result<std::unique_ptr<Execution>> Build(const JobGraph& graph, const JobOptions& options,
                                                  const WorkerEnvironment& environment,
                                                  const RunIdentity& run, const Manifest* restored,
                                                  bool allow_non_restored,
                                                  SubtaskListener* listener);
  ~Execution();

  void Start();
  // Ends every subtask; blocks until no slice runs. Idempotent.
  void Stop();
  std::vector<std::unique_ptr<Subtask>>& subtasks() { return subtasks_; }
  std::vector<SourceParts>& sources() { return sources_; }
  std::vector<SinkParts>& sinks() { return sinks_; }
  Subtask* Find(int vertex, int subtask);

 private:
  Execution() = default;

  std::vector<SourceParts> sources_;
  std::vector<SinkParts> sinks_;
  std::vector<std::unique_ptr<Subtask>> subtasks_;  // die before the parts above
  std::vector<int> first_subtask_;                  // by vertex
};

}  // namespace millrace::runtime
