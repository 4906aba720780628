#include "tests/simulation/simulated_disk.h"

#include <algorithm>

#include "runtime/types/check.h"

namespace millrace::tests {

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

SimulatedDisk::InodePtr SimulatedDisk::Find(const std::string& path) const {
  auto found = names_.find(path);
  return found == names_.end() ? nullptr : found->second.inode;
}

bool SimulatedDisk::IsFolder(const std::string& path) const { return folders_.contains(path); }

void SimulatedDisk::Apply(const Change& change, Names* names) {
  if (!change.from.empty()) names->erase(change.from);
  if (!change.to.empty()) (*names)[change.to] = {NextNumber(), change.inode};
}

void SimulatedDisk::Do(Change change) {
  Apply(change, &names_);
  changes_.push_back(std::move(change));
}

SimulatedDisk::InodePtr SimulatedDisk::Create(const std::string& path) {
  MakeFolders(FolderOf(path));
  auto inode = std::make_shared<Inode>();
  inode->id = NextNumber();
  Do({FolderOf(path), "", path, inode});
  return inode;
}

void SimulatedDisk::Rename(const std::string& from, const std::string& to) {
  CHECK_THAT_HOLDS(FolderOf(from) == FolderOf(to));
  Do({FolderOf(to), from, to, Find(from)});
}

void SimulatedDisk::Unlink(const std::string& path) { Do({FolderOf(path), path, "", nullptr}); }

void SimulatedDisk::Link(const std::string& path, InodePtr inode) {
  MakeFolders(FolderOf(path));
  Do({FolderOf(path), "", path, std::move(inode)});
}

void SimulatedDisk::MakeFolders(const std::string& path) {
  for (std::string folder = path; folder != "/" && !IsFolder(folder); folder = FolderOf(folder)) {
    folders_[folder] = NextNumber();
  }
}

std::vector<std::pair<std::string, SimulatedDisk::InodePtr>> SimulatedDisk::List(
    const std::string& folder) const {
  std::vector<std::pair<uint64_t, std::pair<std::string, InodePtr>>> found;
  const std::string prefix = folder + "/";
  for (auto it = names_.lower_bound(prefix); it != names_.end() && it->first.starts_with(prefix);
       ++it) {
    if (it->first.find('/', prefix.size()) != std::string::npos) continue;
    found.push_back({it->second.order, {it->first, it->second.inode}});
  }
  for (auto it = folders_.lower_bound(prefix);
       it != folders_.end() && it->first.starts_with(prefix); ++it) {
    if (it->first.find('/', prefix.size()) != std::string::npos) continue;
    found.push_back({it->second, {it->first, nullptr}});
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::pair<std::string, InodePtr>> files;
  for (auto& [order, file] : found) files.push_back(std::move(file));
  return files;
}

void SimulatedDisk::RemoveFolderNow(const std::string& path) {
  for (const auto& [file, inode] : List(path)) {
    if (inode != nullptr) Unlink(file);
  }
  RemoveFolder(path);
  SyncFolder(path);
}

void SimulatedDisk::Sync(Inode& inode) {
  inode.durable_bytes = std::min(inode.bytes.size(), inode.lost_from);
}

void SimulatedDisk::FailSync(Inode& inode, Random& random) {
  const size_t dirty = inode.bytes.size() - inode.durable_bytes;
  inode.lost_from = std::min(inode.lost_from, inode.durable_bytes + random.Below(dirty + 1));
}

void SimulatedDisk::SyncFolder(const std::string& folder) {
  for (const Change& change : changes_) {
    if (change.folder == folder) Apply(change, &durable_names_);
  }
  std::erase_if(changes_, [&](const Change& change) { return change.folder == folder; });
}

void SimulatedDisk::LosePower(Random& random) {
  // Folder by folder in the order of their first change.
  while (!changes_.empty()) {
    const std::string folder = changes_.front().folder;
    const auto of_folder = static_cast<uint64_t>(
        std::count_if(changes_.begin(), changes_.end(),
                      [&](const Change& change) { return change.folder == folder; }));
    uint64_t kept = random.Below(of_folder + 1);
    for (const Change& change : changes_) {
      if (change.folder != folder || kept == 0) continue;
      --kept;
      Apply(change, &durable_names_);
    }
    std::erase_if(changes_, [&](const Change& change) { return change.folder == folder; });
  }
  names_ = durable_names_;
  std::map<uint64_t, InodePtr> inodes;
  for (auto& [path, name] : names_) inodes[name.inode->id] = name.inode;
  for (auto& [id, inode] : inodes) {
    const size_t most = std::min(inode->bytes.size(), inode->lost_from);
    inode->bytes.resize(inode->durable_bytes + random.Below(most - inode->durable_bytes + 1));
    inode->durable_bytes = inode->bytes.size();
    inode->lost_from = SIZE_MAX;
  }
}

}  // namespace millrace::tests
