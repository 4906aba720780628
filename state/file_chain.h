#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "runtime/api/state.h"

namespace millrace::state {

// A file of a chain. Bytes are those of the subtask's share of it.
struct ChainFile {
  std::string path;
  uint64_t bytes = 0;
};

// Files that together hold the state of some key groups: a base, then deltas in order.
struct ChainSegment {
  runtime::KeyGroupRange key_groups;
  std::vector<ChainFile> files;
};

// What a StateHandle says. Versioned bytes; savepoint handles name canonical files.
struct HandleContents {
  bool savepoint = false;
  std::vector<ChainSegment> segments;

  runtime::StateHandle Encode() const;
  static runtime::Result<HandleContents> Decode(std::string_view handle);
};

// The files of one live subtask. It starts with those it was restored from and grows by one a
// checkpoint; a full checkpoint begins it anew. Thread-safe.
class FileChain {
 public:
  FileChain(runtime::KeyGroupRange key_groups, std::vector<ChainSegment> restored);

  // Adds a file of a checkpoint and returns the handle of the state at it. A file whose `sequence` is
  // lower than one before it comes from a checkpoint that was given up; it is left out.
  runtime::StateHandle Append(ChainFile file, bool full, uint64_t sequence);
  // The next checkpoint should be full: nothing to build on, deltas outgrew the base, or too many
  // files.
  bool WantsBase() const;
  // Deltas must not be added before a base: a savepoint's files, or ones of another layout, are no part
  // of a chain.
  bool RequiresBase() const;
  void RequireBase();
  runtime::KeyGroupRange key_groups() const { return key_groups_; }
  std::vector<ChainSegment> segments() const;
  // Puts one file in the place of those of `merged`, which were segments() before. False: the chain has begun
  // anew since.
  bool ReplaceMerged(const std::vector<ChainSegment>& merged, ChainFile base);
  std::vector<std::string> Paths() const;

 private:
  mutable std::mutex mutex_;
  const runtime::KeyGroupRange key_groups_;
  std::vector<ChainSegment> segments_;
  uint64_t base_bytes_ = 0;
  uint64_t delta_bytes_ = 0;
  bool base_required_ = false;
  uint64_t last_sequence_ = 0;
};

}  // namespace millrace::state
