#pragma once

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "connectors/log/embedded_log_store.h"
#include "connectors/log/segment_file.h"

namespace millrace::connectors::log_test {

namespace fs = std::filesystem;

// A folder of its own that goes with the object.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = fs::temp_directory_path() / "millrace-log-XXXXXX";
    path_ = mkdtemp(pattern.data());
  }
  ~TempFolder() { fs::remove_all(path_); }
  const std::string& path() const { return path_; }
  // Replaces this folder's files by a copy of another's: what is on disk at this moment.
  void CopyFrom(const std::string& other) const {
    fs::remove_all(path_);
    fs::copy(other, path_);
  }

 private:
  std::string path_;
};

// What goes wrong, changed while the store runs.
struct Faults {
  std::atomic<bool> full{false};         // no new file, no write of a page more
  std::atomic<bool> short_write{false};  // half of a write reaches the file, then ENOSPC
  std::atomic<bool> sync_fails{false};
  std::mutex mutex;
  // Of segments: called by the store's writing thread, under the mutex.
  std::function<void()> before_write, after_sync;
};

class FaultyFile : public SegmentFile {
 public:
  FaultyFile(std::unique_ptr<SegmentFile> file, Faults* faults)
      : file_(std::move(file)), faults_(faults) {}
  runtime::Status ReadAt(uint64_t offset, size_t length, char* to) const override {
    return file_->ReadAt(offset, length, to);
  }
  runtime::Status WriteAt(uint64_t offset, size_t length, const char* from) override {
    {
      std::lock_guard lock(faults_->mutex);
      if (faults_->before_write && IsSegment()) faults_->before_write();
    }
    if (faults_->short_write) {
      const size_t half = length / 2 / kSegmentPageBytes * kSegmentPageBytes;
      if (half > 0) (void)!file_->WriteAt(offset, half, from).ok();
      return runtime::Status::FromErrno("write", path(), ENOSPC);
    }
    if (faults_->full) return runtime::Status::FromErrno("write", path(), ENOSPC);
    return file_->WriteAt(offset, length, from);
  }
  runtime::Status Sync() override {
    if (faults_->sync_fails) return runtime::Status::FromErrno("fdatasync", path(), EIO);
    const runtime::Status status = file_->Sync();
    std::lock_guard lock(faults_->mutex);
    if (faults_->after_sync && IsSegment()) faults_->after_sync();
    return status;
  }
  uint64_t size_bytes() const override { return file_->size_bytes(); }
  const std::string& path() const override { return file_->path(); }

 private:
  bool IsSegment() const { return path().ends_with(".segment"); }
  std::unique_ptr<SegmentFile> file_;
  Faults* faults_;
};

class FaultyFolder : public SegmentFolder {
 public:
  FaultyFolder(std::unique_ptr<SegmentFolder> folder, Faults* faults)
      : folder_(std::move(folder)), faults_(faults) {}
  runtime::Status Lock() override { return folder_->Lock(); }
  runtime::Result<std::unique_ptr<SegmentFile>> Create(const std::string& name,
                                                       uint64_t size_bytes) override {
    if (faults_->full) return runtime::Status::FromErrno("fallocate", path(), ENOSPC);
    return Wrap(folder_->Create(name, size_bytes));
  }
  runtime::Result<std::unique_ptr<SegmentFile>> Open(const std::string& name) override {
    return Wrap(folder_->Open(name));
  }
  runtime::Status Rename(const std::string& from, const std::string& to) override {
    return folder_->Rename(from, to);
  }
  runtime::Status Remove(const std::string& name) override { return folder_->Remove(name); }
  runtime::Result<std::vector<std::string>> List() override { return folder_->List(); }
  runtime::Status WriteAtomically(const std::string& name, std::string_view bytes) override {
    if (faults_->full) return runtime::Status::FromErrno("write", path(), ENOSPC);
    return folder_->WriteAtomically(name, bytes);
  }
  runtime::Result<std::string> ReadAll(const std::string& name) override {
    return folder_->ReadAll(name);
  }
  const std::string& path() const override { return folder_->path(); }

