#include "connectors/log/segment_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "runtime/types/check.h"

namespace millrace::connectors {
namespace {

using runtime::Result;
using runtime::Status;

Status Failed(std::string_view call, const std::string& path) {
  return Status::FromErrno(call, path, errno);
}

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  int fd_;
};

Status WriteAll(int fd, uint64_t offset, size_t length, const char* from, const std::string& path) {
  while (length > 0) {
    const ssize_t done = ::pwrite(fd, from, length, static_cast<off_t>(offset));
    if (done < 0) {
      if (errno == EINTR) continue;
      return Failed("write", path);
    }
    if (done == 0) {
      errno = ENOSPC;
      return Failed("write", path);
    }
    offset += static_cast<uint64_t>(done);
    from += done;
    length -= static_cast<size_t>(done);
  }
  return Status::Ok();
}

Status SyncFolder(const std::string& path) {
  const Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.ok()) return Failed("open", path);
  if (::fsync(folder.get()) != 0) return Failed("fsync", path);
  return Status::Ok();
}

// Reads go through the page cache, writes by O_DIRECT where there is a second descriptor for it.
class DiskSegmentFile : public SegmentFile {
 public:
  DiskSegmentFile(std::string path, Descriptor buffered, Descriptor direct, uint64_t size_bytes)
      : path_(std::move(path)),
        buffered_(std::move(buffered)),
        direct_(std::move(direct)),
        size_bytes_(size_bytes) {}

  Status ReadAt(uint64_t offset, size_t length, char* to) const override {
    while (length > 0) {
      const ssize_t got = ::pread(buffered_.get(), to, length, static_cast<off_t>(offset));
      if (got < 0) {
        if (errno == EINTR) continue;
        return Failed("read", path_);
      }
      if (got == 0) {
        return Status::Internal("file of the log ends early: " + path_ + " at offset " +
                                std::to_string(offset));
      }
      offset += static_cast<uint64_t>(got);
      to += got;
      length -= static_cast<size_t>(got);
    }
    return Status::Ok();
  }

  Status WriteAt(uint64_t offset, size_t length, const char* from) override {
    CHECK_THAT_HOLDS(offset % kSegmentPageBytes == 0 && length % kSegmentPageBytes == 0);
    const int fd = direct_.ok() ? direct_.get() : buffered_.get();
    return WriteAll(fd, offset, length, from, path_);
  }

  Status Sync() override {
    if (::fdatasync(direct_.ok() ? direct_.get() : buffered_.get()) != 0) {
      return Failed("fdatasync", path_);
    }
    return Status::Ok();
  }

  uint64_t size_bytes() const override { return size_bytes_; }
  const std::string& path() const override { return path_; }

 private:
  std::string path_;
  Descriptor buffered_;
  Descriptor direct_;
  uint64_t size_bytes_;
};

class DiskSegmentFolder : public SegmentFolder {
 public:
  explicit DiskSegmentFolder(std::string path) : path_(std::move(path)) {}

