#include "state/state_backend.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <mutex>
#include <random>
#include <unordered_set>

#include "runtime/types/check.h"
#include "state/delta.h"
#include "state/file_chain.h"
#include "state/hot_subtask_state.h"
#include "state/savepoint_row.h"
#include "state/state_file.h"

namespace millrace::state {

using runtime::Result;
using runtime::Status;

namespace {

constexpr std::string_view kCheckpointPrefix = "chk-";

class FileStateBackend final : public runtime::StateBackend {
 public:
  explicit FileStateBackend(StateBackendOptions options) : options_(std::move(options)) {
    if (options_.clock == nullptr) options_.clock = &runtime::SystemClock();
    std::random_device random;
    run_ = static_cast<uint64_t>(random()) << 32 | random();
  }

  Result<std::unique_ptr<runtime::SubtaskState>> MakeSubtaskState(
      runtime::SubtaskStateOptions options) override {
    if (options_.budget_bytes > 0) {
      return Status::User(
          "a budget of state is not honoured yet: rows are not evicted to disk; leave it out, or give "
          "the process enough memory");
    }
    auto state = std::make_unique<HotSubtaskState>(std::move(options), *options_.clock);
    RETURN_IF_ERROR(state->Load(*this_files()));
    const std::lock_guard lock(mutex_);
    std::erase_if(chains_, [](const auto& chain) { return chain.expired(); });
    chains_.push_back(state->chain());
    return std::unique_ptr<runtime::SubtaskState>(std::move(state));
  }

  Result<std::vector<runtime::StateHandle>> Write(
      const std::string& directory, int64_t checkpoint_id,
      std::span<const std::unique_ptr<runtime::StateDelta>> deltas) override {
    std::vector<runtime::StateHandle> handles;
    if (deltas.empty()) return handles;
    ASSIGN_OR_RETURN(runtime::FileSystem * files, FilesFor(directory));
    const std::string path = NewPath(directory, std::string(kCheckpointPrefix) + std::to_string(checkpoint_id));
    const PendingFile pending(this, path);
    // A part may also stand in the delta of a checkpoint that was given up and is still being written.
    std::vector<std::unique_lock<std::mutex>> locks;
    std::vector<std::vector<DeltaPart*>> parts(deltas.size());
    for (size_t i = 0; i < deltas.size(); ++i) {
      for (const auto& part : static_cast<const SubtaskDelta&>(*deltas[i]).parts) {
        locks.emplace_back(part->mutex);
        if (!part->written) parts[i].push_back(part.get());
      }
    }
    const Status status = WriteFile(*files, path, deltas, parts);
    if (!status.ok()) {
      (void)files->Remove(path).ok();  // best effort: Retain removes it otherwise
      return status.Within("writing checkpoint " + std::to_string(checkpoint_id));
    }
    for (size_t i = 0; i < deltas.size(); ++i) {
      const auto& delta = static_cast<const SubtaskDelta&>(*deltas[i]);
      bool full = false;
      uint64_t bytes = 0;
      for (const DeltaPart* part : parts[i]) {
        full |= part->full;
        bytes += part->size_bytes();
      }
      handles.push_back(delta.chain->Append({path, bytes}, full, delta.sequence));
      for (DeltaPart* part : parts[i]) {
        part->written = true;
        part->tables.clear();  // the buffers go back to the pool
      }
    }
    return handles;
  }

  Status Retain(const std::string& directory,
                std::span<const runtime::StateHandle> needed_handles,
                int64_t keep_from_id) override {
    ASSIGN_OR_RETURN(runtime::FileSystem * files, FilesFor(directory));
    std::unordered_set<std::string> needed;
    for (const runtime::StateHandle& handle : needed_handles) {
      ASSIGN_OR_RETURN(const HandleContents contents, HandleContents::Decode(handle));
      for (const ChainSegment& segment : contents.segments) {
        for (const ChainFile& file : segment.files) needed.insert(NameOf(file.path));
      }
    }
    // Listed before the live chains are asked: a file that is finished in between is in neither.
    ASSIGN_OR_RETURN(const auto listed, files->List(directory));
    {
      const std::lock_guard lock(mutex_);
      for (const std::string& path : pending_) needed.insert(NameOf(path));
      for (const auto& weak : chains_) {
        if (const auto chain = weak.lock()) {
          for (const std::string& path : chain->Paths()) needed.insert(NameOf(path));
        }
      }
    }
    for (const runtime::FileInfo& file : listed) {
      if (file.is_directory || !file.path.ends_with(kStateFileSuffix)) continue;
      const std::string name = NameOf(file.path);
      if (needed.contains(name) || CheckpointOf(name) >= keep_from_id) continue;
      RETURN_IF_ERROR(files->Remove(file.path));
    }
    return Status::Ok();
  }

