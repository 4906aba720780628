#include "state/state_backend.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <mutex>
#include <random>
#include <unordered_set>

#include "runtime/types/check.h"
#include "state/chain_merge.h"
#include "state/cold_store.h"
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
    if (options_.local_files == nullptr) options_.local_files = &runtime::LocalFileSystem();
    if (options_.type == BackendType::kRocksDb && options_.budget_bytes >= StateBudget::kLeastBytes) {
      budget_ = std::make_shared<StateBudget>(options_.budget_bytes);
    }
  }
  ~FileStateBackend() override {
    if (local_folder_made_) {
      (void)options_.local_files->RemoveTree(LocalFolder()).ok();  // emptied at start otherwise
    }
  }

  Result<std::unique_ptr<runtime::SubtaskState>> MakeSubtaskState(
      runtime::SubtaskStateOptions options) override {
    RETURN_IF_ERROR(CheckBudget());
    ColdParts cold;
    if (budget_ != nullptr) {
      cold.budget = budget_;
      cold.local_files = options_.local_files;
      cold.make_family = [this] { return MakeFamily(); };
      cold.new_path = [this](const std::string& what) { return NewPath(LocalFolder(), what); };
    }
    auto state = std::make_unique<HotSubtaskState>(std::move(options), *options_.clock,
                                                   std::move(cold));
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
    const std::string path = CheckpointPath(directory, checkpoint_id);
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
      ChainFile written{path, bytes};
      if (!full && delta.chain->RequiresBase()) {
        // Its rows are not all in memory, so the base is made of the files.
        auto base = MakeBase(*files, directory, checkpoint_id, delta, written);
        if (!base.ok()) return base.status().Within("writing checkpoint " + std::to_string(checkpoint_id));
        written = std::move(*base);
        full = true;
      }
      handles.push_back(delta.chain->Append(std::move(written), full, delta.sequence));
      for (DeltaPart* part : parts[i]) {
        part->written = true;
        part->tables.clear();  // the buffers go back to the pool
        part->spill = nullptr;
      }
    }
    return handles;
  }

  Status Compact(const std::string& directory) override {
    ASSIGN_OR_RETURN(runtime::FileSystem * files, FilesFor(directory));
    const std::unique_lock running(compacting_, std::try_to_lock);
    if (!running.owns_lock()) return Status::Ok();
    std::vector<std::shared_ptr<FileChain>> chains;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& weak : chains_) {
        if (auto chain = weak.lock()) chains.push_back(std::move(chain));
      }
    }
    for (const auto& chain : chains) {
      if (!chain->WantsBase() || chain->RequiresBase()) continue;
      MergeInput input;
      input.segments = chain->segments();
      input.key_groups = chain->key_groups();
      input.compaction = true;
      // Named after its newest file: it is kept as long as a checkpoint of that number would be.
      int64_t id = 0;
      bool elsewhere = false;
      for (const ChainSegment& segment : input.segments) {
        for (const ChainFile& file : segment.files) {
          elsewhere |= !file.path.starts_with(directory);
          id = std::max(id, CheckpointOf(NameOf(file.path)));
        }
      }
      if (elsewhere) continue;  // of another job
      const std::string path = CheckpointPath(directory, id);
      const PendingFile pending(this, path);
      auto base = MergeFiles(*files, *options_.clock, path, input);
      const Status status = base.status();
      if (!status.ok() || !chain->ReplaceMerged(input.segments, std::move(*base))) {
        (void)files->Remove(path).ok();  // best effort: Retain removes it otherwise
      }
      if (!status.ok()) return status.Within("merging state files");
    }
    return Status::Ok();
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
        MergeInput input;
        input.segments = contents.segments;
        input.key_groups = contents.segments[0].key_groups;
        for (const ChainSegment& segment : contents.segments) {
          input.key_groups.first = std::min(input.key_groups.first, segment.key_groups.first);
          input.key_groups.last = std::max(input.key_groups.last, segment.key_groups.last);
        }
        const auto pool = runtime::MemoryPool::MakeRoot("savepoint", 0);
        const std::string path = NewPath(directory, "savepoint");
        ASSIGN_OR_RETURN(auto file, StateFileWriter::Create(*files, path, StateFileType::kSavepoint));
        RETURN_IF_ERROR(ForEachKeyGroup(
            *files, *options_.clock, input, [&](HotSubtaskState& state) -> Status {
              state.SetTime(INT64_MIN / 2);  // rows that expired stay: whoever restores judges
              for (const auto& table : state.tables()) {
                RETURN_IF_ERROR(WriteCanonicalRows(table.get(), *pool, file.get()));
              }
              return Status::Ok();
            }));
        RETURN_IF_ERROR(file->Finish());
        savepoint.segments = {{input.key_groups, {{path, file->size_bytes()}}}};
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

  std::string CheckpointPath(const std::string& directory, int64_t id) {
    return NewPath(directory, std::string(kCheckpointPrefix) + std::to_string(id));
  }
  std::string LocalFolder() const { return options_.local_directory + "/cold"; }

  Status CheckBudget() {
    if (options_.type != BackendType::kRocksDb || options_.budget_bytes == 0) return Status::Ok();
    RETURN_IF_ERROR(CheckStateBudget(options_.budget_bytes));
    if (options_.local_directory.empty()) {
      return Status::Internal("a memory budget of state needs a local folder");
    }
    const std::lock_guard lock(store_mutex_);
    if (local_folder_made_) return Status::Ok();
    RETURN_IF_ERROR(options_.local_files->RemoveTree(LocalFolder()));
    local_folder_made_ = true;
    return Status::Ok();
  }

  // The space of one more subtask in RocksDB, which runs from the first eviction to the end of its last
  // user, and is left for a new one when it has failed.
  Result<std::shared_ptr<ColdFamily>> MakeFamily() {
    const std::lock_guard lock(store_mutex_);
    std::shared_ptr<ColdStore> store = store_.lock();
    if (store == nullptr || store->failed()) {
      ASSIGN_OR_RETURN(store, ColdStore::Open(LocalFolder() + "/rocksdb-" + std::to_string(next_file_++),
                                              *options_.local_files, budget_->ColdFileBytes()));
      store_ = store;
    }
    return store->MakeFamily();
  }

  // Merges the files of a chain that its deltas must not be added to with a file of a checkpoint.
  Result<ChainFile> MakeBase(runtime::FileSystem& files, const std::string& directory,
                             int64_t checkpoint_id, const SubtaskDelta& delta,
                             const ChainFile& written) {
    MergeInput input;
    input.segments = delta.chain->segments();
    for (const auto& part : delta.parts) {
      for (const TablePart& table : part->tables) input.declared.push_back(table.identity);
    }
    input.later_segments = {{delta.key_groups, {written}}};
    input.key_groups = delta.key_groups;
    input.max_parallelism = delta.max_parallelism;
    return MergeFiles(files, *options_.clock, CheckpointPath(directory, checkpoint_id), input);
  }

  static Status WriteFile(runtime::FileSystem& files, const std::string& path,
                          std::span<const std::unique_ptr<runtime::StateDelta>> deltas,
                          const std::vector<std::vector<DeltaPart*>>& parts) {
    ASSIGN_OR_RETURN(auto file, StateFileWriter::Create(files, path, StateFileType::kCheckpoint));
    for (size_t i = 0; i < deltas.size(); ++i) {
      const auto& delta = static_cast<const SubtaskDelta&>(*deltas[i]);
      for (const DeltaPart* part : parts[i]) {
        if (part->spill != nullptr) {
          ASSIGN_OR_RETURN(const auto spilled,
                           StateFileReader::Open(*part->spill->files, part->spill->path));
          RETURN_IF_ERROR(file->AddBlocksOf(*spilled));
        }
        for (const TablePart& table : part->tables) {
          if (part->full) file->AddState(*table.identity);  // a base names empty states too
          RETURN_IF_ERROR(file->AddTable(delta.key_groups, table));
        }
      }
    }
    return file->Finish();
  }

  StateBackendOptions options_;
  std::shared_ptr<StateBudget> budget_;  // null: nothing is evicted
  std::mutex store_mutex_;
  std::weak_ptr<ColdStore> store_;
  bool local_folder_made_ = false;
  std::mutex compacting_;
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

Status CheckStateBudget(int64_t budget_bytes) {
  if (budget_bytes == 0 || budget_bytes >= StateBudget::kLeastBytes) return Status::Ok();
  return Status::User("the memory budget of state is too small to work with: " +
                      std::to_string(budget_bytes) + " bytes; the least is " +
                      std::to_string(StateBudget::kLeastBytes));
}

std::unique_ptr<runtime::StateBackend> MakeStateBackend(StateBackendOptions options) {
  return std::make_unique<FileStateBackend>(std::move(options));
}

}  // namespace millrace::state
