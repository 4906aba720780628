#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/types/status.h"

namespace millrace::connectors {

// Offsets, lengths and buffers of writes are multiples of this, as O_DIRECT wants it.
constexpr size_t kSegmentPageBytes = 4096;

// One file of the log, opened for reading and writing. Reads from any thread; writes and Sync by
// one thread at a time, in the region that Allocate made.
class SegmentFile {
 public:
  virtual ~SegmentFile() = default;
  // Reads exactly `length` bytes; fails if the file ends before.
  virtual runtime::Status ReadAt(uint64_t offset, size_t length, char* to) const = 0;
  // Writes a whole number of pages from an aligned buffer. After an error any part of it may have
  // been written.
  virtual runtime::Status WriteAt(uint64_t offset, size_t length, const char* from) = 0;
  // Makes what was written survive a crash of the machine.
  virtual runtime::Status Sync() = 0;
  virtual uint64_t size_bytes() const = 0;
  virtual const std::string& path() const = 0;
};

// The folder of the log: all that the embedded store asks of the operating system, so that a test
// can make writes fail, stop short or run out of space.
class SegmentFolder {
 public:
  virtual ~SegmentFolder() = default;
  // Takes the folder for this process until the folder object goes. Idempotent. Errors: kUser if
  // another process has it.
  virtual runtime::Status Lock() = 0;
  // Makes a file of `size_bytes` whose room is reserved, so that writes inside it can't fail for
  // lack of room where the file system can promise that.
  virtual runtime::Result<std::unique_ptr<SegmentFile>> Create(const std::string& name,
                                                               uint64_t size_bytes) = 0;
  virtual runtime::Result<std::unique_ptr<SegmentFile>> Open(const std::string& name) = 0;
  // Durable when it returns.
  virtual runtime::Status Rename(const std::string& from, const std::string& to) = 0;
  virtual runtime::Status Remove(const std::string& name) = 0;
  virtual runtime::Result<std::vector<std::string>> List() = 0;
  // Replaces a small file; after a crash the old or the new content is there.
  virtual runtime::Status WriteAtomically(const std::string& name, std::string_view bytes) = 0;
  // Empty if it isn't there.
  virtual runtime::Result<std::string> ReadAll(const std::string& name) = 0;
  virtual const std::string& path() const = 0;
};

// Opens a folder of the machine's disk, making it if needed. Files are written by O_DIRECT where
// the file system takes it, otherwise through the page cache; both are synced by fdatasync.
runtime::Result<std::unique_ptr<SegmentFolder>> OpenSegmentFolder(const std::string& path);

// An aligned buffer of whole pages.
class PageBuffer {
 public:
  PageBuffer() = default;
  explicit PageBuffer(size_t capacity);
  PageBuffer(PageBuffer&& other) noexcept;
  PageBuffer& operator=(PageBuffer&& other) noexcept;
  ~PageBuffer();
  char* data() { return data_; }
  const char* data() const { return data_; }
  size_t capacity() const { return capacity_; }

 private:
  char* data_ = nullptr;
  size_t capacity_ = 0;
};

}  // namespace millrace::connectors
