#include "state/row_pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/types/check.h"

namespace millrace::state {
namespace {

constexpr uint32_t kPageBytes = 32 * 1024;

uint32_t PageShiftFor(uint32_t row_bytes) {
  const uint32_t rows = std::clamp(std::bit_floor(kPageBytes / row_bytes), 64u, 1024u);
  return static_cast<uint32_t>(std::countr_zero(rows));
}

}  // namespace

RowPages::RowPages(uint32_t row_bytes, bool with_key_groups, bool sparing,
                   runtime::MemoryPool& pool)
    : row_bytes_(row_bytes), page_shift_(PageShiftFor(row_bytes)), sparing_(sparing), pool_(pool) {
  const size_t most_rows = std::min<size_t>(VirtualRange::DefaultBytes() / row_bytes, UINT32_MAX);
  rows_ = VirtualRange(most_rows * row_bytes);
  if (sparing) rows_.SetSparing();
  base_ = reinterpret_cast<uint8_t*>(rows_.data());
  for (VirtualRange& bits : bits_) {
    bits = VirtualRange(most_rows / 8 + 1);
    if (sparing) bits.SetSparing();
  }
  live_ = reinterpret_cast<uint64_t*>(bits_[0].data());
  changed_ = reinterpret_cast<uint64_t*>(bits_[1].data());
  frozen_ = reinterpret_cast<uint64_t*>(bits_[2].data());
  stored_ = reinterpret_cast<uint64_t*>(bits_[3].data());
  if (with_key_groups) {
    groups_ = VirtualRange(most_rows * 2);
    if (sparing) groups_.SetSparing();
    key_groups_ = reinterpret_cast<uint16_t*>(groups_.data());
  }
}

RowPages::~RowPages() { pool_.Charge(-used_bytes_); }

uint32_t RowPages::TakePage(uint32_t owner) {
  if (!free_pages_.empty()) {
    const uint32_t page = free_pages_.back();
    free_pages_.pop_back();
    owners_[page] = owner;
    return page;
  }
  const auto page = static_cast<uint32_t>(owners_.size());
  const size_t rows = (static_cast<size_t>(page) + 1) << page_shift_;
  // A table of 2^32 rows, or one as large as the machine's memory: no way to go on.
  CHECK_THAT_HOLDS(rows < UINT32_MAX && rows_.CommitAhead(rows * row_bytes_));
  for (VirtualRange& bits : bits_) CHECK_THAT_HOLDS(bits.Commit(rows / 8));
  if (used_ != nullptr) {
    for (VirtualRange& bits : cold_bits_) CHECK_THAT_HOLDS(bits.Commit(rows / 8));
  }
  if (key_groups_ != nullptr) CHECK_THAT_HOLDS(groups_.Commit(rows * 2));
  owners_.push_back(owner);
  used_bytes_ += page_bytes();
  pool_.Charge(page_bytes());
  return page;
}

void RowPages::KeepColdBits() {
  if (used_ != nullptr) return;
  for (VirtualRange& bits : cold_bits_) {
    bits = VirtualRange(bits_[0].reserved_bytes());
    if (sparing_) bits.SetSparing();
    CHECK_THAT_HOLDS(bits.Commit(num_words() * 8));
  }
  used_ = reinterpret_cast<uint64_t*>(cold_bits_[0].data());
  cold_ = reinterpret_cast<uint64_t*>(cold_bits_[1].data());
  saved_ = reinterpret_cast<uint64_t*>(cold_bits_[2].data());
}

void RowPages::ReleasePage(uint32_t page) {
  constexpr uintptr_t kSystemPage = 4096;
  const auto begin = reinterpret_cast<uintptr_t>(RowAt(FirstOf(page)));
  const auto end = reinterpret_cast<uintptr_t>(RowAt(FirstOf(page) + page_rows()));
  const uintptr_t from = (begin + kSystemPage - 1) / kSystemPage * kSystemPage;
  const uintptr_t to = end / kSystemPage * kSystemPage;
  if (from < to) ::madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
}

void RowPages::GivePage(uint32_t page) {
  const size_t word = FirstOf(page) / 64;
  const size_t bytes = page_words() * 8;
  std::memset(live_ + word, 0, bytes);
  std::memset(changed_ + word, 0, bytes);
  std::memset(stored_ + word, 0, bytes);
  if (used_ != nullptr) {
    std::memset(used_ + word, 0, bytes);
    std::memset(cold_ + word, 0, bytes);
    std::memset(saved_ + word, 0, bytes);
  }
  owners_[page] = kNoOwner;
  free_pages_.push_back(page);
}

void RowPages::Freeze(bool full) {
  std::swap(changed_, frozen_);  // the new `changed` is all 0: every frozen row was copied
  if (full) std::memcpy(frozen_, live_, num_words() * 8);
}

void RowPages::Thaw() {
  const size_t words = num_words();
  for (size_t i = 0; i < words; ++i) {
    changed_[i] |= frozen_[i];
    frozen_[i] = 0;
  }
}

}  // namespace millrace::state
