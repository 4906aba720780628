#pragma once

#include <cstdint>
#include <vector>

#include "runtime/types/memory_pool.h"
#include "state/virtual_range.h"

namespace millrace::state {

// Holds the rows of one table: slots of one size that never move, address = base + id * size. Rows
// come in pages; a page belongs to one owner (a key group or a slice) at a time and is reused when it
// is given back. Beside each row stand four bits, in bitmaps by row id:
//   live     it holds a row;
//   changed  it was written since the last frozen checkpoint;
//   frozen   it belongs to the checkpoint being copied, and was not copied yet;
//   stored   some checkpoint holds it, so that its erasure needs a tombstone;
// and once rows of the table are evicted, three more:
//   used     it was looked up since the clock of eviction last passed it;
//   cold     the newest that the cold tier holds of its key is a row, so that its erasure needs a tombstone there;
//   saved    that row equals this one.
// Row id 0 is never used: 0 means no row. One thread.
class RowPages {
 public:
  static constexpr uint32_t kNoOwner = UINT32_MAX;

  // `with_key_groups`: also keeps a key group a row, for owners that mix them.
  // `sparing`: memory is kept to a budget.
  RowPages(uint32_t row_bytes, bool with_key_groups, bool sparing, runtime::MemoryPool& pool);
  ~RowPages();
  RowPages(const RowPages&) = delete;
  RowPages& operator=(const RowPages&) = delete;

  uint32_t row_bytes() const { return row_bytes_; }
  uint32_t page_rows() const { return 1u << page_shift_; }
  uint32_t page_words() const { return page_rows() / 64; }
  uint32_t PageOf(uint32_t id) const { return id >> page_shift_; }
  uint32_t FirstOf(uint32_t page) const { return page << page_shift_; }
  uint32_t OwnerOf(uint32_t page) const { return owners_[page]; }
  size_t num_free() const { return free_pages_.size(); }
  uint32_t num_pages() const { return static_cast<uint32_t>(owners_.size()); }

  uint8_t* RowAt(uint32_t id) const { return base_ + static_cast<size_t>(id) * row_bytes_; }
  uint8_t* base() const { return base_; }
  // REQUIRES: `row` is the start of a row of this table.
  uint32_t IdOf(const uint8_t* row) const {
    return static_cast<uint32_t>(static_cast<size_t>(row - base_) / row_bytes_);
  }

  // Gives a page to an owner: a reused one, whose bits are all 0, or a new one.
  uint32_t TakePage(uint32_t owner);
  // REQUIRES: no frozen row in it.
  void GivePage(uint32_t page);
  // Gives the memory of a page that was given back to the system.
  void ReleasePage(uint32_t page);
  void SetOwner(uint32_t page, uint32_t owner) { owners_[page] = owner; }

  uint64_t* live() const { return live_; }
  uint64_t* changed() const { return changed_; }
  uint64_t* frozen() const { return frozen_; }
  uint64_t* stored() const { return stored_; }
  // From now on the bits of the cold tier are kept, all 0 now.
  void KeepColdBits();
  uint64_t* used() const { return used_; }
  uint64_t* cold() const { return cold_; }
  uint64_t* saved() const { return saved_; }
  static bool Test(const uint64_t* bits, uint32_t id) { return (bits[id >> 6] >> (id & 63)) & 1; }
  static void Set(uint64_t* bits, uint32_t id) { bits[id >> 6] |= 1ull << (id & 63); }
  static void Clear(uint64_t* bits, uint32_t id) { bits[id >> 6] &= ~(1ull << (id & 63)); }

  // Changed rows become frozen and none is changed; with `full` all live rows become frozen.
  // REQUIRES: no row is frozen.
  void Freeze(bool full);
  // What is still frozen is changed again.
  void Thaw();

  uint16_t* key_groups() const { return key_groups_; }
  int64_t used_bytes() const { return used_bytes_; }
  // Without pages that were given back and not taken again.
  int64_t owned_bytes() const {
    return used_bytes_ - static_cast<int64_t>(free_pages_.size()) * page_bytes();
  }

 private:
  size_t num_words() const { return owners_.size() * page_words(); }

  int64_t page_bytes() const {
    return static_cast<int64_t>(page_rows()) * row_bytes_ + page_rows() / 2;
  }

  uint32_t row_bytes_;
  uint32_t page_shift_;
  bool sparing_;
  uint8_t* base_;
  uint64_t* live_;
  uint64_t* changed_;
  uint64_t* frozen_;
  uint64_t* stored_;
  uint64_t* used_ = nullptr;  // these: null until KeepColdBits
  uint64_t* cold_ = nullptr;
  uint64_t* saved_ = nullptr;
  uint16_t* key_groups_ = nullptr;
  runtime::MemoryPool& pool_;
  VirtualRange rows_;
  VirtualRange bits_[4];
  VirtualRange cold_bits_[3];
  VirtualRange groups_;
  std::vector<uint32_t> owners_;      // by page
  std::vector<uint32_t> free_pages_;  // given back
  int64_t used_bytes_ = 0;
};

}  // namespace millrace::state
