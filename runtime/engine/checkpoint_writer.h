#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/engine/execution.h"

namespace millrace::runtime {

// A checkpoint that all subtasks have acknowledged, on its way to disk.
struct CheckpointToWrite {
  Manifest manifest;  // all but its vertices
  std::vector<SubtaskSnapshot> snapshots;
  std::string folder;        // empty: only the savepoint is written, or nothing is kept
  std::string savepoint;     // folder of a savepoint of the same moment; empty: none
  std::string state_folder;  // of the state's files
};

struct WrittenCheckpoint {
  Status status;            // of the checkpoint
  Status savepoint_status;  // of the savepoint beside it, which is tried once that is complete
  bool in_doubt = false;  // it failed, but may be complete on disk: an older one must not be used
  Manifest manifest;      // complete if status is ok
  std::vector<StateHandle> handles;
  uint64_t bytes = 0;
  struct Lost {
    int vertex, subtask;
    std::unique_ptr<StateDelta> delta;
  };
  std::vector<Lost> lost;  // deltas that got into no file: their subtasks take them back
};

// Writes state, then the manifest. Blocks: IO threads only.
WrittenCheckpoint WriteCheckpoint(const JobGraph& graph, const WorkerEnvironment& environment,
                                  CheckpointToWrite checkpoint);

}  // namespace millrace::runtime
