#pragma once

#include <cerrno>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "runtime/api/operator.h"

namespace millrace::connectors {

// A folder that goes with the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "millrace-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class FakeMetrics final : public runtime::MetricGroup {
 public:
  runtime::Counter& counter(std::string_view name) override { return counters_[std::string(name)]; }
  runtime::Gauge& gauge(std::string_view name) override { return gauges_[std::string(name)]; }
  void SetText(std::string_view, std::string) override {}

 private:
  std::map<std::string, runtime::Counter> counters_;
  std::map<std::string, runtime::Gauge> gauges_;
};

// A context whose IO work runs when the test says so.
class FakeContext final : public runtime::OperatorContext {
 public:
  FakeContext(std::string run_id, runtime::FileSystem* files) : files_(files) {
    run_.job_id = std::string(32, 'a');
    run_.run_id = std::move(run_id);
  }

  // False: nothing was waiting.
  bool RunPending() {
    if (io_.empty()) return false;
    auto work = std::move(io_.front());
    io_.pop_front();
    work();
    return true;
  }
  void set_now_ms(int64_t now_ms) { now_ms_ = now_ms; }
  int64_t timer_ms() const { return timer_ms_; }
  int wakes() const { return wakes_; }
  runtime::JobSettings& mutable_settings() { return settings_; }

  const runtime::JobSettings& settings() const override { return settings_; }
  const runtime::RunIdentity& run() const override { return run_; }
  int subtask() const override { return 0; }
  int parallelism() const override { return 1; }
  int max_parallelism() const override { return 128; }
  runtime::MemoryPool& pool() override { return runtime::ProcessPool(); }
  runtime::MetricGroup& metrics() override { return metrics_; }
  int64_t now_ms() const override { return now_ms_; }
  const runtime::Clock& clock() const override { return runtime::SystemClock(); }
  runtime::Result<runtime::FileSystem*> file_system(std::string_view uri) override {
    if (files_ != nullptr) return files_;
    return runtime::FileSystemOf(uri);
  }
  void RunIo(std::function<void()> work) override { io_.push_back(std::move(work)); }
  runtime::Timestamp watermark() const override { return runtime::kMinTimestamp; }
  runtime::KeyedTable& keyed(int) override { std::abort(); }
  runtime::ListEntries& list(int) override { std::abort(); }
  uint8_t* const* rows(int, int) override { std::abort(); }
  void SetProcessingTimer(int64_t time_ms) override { timer_ms_ = time_ms; }
  std::function<void()> waker() override {
    return [this] { ++wakes_; };
  }

 private:
  runtime::FileSystem* const files_;
  runtime::JobSettings settings_;
  runtime::RunIdentity run_;
  FakeMetrics metrics_;
  std::deque<std::function<void()>> io_;
  int64_t now_ms_ = 0;
  int64_t timer_ms_ = 0;
  int wakes_ = 0;
};

// The machine's disk, but one call of each file that is written fails for want of room.
class FullDisk : public runtime::FileSystem {
 public:
  class Writer final : public runtime::RecoverableWriter {
   public:
    explicit Writer(std::string path) : path_(std::move(path)) {}
    runtime::Status Append(std::string_view) override {
      return runtime::Status::FromErrno("write", path_, ENOSPC);
    }
    uint64_t position_bytes() const override { return 0; }
    runtime::Result<std::string> Persist() override {
      return runtime::Status::FromErrno("fsync", path_, ENOSPC);
    }
    runtime::Result<std::string> CloseForCommit() override { return Persist(); }

   private:
    std::string path_;
  };

  runtime::Result<std::unique_ptr<runtime::RandomAccessFile>> OpenForRead(
      const std::string& path) override {
    return disk().OpenForRead(path);
  }
  runtime::Result<std::unique_ptr<runtime::WritableFile>> Create(const std::string& path) override {
    return disk().Create(path);
  }
  runtime::Status WriteAtomically(const std::string& path, std::string_view bytes) override {
    return disk().WriteAtomically(path, bytes);
  }
  runtime::Result<std::string> ReadAll(const std::string& path) override {
    return disk().ReadAll(path);
  }
  runtime::Status MakeDirectories(const std::string& path) override {
    return disk().MakeDirectories(path);
  }
  runtime::Result<std::vector<runtime::FileInfo>> List(const std::string& path) override {
    return disk().List(path);
  }
  runtime::Result<bool> Exists(const std::string& path) override { return disk().Exists(path); }
  runtime::Status Remove(const std::string& path) override { return disk().Remove(path); }
  runtime::Status RemoveTree(const std::string& path) override { return disk().RemoveTree(path); }
  runtime::Status Link(const std::string& from, const std::string& to) override {
    return disk().Link(from, to);
  }
  runtime::Result<std::unique_ptr<runtime::RecoverableWriter>> OpenRecoverable(
      const std::string& path) override {
    return std::unique_ptr<runtime::RecoverableWriter>(std::make_unique<Writer>(path));
  }
  runtime::Result<std::unique_ptr<runtime::RecoverableWriter>> Resume(
      const std::string& token) override {
    return disk().Resume(token);
  }
  runtime::Status Commit(const std::string& token) override { return disk().Commit(token); }
  runtime::Status Abort(const std::string& token) override { return disk().Abort(token); }

 private:
  static runtime::FileSystem& disk() { return runtime::LocalFileSystem(); }
};

}  // namespace millrace::connectors
