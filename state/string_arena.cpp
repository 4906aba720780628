#include "state/string_arena.h"

#include <sys/mman.h>

#include "runtime/types/check.h"

namespace millrace::state {
namespace {
constexpr uint32_t kHeaderBytes = 8;
}

StringArena::~StringArena() { pool_.Charge(-used_bytes_); }

StringArena::ChunkHeader* StringArena::TakeChunks(uint32_t chunks) {
  ChunkHeader* header;
  if (chunks == 1 && !free_.empty()) {
    header = free_.back();
    free_.pop_back();
  } else {
    if (range_.data() == nullptr) {
      range_ = VirtualRange(VirtualRange::DefaultBytes());
      if (sparing_) range_.SetSparing();
    }
    const size_t begin = static_cast<size_t>(next_chunk_) * kChunkBytes;
    // A table's strings as large as the machine's memory: no way to go on.
    CHECK_THAT_HOLDS(range_.Commit(begin + chunks * kChunkBytes));
    header = reinterpret_cast<ChunkHeader*>(range_.data() + begin);
    next_chunk_ += chunks;
    const auto bytes = static_cast<int64_t>(chunks * kChunkBytes);
    used_bytes_ += bytes;
    pool_.Charge(bytes);
  }
  *header = {generation_, chunks};
  in_use_.push_back(header);
  return header;
}

void StringArena::Refill(uint32_t bytes) {
  filled_bytes_ -= left_bytes_;  // what is left of the chunk is lost
  const auto chunks = static_cast<uint32_t>((bytes + kHeaderBytes + kChunkBytes - 1) / kChunkBytes);
  ChunkHeader* header = TakeChunks(chunks);
  next_ = reinterpret_cast<char*>(header) + kHeaderBytes;
  // A long string takes its chunks whole: a second one in their rear would not find the header.
  left_bytes_ = chunks == 1 ? kChunkBytes - kHeaderBytes : bytes;
  filled_bytes_ += left_bytes_;
}

void StringArena::BeginCompaction() {
  old_ = std::move(in_use_);
  in_use_.clear();
  ++generation_;
  compacting_ = true;
  left_bytes_ = 0;
  next_ = nullptr;
  filled_bytes_ = 0;
  dead_bytes_ = 0;
}

bool StringArena::MoveIfOld(runtime::StringRef* slot) {
  if (slot->is_inline() || HeaderOf(slot->data())->generation == generation_) return false;
  char* to = Allocate(slot->size());
  __builtin_memcpy(to, slot->data(), slot->size());
  *slot = {to, slot->size()};
  return true;
}

void StringArena::EndCompaction() {
  for (ChunkHeader* header : old_) {
    const uint32_t chunks = header->chunks;
    char* at = reinterpret_cast<char*>(header);
    if (chunks > 1 || sparing_) ::madvise(at, chunks * kChunkBytes, MADV_DONTNEED);
    for (uint32_t i = 0; i < chunks; ++i) {
      free_.push_back(reinterpret_cast<ChunkHeader*>(at + i * kChunkBytes));
    }
  }
  old_.clear();
  compacting_ = false;
  // Strings that died in old chunks meanwhile were counted too; they are gone.
  if (dead_bytes_ > allocated_bytes()) dead_bytes_ = allocated_bytes();
}

}  // namespace millrace::state
