#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/api/clock.h"
#include "runtime/api/file_system.h"
#include "state/delta.h"
#include "state/file_chain.h"

namespace millrace::state {

class HotSubtaskState;

// What files hold, to be read as one state.
struct MergeInput {
  std::vector<ChainSegment> segments;
  // The states as they are declared now, if the layout of `segments` may be another; and files
  // behind them that have the new one.
  std::vector<std::shared_ptr<const StateIdentity>> declared;
  std::vector<ChainSegment> later_segments;
  runtime::KeyGroupRange key_groups;
  int max_parallelism = runtime::kDefaultMaxParallelism;  // matters to savepoints only
  bool compaction = false;                                // has the crash point "mid-compaction"
};

// Reads a state, one key group at a time into memory, and gives each to `use`. Blocks.
runtime::Status ForEachKeyGroup(runtime::FileSystem& files, const runtime::Clock& clock,
                                const MergeInput& input,
                                const std::function<runtime::Status(HotSubtaskState&)>& use);

// Writes what the files hold into one file at `path`, a base; rows that have expired are left out.
// Touches no state that is in use. Blocks. On an error a useless file may be left.
runtime::Result<ChainFile> MergeFiles(runtime::FileSystem& files, const runtime::Clock& clock,
                                      const std::string& path, const MergeInput& input);

}  // namespace millrace::state
