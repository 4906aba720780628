#include "state/row_index.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/types/check.h"
#include "state/memory_thread.h"

namespace millrace::state {
namespace {

constexpr size_t kLargeBytes = VirtualRange::kStepBytes;
constexpr uint32_t kFirstEntries = 16;
constexpr uint32_t kMovedAnInsert = 16;

}  // namespace

const uint64_t RowIndex::kEmpty[1] = {0};

SlotPool::~SlotPool() {
  for (const auto& [mapping, bytes] : large_) ::munmap(mapping, bytes);
  pool_.Charge(-used_bytes_);
}

uint64_t* SlotPool::Allocate(uint32_t entries) {
  const auto size_class = std::countr_zero(entries);
  const size_t bytes = static_cast<size_t>(entries) * 8;
  auto& reusable = free_[size_class];
  if (!reusable.empty()) {
    uint64_t* slots = reusable.back();
    reusable.pop_back();
    std::memset(slots, 0, bytes);
    return slots;
  }
  used_bytes_ += static_cast<int64_t>(bytes);
  pool_.Charge(static_cast<int64_t>(bytes));
  if (bytes >= kLargeBytes) {
    // Aligned by hand: mmap aligns to 4 KB, huge pages need 2 MB.
    const size_t mapping_bytes = bytes + kLargeBytes;
    void* mapping = ::mmap(nullptr, mapping_bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK_THAT_HOLDS(mapping != MAP_FAILED);
    large_.emplace_back(mapping, mapping_bytes);
    const auto start = reinterpret_cast<uintptr_t>(mapping);
    auto* slots = reinterpret_cast<uint64_t*>((start + kLargeBytes - 1) & ~(kLargeBytes - 1));
    return slots;  // huge pages later, by Settle
  }
  if (range_.data() == nullptr) {
    range_ = VirtualRange(VirtualRange::DefaultBytes());
    if (sparing_) range_.SetSparing();
  }
  const size_t aligned = std::max(bytes, size_t{64});
  CHECK_THAT_HOLDS(range_.CommitAhead(range_used_ + aligned));
  auto* slots = reinterpret_cast<uint64_t*>(range_.data() + range_used_);
  range_used_ += aligned;
  return slots;
}

void SlotPool::Settle(const uint64_t* slots, uint32_t entries) {
  const size_t bytes = static_cast<size_t>(entries) * 8;
  if (bytes >= kLargeBytes && !sparing_) ::madvise(const_cast<uint64_t*>(slots), bytes, MADV_HUGEPAGE);
}

void SlotPool::Free(uint64_t* slots, uint32_t entries) {
  const size_t bytes = static_cast<size_t>(entries) * 8;
  if (bytes < kLargeBytes) {
    free_[std::countr_zero(entries)].push_back(slots);
    return;
  }
  const auto found = std::find_if(large_.begin(), large_.end(), [&](const auto& mapping) {
    const auto start = reinterpret_cast<uintptr_t>(mapping.first);
    const auto at = reinterpret_cast<uintptr_t>(slots);
    return at >= start && at < start + mapping.second;
  });
  CHECK_THAT_HOLDS(found != large_.end());
  UnmapSoon(found->first, found->second);
  large_.erase(found);
  used_bytes_ -= static_cast<int64_t>(bytes);
  pool_.Charge(-static_cast<int64_t>(bytes));
}

uint32_t RowIndex::FirstOldByTag(uint32_t tag) const {
  for (uint32_t at = tag & old_mask;; at = (at + 1) & old_mask) {
    const uint64_t entry = old_slots[at];
    if (entry == 0) return 0;
    const auto id = static_cast<uint32_t>(entry);
    if (static_cast<uint32_t>(entry >> 32) == tag && id != kGone) return id;
  }
}

void RowIndex::Place(uint64_t entry) {
  uint32_t at = static_cast<uint32_t>(entry >> 32) & mask;
  while (slots[at] != 0) at = (at + 1) & mask;
  writable()[at] = entry;
}

void RowIndex::Insert(uint32_t tag, uint32_t id, SlotPool& pool) {
  if (old_slots != nullptr) MoveSome(kMovedAnInsert, pool);
  if (static_cast<uint64_t>(used + 1) * 8 > (static_cast<uint64_t>(mask) + 1) * 5) Grow(pool);
  Place(static_cast<uint64_t>(tag) << 32 | id);
  ++used;
}

void RowIndex::Reserve(uint32_t entries, SlotPool& pool) {
  CHECK_THAT_HOLDS(used == 0);
  Release(pool);
  const uint32_t size = std::bit_ceil(std::max(kFirstEntries, entries));
  slots = pool.Allocate(size);
  mask = size - 1;
}

void RowIndex::Grow(SlotPool& pool) {
  if (old_slots != nullptr) MoveSome(UINT32_MAX, pool);
  if (slots == kEmpty) {
    slots = pool.Allocate(kFirstEntries);
    mask = kFirstEntries - 1;
    return;
  }
  const uint32_t old_size = mask + 1;
  CHECK_THAT_HOLDS(old_size <= 1u << 31);
  old_slots = writable();
  old_mask = mask;
  moved = 0;
  mask = old_size * 2 - 1;
  slots = pool.Allocate(old_size * 2);
  if (old_size < kStepwiseAbove) MoveSome(UINT32_MAX, pool);
}

void RowIndex::MoveSome(uint32_t entries, SlotPool& pool) {
  const uint64_t end = std::min<uint64_t>(static_cast<uint64_t>(moved) + entries,
                                          static_cast<uint64_t>(old_mask) + 1);
  for (; moved < end; ++moved) {
    const uint64_t entry = old_slots[moved];
    if (entry != 0 && static_cast<uint32_t>(entry) != kGone) Place(entry);
    if (moved == old_mask) {
      pool.Free(old_slots, old_mask + 1);
      old_slots = nullptr;
      pool.Settle(slots, mask + 1);
      return;
    }
  }
}

void RowIndex::Erase(uint32_t tag, uint32_t id) {
  const uint64_t wanted = static_cast<uint64_t>(tag) << 32 | id;
  bool found = false;
  if (old_slots != nullptr) {
    for (uint32_t at = tag & old_mask; old_slots[at] != 0; at = (at + 1) & old_mask) {
      if (old_slots[at] != wanted) continue;
      old_slots[at] |= kGone;
      found = true;
      break;
    }
  }
  for (uint32_t at = tag & mask; slots[at] != 0; at = (at + 1) & mask) {
    if (slots[at] != wanted) continue;
    // Backward shift: later entries of the run move up, so that no marker is left.
    uint64_t* to = writable();
    uint32_t hole = at;
    for (uint32_t next = (hole + 1) & mask; to[next] != 0; next = (next + 1) & mask) {
      const uint32_t home = static_cast<uint32_t>(to[next] >> 32) & mask;
      if (((next - home) & mask) >= ((next - hole) & mask)) {
        to[hole] = to[next];
        hole = next;
      }
    }
    to[hole] = 0;
    found = true;
    break;
  }
  CHECK_THAT_HOLDS(found);
  --used;
}

void RowIndex::Replace(uint32_t tag, uint32_t id, uint32_t new_id) {
  const uint64_t wanted = static_cast<uint64_t>(tag) << 32 | id;
  const uint64_t replacement = static_cast<uint64_t>(tag) << 32 | new_id;
  bool found = false;
  if (old_slots != nullptr) {  // an entry that was moved already stands in both
    for (uint32_t at = tag & old_mask; old_slots[at] != 0; at = (at + 1) & old_mask) {
      if (old_slots[at] != wanted) continue;
      old_slots[at] = replacement;
      found = true;
      break;
    }
  }
  for (uint32_t at = tag & mask; slots[at] != 0; at = (at + 1) & mask) {
    if (slots[at] != wanted) continue;
    writable()[at] = replacement;
    found = true;
    break;
  }
  CHECK_THAT_HOLDS(found);
}

void RowIndex::Release(SlotPool& pool) {
  if (old_slots != nullptr) pool.Free(old_slots, old_mask + 1);
  if (slots != kEmpty) pool.Free(writable(), mask + 1);
  *this = RowIndex();
}

}  // namespace millrace::state