  Status Lock() override {
    if (lock_.ok()) return Status::Ok();
    const std::string name = path_ + "/LOCK";
    lock_ = Descriptor(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!lock_.ok()) return Failed("open", name);
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
      char owner[32] = {};
      const ssize_t got = ::pread(lock_.get(), owner, sizeof(owner) - 1, 0);
      const std::string process =
          got > 0 ? " (process " + std::string(owner, static_cast<size_t>(got)) + ")" : "";
      lock_ = Descriptor();
      return Status::User("the log's directory is in use by another process" + process +
                          ": stop that one, or give this one a directory of its own: " + path_);
    }
    const std::string pid = std::to_string(::getpid());
    if (::ftruncate(lock_.get(), 0) != 0) return Failed("ftruncate", name);
    return WriteAll(lock_.get(), 0, pid.size(), pid.data(), name);
  }

  Result<std::unique_ptr<SegmentFile>> Create(const std::string& name,
                                              uint64_t size_bytes) override {
    const std::string path = path_ + "/" + name;
    Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!file.ok()) return Failed("open", path);
    Status status;
    if (::fallocate(file.get(), 0, 0, static_cast<off_t>(size_bytes)) != 0) {
      // Only a file system without fallocate may go on with a sparse file.
      const bool unsupported = errno == EOPNOTSUPP || errno == ENOSYS;
      if (!unsupported || ::ftruncate(file.get(), static_cast<off_t>(size_bytes)) != 0) {
        status = Failed("fallocate", path);
      }
    }
    if (status.ok() && ::fsync(file.get()) != 0) status = Failed("fsync", path);
    if (status.ok()) status = SyncFolder(path_);
    if (!status.ok()) {
      ::unlink(path.c_str());
      return status;
    }
    return Wrap(path, std::move(file));
  }

  Result<std::unique_ptr<SegmentFile>> Open(const std::string& name) override {
    const std::string path = path_ + "/" + name;
    Descriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!file.ok()) return Failed("open", path);
    return Wrap(path, std::move(file));
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (::rename((path_ + "/" + from).c_str(), (path_ + "/" + to).c_str()) != 0) {
      return Failed("rename", path_ + "/" + from);
    }
    return SyncFolder(path_);
  }

  Status Remove(const std::string& name) override {
    if (::unlink((path_ + "/" + name).c_str()) != 0 && errno != ENOENT) {
      return Failed("unlink", path_ + "/" + name);
    }
    return Status::Ok();
  }

  Result<std::vector<std::string>> List() override {
    DIR* folder = ::opendir(path_.c_str());
    if (folder == nullptr) return Failed("opendir", path_);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(folder)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    ::closedir(folder);
    return names;
  }

  Status WriteAtomically(const std::string& name, std::string_view bytes) override {
    const std::string aside = path_ + "/" + name + ".new";
    {
      const Descriptor file(::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
      if (!file.ok()) return Failed("open", aside);
      RETURN_IF_ERROR(WriteAll(file.get(), 0, bytes.size(), bytes.data(), aside));
      if (::fsync(file.get()) != 0) return Failed("fsync", aside);
    }
    return Rename(name + ".new", name);
  }

  Result<std::string> ReadAll(const std::string& name) override {
    const std::string path = path_ + "/" + name;
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.ok()) {
      if (errno == ENOENT) return std::string();
      return Failed("open", path);
    }
    std::string bytes;
    char buffer[65536];
    while (true) {
      const ssize_t got = ::read(file.get(), buffer, sizeof(buffer));
      if (got < 0) return Failed("read", path);
      if (got == 0) return bytes;
      bytes.append(buffer, static_cast<size_t>(got));
    }
  }

  const std::string& path() const override { return path_; }

 private:
  static Result<std::unique_ptr<SegmentFile>> Wrap(const std::string& path, Descriptor file) {
    struct stat info;
    if (::fstat(file.get(), &info) != 0) return Failed("fstat", path);
    // Readers of one shard jump over the others' bytes: the kernel must not read those ahead.
    (void)::posix_fadvise(file.get(), 0, 0, POSIX_FADV_RANDOM);
    Descriptor direct(::open(path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC));
    return std::unique_ptr<SegmentFile>(std::make_unique<DiskSegmentFile>(
        path, std::move(file), std::move(direct), static_cast<uint64_t>(info.st_size)));
  }

  std::string path_;
  Descriptor lock_;
};

}  // namespace

Result<std::unique_ptr<SegmentFolder>> OpenSegmentFolder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return Status::FromErrno("mkdir", path, error.value());
  return std::unique_ptr<SegmentFolder>(std::make_unique<DiskSegmentFolder>(path));
}

PageBuffer::PageBuffer(size_t capacity) : capacity_(capacity) {
  CHECK_THAT_HOLDS(capacity % kSegmentPageBytes == 0);
  data_ = static_cast<char*>(std::aligned_alloc(kSegmentPageBytes, capacity));
  CHECK_THAT_HOLDS(data_ != nullptr);
}
PageBuffer::PageBuffer(PageBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), capacity_(std::exchange(other.capacity_, 0)) {}
PageBuffer& PageBuffer::operator=(PageBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(capacity_, other.capacity_);
  return *this;
}
PageBuffer::~PageBuffer() { std::free(data_); }

}  // namespace millrace::connectors
