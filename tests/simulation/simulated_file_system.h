#pragma once

#include "runtime/api/file_system.h"
#include "tests/simulation/simulated_disk.h"

namespace millrace::tests {

// A process's view of a SimulatedDisk, with the steps of the local file system (write aside, sync,
// rename, sync the folder) and time, faults and crashes between any two of them.
class SimulatedFileSystem : public runtime::FileSystem {
 public:
  SimulatedFileSystem(SimulatedDisk* disk, SimulatedProcess* process)
      : disk_(disk), process_(process) {}

  template <typename T>
  using Result = runtime::Result<T>;
  using Status = runtime::Status;

  Result<std::unique_ptr<runtime::RandomAccessFile>> OpenForRead(const std::string& path) override;
  Result<std::unique_ptr<runtime::WritableFile>> Create(const std::string& path) override;
  Status WriteAtomically(const std::string& path, std::string_view bytes) override;
  Result<std::string> ReadAll(const std::string& path) override;
  Status MakeDirectories(const std::string& path) override;
  Result<std::vector<runtime::FileInfo>> List(const std::string& path) override;
  Result<bool> Exists(const std::string& path) override;
  Status Remove(const std::string& path) override;
  Status RemoveTree(const std::string& path) override;
  Status Link(const std::string& from, const std::string& to) override;
  Result<std::unique_ptr<runtime::RecoverableWriter>> OpenRecoverable(
      const std::string& path) override;
  Result<std::unique_ptr<runtime::RecoverableWriter>> Resume(const std::string& token) override;
  Status Commit(const std::string& token) override;
  Status Abort(const std::string& token) override;

 private:
  class Reader;
  class Writer;
  class Recoverable;
  struct Token;

  SimulatedDisk& disk() { return *disk_; }
  World& world() { return process_->world(); }
  // Begins a step: time passes; fails if the process is dead or a fault is due.
  Status Begin(const char* call, const std::string& path, int64_t bytes = 0);
  Status BeginRead(const char* call, const std::string& path);
  // The steps.
  Status Append(const std::string& path, SimulatedDisk::Inode& inode, std::string_view bytes);
  Status SyncFile(const std::string& path, SimulatedDisk::Inode& inode);
  Status Rename(const std::string& from, const std::string& to);
  Status SyncFolder(const std::string& folder);
  std::string HiddenName(const std::string& path);

  SimulatedDisk* const disk_;
  SimulatedProcess* const process_;
};

}  // namespace millrace::tests
