#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/api/file_system.h"
#include "runtime/api/state.h"
#include "runtime/types/memory_pool.h"

namespace millrace::state {

class FileChain;

// What a block of a state file holds. Within one checkpoint, blocks of a key group are applied by
// ascending kind: drops, erasures, rows. Values are part of the file format.
enum class BlockKind : uint8_t {
  kDropSlices = 1,  // records of {int64 slice, uint16 first key group, uint16 last, uint32 0}
  kErase = 2,       // keys
  kEraseNull = 3,   // the NULL key of a one-column key
  kRows = 4,        // rows
  kNullRows = 5,    // rows of the NULL key
  kCanonical = 6,   // savepoints: see savepoint_row.h
};

// Collects flat copies of one table's rows and tombstones for one checkpoint: bytes in recycled
// buffers, described by runs. Filled by the owning thread; read by an IO thread after that.
class TableDelta {
 public:
  static constexpr uint32_t kBufferBytes = 64 * 1024;

  struct Run {
    BlockKind kind;
    bool mixed;          // key groups differ by record: key_groups()[groups_at ...]
    uint16_t key_group;  // if not mixed
    uint32_t records;
    uint32_t buffer;
    uint32_t offset;
    uint32_t bytes;
    uint32_t groups_at;
  };

  explicit TableDelta(runtime::MemoryPool& pool) : pool_(&pool) {}

  // Gives room for one record, appended to the run before if that is of the same sort.
  char* Append(BlockKind kind, bool mixed, uint16_t key_group, uint32_t bytes) {
    if (!runs_.empty()) {
      Run& run = runs_.back();
      const bool same = run.kind == kind && run.mixed == mixed &&
                        (mixed || run.key_group == key_group) && bytes <= left_bytes_ &&
                        run.buffer + 1 == buffers_.size() && run.bytes < kBufferBytes;
      if (same) {
        ++run.records;
        run.bytes += bytes;
        if (mixed) key_groups_.push_back(key_group);
        return Take(bytes);
      }
    }
    return AppendRun(kind, mixed, key_group, bytes);
  }

  // A key of which a row may have been appended before is erased by what is appended next (kErase, kEraseNull
  // or kDropSlices): the file must not hold that row.
  void NoteLateErase() { has_late_erases_ = true; }
  bool has_late_erases() const { return has_late_erases_; }

  // Forgets the records and gives their memory back.
  void Clear() { *this = TableDelta(*pool_); }
  bool empty() const { return runs_.empty(); }
  uint64_t size_bytes() const { return size_bytes_; }
  const std::vector<Run>& runs() const { return runs_; }
  const std::vector<uint16_t>& key_groups() const { return key_groups_; }
  const char* BytesOf(const Run& run) const { return buffers_[run.buffer]->data() + run.offset; }

 private:
  char* Take(uint32_t bytes) {
    char* at = next_;
    next_ += bytes;
    left_bytes_ -= bytes;
    size_bytes_ += bytes;
    return at;
  }
  char* AppendRun(BlockKind kind, bool mixed, uint16_t key_group, uint32_t bytes);

  runtime::MemoryPool* pool_;
  std::vector<runtime::BufferPtr> buffers_;
  std::vector<Run> runs_;
  std::vector<uint16_t> key_groups_;
  char* next_ = nullptr;
  uint32_t left_bytes_ = 0;
  uint64_t size_bytes_ = 0;
  bool has_late_erases_ = false;
};

// Says how the records of a table are laid out, for whoever reads them without the table.
struct RecordShape {
  uint32_t row_bytes = 0;                  // image, expiry time if any, value
  uint32_t key_bytes = 0;                  // image alone: what tombstones hold
  bool sliced = false;                     // records start with int64 slice
  std::vector<uint32_t> string_offsets;    // of StringRefs in the row, ascending
  std::vector<uint32_t> key_string_offsets;

  // Bytes of the record of this kind at `at`; 0 if `left` is too short for it.
  uint32_t RecordBytes(BlockKind kind, const char* at, uint64_t left) const;
  // Writes slice and key of a row or tombstone, the same bytes for the same.
  void KeyOfRecord(bool is_row, const char* at, std::string* to) const;
};

// Names a state and its types, as a file keeps them.
struct StateIdentity {
  std::string operator_uid;
  runtime::StateSpec spec;
};

// One table's share of one checkpoint of a subtask.
struct TablePart {
  std::shared_ptr<const StateIdentity> identity;
  std::shared_ptr<const RecordShape> shape;
  TableDelta rows;
};

// A file of this process only, removed with it.
struct SpillFile {
  runtime::FileSystem* files;
  std::string path;
  ~SpillFile() { (void)files->Remove(path).ok(); }
};

// What one frozen checkpoint of a subtask copied, or a piece of it. Shared by the delta that carries it and
// the subtask, which gives it to the next delta too if no file holds it then.
struct DeltaPart {
  bool full = false;              // its first piece holds the rest of the state, too
  std::mutex mutex;               // held by whoever writes it
  std::vector<TablePart> tables;  // emptied once written
  std::unique_ptr<SpillFile> spill;  // holds what rows held, a state file
  std::atomic<bool> written{false};
  std::atomic<bool> spilling{false};  // or spilled
  uint64_t bytes = 0;             // of tables, set before the part leaves its subtask

  uint64_t size_bytes() const { return bytes; }
  void CountBytes();
};

// The delta of one subtask: its parts in order (more than one if a checkpoint before was not written).
class SubtaskDelta final : public runtime::StateDelta {
 public:
  uint64_t size_bytes() const override;

  runtime::KeyGroupRange key_groups;
  int max_parallelism = 0;
  uint64_t sequence = 0;  // rises with each delta of the subtask
  std::vector<std::shared_ptr<DeltaPart>> parts;
  std::shared_ptr<FileChain> chain;
};

}  // namespace millrace::state