  Result<std::vector<runtime::StateHandle>> WriteSavepoint(
      const std::string& directory, std::span<const runtime::StateHandle> handles) override {
    ASSIGN_OR_RETURN(runtime::FileSystem * files, FilesFor(directory));
    std::vector<runtime::StateHandle> written;
    for (const runtime::StateHandle& handle : handles) {
      ASSIGN_OR_RETURN(const HandleContents contents, HandleContents::Decode(handle));
      HandleContents savepoint;
      savepoint.savepoint = true;
      if (!contents.segments.empty()) {
        runtime::SubtaskStateOptions options;
        options.pool = runtime::MemoryPool::MakeRoot("savepoint", 0);
        options.key_groups = contents.segments[0].key_groups;
        for (const ChainSegment& segment : contents.segments) {
          options.key_groups.first = std::min(options.key_groups.first, segment.key_groups.first);
          options.key_groups.last = std::max(options.key_groups.last, segment.key_groups.last);
        }
        options.max_parallelism = INT16_MAX;  // rows come with their key groups
        options.restore = {handle};
        const runtime::KeyGroupRange key_groups = options.key_groups;
        const std::shared_ptr<runtime::MemoryPool> pool = options.pool;
        HotSubtaskState state(std::move(options), *options_.clock);
        RETURN_IF_ERROR(state.Load(*files));
        state.SetTime(INT64_MIN / 2);  // rows that expired stay: whoever restores judges
        const std::string path = NewPath(directory, "savepoint");
        ASSIGN_OR_RETURN(auto file, StateFileWriter::Create(*files, path, StateFileType::kSavepoint));
        for (const auto& table : state.tables()) {
          RETURN_IF_ERROR(WriteCanonicalRows(table.get(), *pool, file.get()));
        }
        RETURN_IF_ERROR(file->Finish());
        savepoint.segments = {{key_groups, {{path, file->size_bytes()}}}};
      }
      written.push_back(savepoint.Encode());
    }
    return written;
  }

 private:
  // Keeps Retain from removing a file that is being written.
  class PendingFile {
   public:
    PendingFile(FileStateBackend* backend, std::string path)
        : backend_(backend), path_(std::move(path)) {
      const std::lock_guard lock(backend_->mutex_);
      backend_->pending_.insert(path_);
    }
    ~PendingFile() {
      const std::lock_guard lock(backend_->mutex_);
      backend_->pending_.erase(path_);
    }

   private:
    FileStateBackend* backend_;
    std::string path_;
  };

  static std::string NameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

  // The checkpoint of a file by its name; savepoint files are never removed.
  static int64_t CheckpointOf(const std::string& name) {
    int64_t id = INT64_MAX;
    if (name.starts_with(kCheckpointPrefix)) {
      std::from_chars(name.data() + kCheckpointPrefix.size(), name.data() + name.size(), id);
    }
    return id;
  }

  runtime::FileSystem* this_files() const {
    return options_.files != nullptr ? options_.files : &runtime::LocalFileSystem();
  }
  Result<runtime::FileSystem*> FilesFor(const std::string& directory) const {
    if (options_.files != nullptr) return options_.files;
    return runtime::FileSystemOf(directory);
  }

  std::string NewPath(const std::string& directory, const std::string& what) {
    char name[64];
    std::snprintf(name, sizeof(name), "-%016llx-%llu", static_cast<unsigned long long>(run_),
                  static_cast<unsigned long long>(next_file_++));
    return directory + (directory.ends_with('/') ? "" : "/") + what + name + kStateFileSuffix;
  }

  static Status WriteFile(runtime::FileSystem& files, const std::string& path,
                          std::span<const std::unique_ptr<runtime::StateDelta>> deltas,
                          const std::vector<std::vector<DeltaPart*>>& parts) {
    ASSIGN_OR_RETURN(auto file, StateFileWriter::Create(files, path, StateFileType::kCheckpoint));
    for (size_t i = 0; i < deltas.size(); ++i) {
      const auto& delta = static_cast<const SubtaskDelta&>(*deltas[i]);
      for (const DeltaPart* part : parts[i]) {
        for (const TablePart& table : part->tables) {
          if (part->full) file->AddState(*table.identity);  // a base names empty states too
          RETURN_IF_ERROR(file->AddTable(delta.key_groups, table));
        }
      }
    }
    return file->Finish();
  }

  StateBackendOptions options_;
  uint64_t run_;
  std::atomic<uint64_t> next_file_{0};
  std::mutex mutex_;
  std::vector<std::weak_ptr<FileChain>> chains_;
  std::unordered_set<std::string> pending_;
};

}  // namespace

Result<BackendType> ParseBackendType(std::string_view text) {
  if (text == "hashmap") return BackendType::kHashMap;
  if (text == "rocksdb") return BackendType::kRocksDb;
  return Status::User("unknown state.backend.type; known are hashmap and rocksdb: " +
                      std::string(text));
}

std::unique_ptr<runtime::StateBackend> MakeStateBackend(StateBackendOptions options) {
  return std::make_unique<FileStateBackend>(std::move(options));
}

}  // namespace millrace::state