 private:
  runtime::Result<std::unique_ptr<SegmentFile>> Wrap(
      runtime::Result<std::unique_ptr<SegmentFile>> file) {
    if (!file.ok()) return file.status();
    return std::unique_ptr<SegmentFile>(
        std::make_unique<FaultyFile>(std::move(file).value(), faults_));
  }
  std::unique_ptr<SegmentFolder> folder_;
  Faults* faults_;
};

inline EmbeddedLogOptions SmallOptions() {
  EmbeddedLogOptions options;
  options.segment_bytes = 256 << 10;
  options.unit_bytes = 64 << 10;
  options.cache_bytes = 64 << 10;
  return options;
}

inline EmbeddedLogStore::Shards ThreeShards(int64_t retention_ms = int64_t{1} << 40) {
  return {{1, retention_ms}, {2, retention_ms}, {3, retention_ms}};
}

// Opens a store of three shards.
inline runtime::Result<std::unique_ptr<EmbeddedLogStore>> TryOpen(
    const std::string& path, Faults* faults = nullptr,
    const EmbeddedLogOptions& options = SmallOptions(),
    const EmbeddedLogStore::Shards& shards = ThreeShards()) {
  auto folder = OpenSegmentFolder(path).value();
  if (faults != nullptr) folder = std::make_unique<FaultyFolder>(std::move(folder), faults);
  return EmbeddedLogStore::Open(std::move(folder), options, shards);
}

inline std::unique_ptr<EmbeddedLogStore> Open(const std::string& path, Faults* faults = nullptr,
                                              const EmbeddedLogOptions& options = SmallOptions()) {
  auto store = TryOpen(path, faults, options);
  if (!store.ok()) std::fprintf(stderr, "%s\n", store.status().ToString().c_str());
  return std::move(store).value();
}

inline runtime::Status AppendBatch(LogStore* store, RecordBatch batch) {
  std::promise<runtime::Status> done;
  store->Append(std::move(batch), [&](runtime::Status status, RecordBatch, int64_t) {
    done.set_value(std::move(status));
  });
  return done.get_future().get();
}

// Appends `values` to a shard, one record each, and waits.
inline runtime::Status Put(LogStore* store, ShardNumber shard,
                           const std::vector<std::string>& values,
                           const std::string& transaction = "", uint64_t number = 0) {
  RecordBatch batch;
  for (const std::string& value : values) batch.Add(shard, "key", std::string_view(value));
  batch.set_transaction(transaction);
  batch.set_transaction_batch(number);
  return AppendBatch(store, std::move(batch));
}

inline std::pair<runtime::Status, TransactionOutcome> End(LogStore* store, const std::string& id,
                                                          bool commit = true) {
  std::promise<std::pair<runtime::Status, TransactionOutcome>> done;
  const auto on_done = [&](runtime::Status status, TransactionOutcome outcome) {
    done.set_value({std::move(status), outcome});
  };
  if (commit) {
    store->CommitTransaction(id, on_done);
  } else {
    store->AbortTransaction(id, on_done);
  }
  return done.get_future().get();
}

// Every record of a shard; the counters must have no gap.
inline std::vector<std::string> ReadAll(LogStore* store, ShardNumber shard,
                                        size_t records_max = 1000) {
  std::vector<std::string> values;
  RecordCounter next = store->Ends(shard).value().first_counter;
  while (true) {
    auto batch = store->Read(shard, next, records_max, 1 << 20);
    if (!batch.ok()) return {"error: " + batch.status().message()};
    if (batch.value().records.empty()) return values;
    for (const LogRecord& record : batch.value().records) {
      if (record.counter != next) return {"gap at " + std::to_string(next)};
      values.emplace_back(record.data);
      ++next;
    }
  }
}

inline std::vector<std::string> Numbers(int from, int to, size_t size = 0) {
  std::vector<std::string> values;
  for (int i = from; i < to; ++i) {
    values.push_back(std::to_string(i));
    if (size > values.back().size()) values.back().resize(size, '.');
  }
  return values;
}

inline void FlipByte(const std::string& path, uint64_t offset) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(static_cast<char>(byte ^ 0x10));
}

// The segments of a folder, oldest first.
inline std::vector<std::string> Segments(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.path().extension() == ".segment") names.push_back(entry.path());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace millrace::connectors::log_test
