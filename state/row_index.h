#pragma once

#include <cstdint>
#include <vector>

#include "runtime/types/memory_pool.h"
#include "state/virtual_range.h"

namespace millrace::state {

// Gives out zeroed arrays of 8-byte index entries in powers of two, small ones from one range (they get
// huge pages only so), and reuses them. One thread.
class SlotPool {
 public:
  // `sparing`: memory is kept to a budget.
  SlotPool(runtime::MemoryPool& pool, bool sparing) : pool_(pool), sparing_(sparing) {}
  ~SlotPool();
  SlotPool(const SlotPool&) = delete;
  SlotPool& operator=(const SlotPool&) = delete;

  uint64_t* Allocate(uint32_t entries);
  void Free(uint64_t* slots, uint32_t entries);
  // An array that was filled stepwise is full of touched small pages: the kernel may make huge ones of
  // them in the background. Asked for at once, each would be zeroed in one stall.
  void Settle(const uint64_t* slots, uint32_t entries);
  int64_t used_bytes() const { return used_bytes_; }

 private:
  runtime::MemoryPool& pool_;
  const bool sparing_;
  std::vector<uint64_t*> free_[33];  // by log2 of entries
  VirtualRange range_;  // of arrays below 2 MB
  size_t range_used_ = 0;
  std::vector<std::pair<void*, size_t>> large_;
  int64_t used_bytes_ = 0;
};

// Finds row ids by tag: open addressing, linear probing, 8-byte entries {tag << 32 | id}, home
// position from the tag, so that growing reads no row. Grown at 62 %: at once up to 16 K entries,
// above that stepwise, a few entries an insert: the indexes of uniform keys all grow within the same few
// batches, and at once up to 128 K entries that was 10 ms in one batch of 1,024 rows. 32 bytes, so that the directory of a table's indexes
// stays in cache. Trivially copyable; whoever owns it calls Release.
struct RowIndex {
  static constexpr uint32_t kGone = UINT32_MAX;  // id of an erased entry of `old_slots`
  static constexpr uint32_t kStepwiseAbove = 16 * 1024;

  const uint64_t* slots = kEmpty;
  uint32_t mask = 0;
  uint32_t used = 0;
  uint64_t* old_slots = nullptr;  // being moved to slots: entries from `moved` on
  uint32_t old_mask = 0;
  uint32_t moved = 0;

  static const uint64_t kEmpty[1];

  // The first candidate by tag, 0 if none: what the prefetch stage needs.
  uint32_t FirstByTag(uint32_t tag) const {
    for (uint32_t at = tag & mask;; at = (at + 1) & mask) {
      const uint64_t entry = slots[at];
      if (static_cast<uint32_t>(entry >> 32) == tag && entry != 0) return static_cast<uint32_t>(entry);
      if (entry == 0) return old_slots == nullptr ? 0 : FirstOldByTag(tag);
    }
  }

  // The id with this tag that `is_it(id)` accepts, 0 if none.
  template <typename IsIt>
  uint32_t Find(uint32_t tag, IsIt is_it) const {
    for (uint32_t at = tag & mask;; at = (at + 1) & mask) {
      const uint64_t entry = slots[at];
      if (entry == 0) break;
      const auto id = static_cast<uint32_t>(entry);
      if (static_cast<uint32_t>(entry >> 32) == tag && is_it(id)) return id;
    }
    if (old_slots == nullptr) return 0;
    for (uint32_t at = tag & old_mask;; at = (at + 1) & old_mask) {
      const uint64_t entry = old_slots[at];
      if (entry == 0) return 0;
      const auto id = static_cast<uint32_t>(entry);
      if (static_cast<uint32_t>(entry >> 32) == tag && id != kGone && is_it(id)) return id;
    }
  }

  // REQUIRES: the key is not in it; id > 0.
  void Insert(uint32_t tag, uint32_t id, SlotPool& pool);
  // REQUIRES: the entry is in it.
  void Erase(uint32_t tag, uint32_t id);
  // Gives the entry of `id` to `new_id`. REQUIRES: the entry is in it.
  void Replace(uint32_t tag, uint32_t id, uint32_t new_id);
  // Makes room for `entries` at once. REQUIRES: empty.
  void Reserve(uint32_t entries, SlotPool& pool);
  void Release(SlotPool& pool);

 private:
  uint32_t FirstOldByTag(uint32_t tag) const;
  void Grow(SlotPool& pool);
  void MoveSome(uint32_t entries, SlotPool& pool);
  void Place(uint64_t entry);
  uint64_t* writable() { return const_cast<uint64_t*>(slots); }
};
static_assert(sizeof(RowIndex) == 32);

}  // namespace millrace::state
