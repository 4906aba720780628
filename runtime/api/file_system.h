#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/types/status.h"

namespace millrace::runtime {

struct FileInfo {
  std::string path;
  uint64_t size_bytes = 0;
  int64_t modified_ms = 0;
  bool is_directory = false;
};

// Reads any part of a file. Thread-safe.
class RandomAccessFile {
 public:
  virtual ~RandomAccessFile() = default;
  virtual uint64_t size_bytes() const = 0;
  // Reads up to `length` bytes at `offset` into `to`; fewer only at the end of the file.
  virtual Result<size_t> ReadAt(uint64_t offset, size_t length, char* to) const = 0;
};

// Appends to a file that nobody else writes. One thread at a time.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  virtual Status Append(std::string_view bytes) = 0;
  // Makes everything appended so far survive a crash of the machine.
  virtual Status Sync() = 0;
  // Closes without syncing. Further calls fail. The destructor closes too, but can't report.
  virtual Status Close() = 0;
};

// Writes one file that becomes visible only when committed, shaped like Flink's
// RecoverableFsDataOutputStream so that rename and multipart upload are two implementations.
// One thread at a time. Dropped without Commit, its bytes stay recoverable until aborted.
class RecoverableWriter {
 public:
  virtual ~RecoverableWriter() = default;
  virtual Status Append(std::string_view bytes) = 0;
  virtual uint64_t position_bytes() const = 0;
  // Makes everything appended so far survive a crash and returns a token with which Resume goes on
  // from exactly here, also in another process.
  virtual Result<std::string> Persist() = 0;
  // Ends the file and returns a token with which FileSystem::Commit makes it visible.
  virtual Result<std::string> CloseForCommit() = 0;
};

// Reaches files under one URI scheme. Thread-safe; every call may block, so none is made by an
// executor thread. Paths are absolute, with or without the scheme ("file:///a" is "/a").
// Errors: kExternal with error_number() set where a system call failed.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual Result<std::unique_ptr<RandomAccessFile>> OpenForRead(const std::string& path) = 0;
  // Creates or truncates; parent folders are made.
  virtual Result<std::unique_ptr<WritableFile>> Create(const std::string& path) = 0;
  // Writes the whole file so that after a crash either the old or the new content is there, and
  // after success the new one (write aside, sync, rename, sync the folder).
  virtual Status WriteAtomically(const std::string& path, std::string_view bytes) = 0;
  virtual Result<std::string> ReadAll(const std::string& path) = 0;
  virtual Status MakeDirectories(const std::string& path) = 0;
  // Lists one folder, unsorted, hidden files included. A folder that is not there is empty.
  virtual Result<std::vector<FileInfo>> List(const std::string& path) = 0;
  virtual Result<bool> Exists(const std::string& path) = 0;
  // A file that is not there is no error.
  virtual Status Remove(const std::string& path) = 0;
  virtual Status RemoveTree(const std::string& path) = 0;
  // Gives a file a second name without copying, or fails with kExternal where links don't exist.
  virtual Status Link(const std::string& from, const std::string& to) = 0;

  // Begins a file that becomes visible under `path` when committed.
  virtual Result<std::unique_ptr<RecoverableWriter>> OpenRecoverable(const std::string& path) = 0;
  // Goes on at the position of a token from Persist; what was written after it is dropped.
  virtual Result<std::unique_ptr<RecoverableWriter>> Resume(const std::string& persist_token) = 0;
  // Makes the file of a token from CloseForCommit visible and durable. Idempotent, also after a
  // crash and in another process.
  virtual Status Commit(const std::string& commit_token) = 0;
  // Removes what a token of either kind still holds invisible. Idempotent. A committed file stays.
  virtual Status Abort(const std::string& token) = 0;
};

// Returns the machine's disk. Lives as long as the process.
FileSystem& LocalFileSystem();

// Finds the file system of a URI ("file:", none) or fails with the schemes that are known.
Result<FileSystem*> FileSystemOf(std::string_view uri);
// Takes "file:" off a local URI.
std::string_view PathOf(std::string_view uri);

}  // namespace millrace::runtime
