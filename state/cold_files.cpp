#include "state/cold_files.h"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

namespace millrace::state {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

IOStatus ToRocks(const runtime::Status& status) {
  return status.ok() ? IOStatus::OK() : IOStatus::IOError(status.ToString());
}

bool IsSorted(const std::string& name) { return name.ends_with(".sst"); }

class ReadFile final : public rocksdb::FSRandomAccessFile {
 public:
  explicit ReadFile(std::unique_ptr<runtime::RandomAccessFile> file) : file_(std::move(file)) {}
  IOStatus Read(uint64_t offset, size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    auto got = file_->ReadAt(offset, n, scratch);
    if (!got.ok()) return ToRocks(got.status());
    *result = Slice(scratch, *got);
    return IOStatus::OK();
  }

 private:
  const std::unique_ptr<runtime::RandomAccessFile> file_;
};

class WriteFile final : public rocksdb::FSWritableFile {
 public:
  explicit WriteFile(std::unique_ptr<runtime::WritableFile> file) : file_(std::move(file)) {}
  using FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    size_ += data.size();
    return ToRocks(file_->Append({data.data(), data.size()}));
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return ToRocks(file_->Close()); }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return size_; }

 private:
  const std::unique_ptr<runtime::WritableFile> file_;
  uint64_t size_ = 0;
};

// A file of RocksDB's own that is not synced.
class UnsyncedFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  using FSWritableFileOwnerWrapper::FSWritableFileOwnerWrapper;
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Fsync(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus RangeSync(uint64_t, uint64_t, const IOOptions&, IODebugContext*) override {
    return IOStatus::OK();
  }
};

class UnsyncedDirectory final : public rocksdb::FSDirectory {
 public:
  IOStatus Fsync(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
};

class ColdFiles final : public rocksdb::FileSystemWrapper {
 public:
  explicit ColdFiles(runtime::FileSystem& files)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), files_(files) {}
  const char* Name() const override { return "MillraceColdFiles"; }

  IOStatus NewRandomAccessFile(const std::string& name, const FileOptions& options,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                               IODebugContext* debug) override {
    if (!IsSorted(name)) return target()->NewRandomAccessFile(name, options, file, debug);
    auto opened = files_.OpenForRead(name);
    if (!opened.ok()) return ToRocks(opened.status());
    *file = std::make_unique<ReadFile>(std::move(*opened));
    return IOStatus::OK();
  }
  IOStatus NewWritableFile(const std::string& name, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                           IODebugContext* debug) override {
    if (IsSorted(name)) {
      auto made = files_.Create(name);
      if (!made.ok()) return ToRocks(made.status());
      *file = std::make_unique<WriteFile>(std::move(*made));
      return IOStatus::OK();
    }
    std::unique_ptr<rocksdb::FSWritableFile> own;
    IOStatus status = target()->NewWritableFile(name, options, &own, debug);
    if (status.ok()) *file = std::make_unique<UnsyncedFile>(std::move(own));
    return status;
  }
  IOStatus ReopenWritableFile(const std::string& name, const FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* file,
                              IODebugContext* debug) override {
    // RocksDB opens the file to ingest once more, only to sync it.
    return target()->ReopenWritableFile(name, options, file, debug);
  }
  IOStatus NewDirectory(const std::string&, const IOOptions&,
                        std::unique_ptr<rocksdb::FSDirectory>* directory,
                        IODebugContext*) override {
    *directory = std::make_unique<UnsyncedDirectory>();
    return IOStatus::OK();
  }

 private:
  runtime::FileSystem& files_;
};

}  // namespace

std::unique_ptr<rocksdb::Env> MakeColdEnv(runtime::FileSystem& files) {
  return rocksdb::NewCompositeEnv(std::make_shared<ColdFiles>(files));
}

}  // namespace millrace::state
