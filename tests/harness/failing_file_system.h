#pragma once

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/api/file_system.h"

namespace millrace::state {

// Fails writes once `budget` bytes were written, and syncs if told to.
class FailingFileSystem final : public runtime::FileSystem {
 public:
  std::atomic<int64_t> budget_bytes{INT64_MAX};
  std::atomic<bool> fail_sync{false};

  class File final : public runtime::WritableFile {
   public:
    File(FailingFileSystem* owner, std::unique_ptr<runtime::WritableFile> inner)
        : owner_(owner), inner_(std::move(inner)) {}
    runtime::Status Append(std::string_view bytes) override {
      const auto left = static_cast<size_t>(
          std::max<int64_t>(owner_->budget_bytes.fetch_sub(static_cast<int64_t>(bytes.size())), 0));
      RETURN_IF_ERROR(inner_->Append(bytes.substr(0, left)));
      if (bytes.size() > left) return runtime::Status::FromErrno("write", "disk", ENOSPC);
      return runtime::Status::Ok();
    }
    runtime::Status Sync() override {
      if (owner_->fail_sync) return runtime::Status::FromErrno("fdatasync", "disk", EIO);
      return inner_->Sync();
    }
    runtime::Status Close() override { return inner_->Close(); }

   private:
    FailingFileSystem* owner_;
    std::unique_ptr<runtime::WritableFile> inner_;
  };

  runtime::Result<std::unique_ptr<runtime::RandomAccessFile>> OpenForRead(
      const std::string& path) override {
    return inner_.OpenForRead(path);
  }
  runtime::Result<std::unique_ptr<runtime::WritableFile>> Create(const std::string& path) override {
    ASSIGN_OR_RETURN(auto file, inner_.Create(path));
    return std::unique_ptr<runtime::WritableFile>(std::make_unique<File>(this, std::move(file)));
  }
  runtime::Status WriteAtomically(const std::string& path, std::string_view bytes) override {
    return inner_.WriteAtomically(path, bytes);
  }
  runtime::Result<std::string> ReadAll(const std::string& path) override {
    return inner_.ReadAll(path);
  }
  runtime::Status MakeDirectories(const std::string& path) override {
    return inner_.MakeDirectories(path);
  }
  runtime::Result<std::vector<runtime::FileInfo>> List(const std::string& path) override {
    return inner_.List(path);
  }
  runtime::Result<bool> Exists(const std::string& path) override { return inner_.Exists(path); }
  runtime::Status Remove(const std::string& path) override { return inner_.Remove(path); }
  runtime::Status RemoveTree(const std::string& path) override { return inner_.RemoveTree(path); }
  runtime::Status Link(const std::string& from, const std::string& to) override {
    return inner_.Link(from, to);
  }
  runtime::Result<std::unique_ptr<runtime::RecoverableWriter>> OpenRecoverable(
      const std::string& path) override {
    return inner_.OpenRecoverable(path);
  }
  runtime::Result<std::unique_ptr<runtime::RecoverableWriter>> Resume(
      const std::string& token) override {
    return inner_.Resume(token);
  }
  runtime::Status Commit(const std::string& token) override { return inner_.Commit(token); }
  runtime::Status Abort(const std::string& token) override { return inner_.Abort(token); }

 private:
  runtime::FileSystem& inner_ = runtime::LocalFileSystem();
};

}  // namespace millrace::state
