#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/world.h"

namespace millrace::tests {

// Holds files in memory and knows what of them would survive a loss of power: bytes up to the last
// sync, and names up to the last sync of their folder. What a failed sync did not write may be lost
// even if a later one succeeds (as with fsync). Outlives the processes that use it.
class SimulatedDisk {
 public:
  struct Inode {
    uint64_t id = 0;
    std::string bytes;
    size_t durable_bytes = 0;
    size_t lost_from = SIZE_MAX;  // these were dropped from the cache by a failed sync
  };
  using InodePtr = std::shared_ptr<Inode>;

  InodePtr Find(const std::string& path) const;
  bool IsFolder(const std::string& path) const;
  InodePtr Create(const std::string& path);
  void Rename(const std::string& from, const std::string& to);
  void Unlink(const std::string& path);
  void Link(const std::string& path, InodePtr inode);
  void MakeFolders(const std::string& path);
  void RemoveFolder(const std::string& path) { folders_.erase(path); }
  // Removes a folder and the files in it for good.
  void RemoveFolderNow(const std::string& path);
  // Files and folders directly in `folder`, oldest first.
  std::vector<std::pair<std::string, InodePtr>> List(const std::string& folder) const;

  void Sync(Inode& inode);
  void FailSync(Inode& inode, Random& random);
  void SyncFolder(const std::string& folder);

  // Of each folder the first so many changes of names stay, and of each file what was synced and
  // the first so many bytes behind it.
  void LosePower(Random& random);

  uint64_t NextNumber() { return ++last_number_; }
  bool full = false;  // no room for another byte

 private:
  struct Name {
    uint64_t order;
    InodePtr inode;
  };
  struct Change {  // `to` gets inode, `from` goes; either may be empty
    std::string folder, from, to;
    InodePtr inode;
  };
  using Names = std::map<std::string, Name>;
  void Apply(const Change& change, Names* names);
  void Do(Change change);

  Names names_, durable_names_;
  std::map<std::string, uint64_t> folders_;
  std::vector<Change> changes_;  // not durable yet, in order
  uint64_t last_number_ = 0;
};

std::string FolderOf(const std::string& path);

}  // namespace millrace::tests
