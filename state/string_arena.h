#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "runtime/api/state.h"
#include "runtime/types/memory_pool.h"
#include "state/virtual_range.h"

namespace millrace::state {

// Holds the long strings of one table's rows: bump allocation in chunks of 256 KB from one reserved
// range. When much of it is dead, its table walks its rows in steps and moves the live strings out of
// the old chunks, which are then reused. One thread.
class StringArena final : public runtime::StateArena {
 public:
  static constexpr size_t kChunkBytes = 256 * 1024;

  // `sparing`: memory is kept to a budget.
  StringArena(runtime::MemoryPool& pool, bool sparing) : pool_(pool), sparing_(sparing) {}
  ~StringArena() override;

  // ---- Compaction: Begin, then MoveIfOld of every string of every row, then End. ----
  bool wants_compaction() const {
    return !compacting_ && dead_bytes_ > kChunkBytes && dead_bytes_ > (allocated_bytes() / 2);
  }
  bool compacting() const { return compacting_; }
  void BeginCompaction();
  // Copies the string into a new chunk if it lies in an old one. True: copied.
  bool MoveIfOld(runtime::StringRef* slot);
  void EndCompaction();

  int64_t used_bytes() const { return used_bytes_; }
  // Of strings that are not dead.
  int64_t live_bytes() const {
    return std::max<int64_t>(0, static_cast<int64_t>(allocated_bytes()) -
                                    static_cast<int64_t>(dead_bytes_));
  }

 protected:
  void Refill(uint32_t bytes) override;

 private:
  // Stands at the start of each chunk, found from a string by its address alone.
  struct ChunkHeader {
    uint32_t generation;
    uint32_t chunks;  // > 1: one string longer than a chunk
  };
  static ChunkHeader* HeaderOf(const char* text) {
    return reinterpret_cast<ChunkHeader*>(reinterpret_cast<uintptr_t>(text) & ~(kChunkBytes - 1));
  }
  uint64_t allocated_bytes() const { return filled_bytes_ - left_bytes_; }
  ChunkHeader* TakeChunks(uint32_t chunks);

  runtime::MemoryPool& pool_;
  const bool sparing_;
  VirtualRange range_;
  uint32_t next_chunk_ = 0;                // of the range, never used so far
  std::vector<ChunkHeader*> in_use_;
  std::vector<ChunkHeader*> free_;         // single chunks
  std::vector<ChunkHeader*> old_;          // while compacting
  uint32_t generation_ = 0;
  bool compacting_ = false;
  uint64_t filled_bytes_ = 0;  // of chunks in use that are not old
  int64_t used_bytes_ = 0;
};

}  // namespace millrace::state
