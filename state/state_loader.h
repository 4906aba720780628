#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/api/file_system.h"
#include "state/file_chain.h"
#include "state/state_file.h"

namespace millrace::state {

class HotSubtaskState;
class HotTable;

// Reads the state of some key groups from the files of chains, one key group after another: once a
// key group is read nothing more comes of it, so that its rows may be evicted, or written
// elsewhere. Blocks.
class StateLoader {
 public:
  // Opens all files. Those segments that lie outside of `key_groups` are left out.
  static runtime::Result<std::unique_ptr<StateLoader>> Open(
      runtime::FileSystem& files, const std::vector<ChainSegment>& segments,
      runtime::KeyGroupRange key_groups);

  // Makes the tables of all states that the files name.
  runtime::Status MakeTables(HotSubtaskState* to) const;
  // Applies what the files hold of a key group, in order.
  runtime::Status LoadKeyGroup(int key_group, HotSubtaskState* to, runtime::MemoryPool& pool) const;

 private:
  struct File {
    std::shared_ptr<StateFileReader> reader;
    // Numbers of blocks in the order in which they are applied: of each key group, drops of slices
    // among them.
    std::vector<std::vector<uint32_t>> by_group;
  };
  struct Segment {
    runtime::KeyGroupRange key_groups;
    std::vector<std::shared_ptr<const File>> files;
  };

  StateLoader() = default;
  static runtime::Status LoadBlock(const StateFileReader& reader, size_t index, int key_group,
                                   HotTable* table, runtime::MemoryPool& pool,
                                   std::string* payload);

  int first_group_ = 0;
  std::vector<Segment> segments_;
};

}  // namespace millrace::state
