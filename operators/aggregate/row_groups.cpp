#include "operators/aggregate/row_groups.h"

#include <algorithm>
#include <bit>

#include "operators/aggregate/aggregate_function.h"

namespace millrace::operators {

void RowGroups::Begin(int64_t rows) {
  const uint32_t slots = std::bit_ceil(static_cast<uint32_t>(2 * rows));  // at most half full
  mask_ = slots - 1;
  slots_.assign(slots, Slot{0, 0});
  if (groups_.size() < static_cast<size_t>(rows)) groups_.resize(static_cast<size_t>(rows));
  size_ = rows_ = 0;
}

void RowGroups::Add(uint8_t* const* state_rows, int32_t count, const uint8_t* actions) {
  hashes_.resize(static_cast<size_t>(count));
  for (int32_t i = 0; i < count; ++i) {
    const uint64_t hash = reinterpret_cast<uint64_t>(state_rows[i]) * 0x9E3779B97F4A7C15u;
    hashes_[static_cast<size_t>(i)] = hash;
    __builtin_prefetch(&slots_[static_cast<uint32_t>(hash >> 20) & mask_], 1);
  }
  Group* const groups = groups_.data();
  Slot* const slots = slots_.data();
  for (int32_t i = 0; i < count; ++i, ++rows_) {
    uint8_t* const row = state_rows[i];
    const uint64_t hash = hashes_[static_cast<size_t>(i)];
    const auto tag = static_cast<uint32_t>(hash >> 32);
    uint32_t at = static_cast<uint32_t>(hash >> 20) & mask_;
    while (slots[at].group != 0 &&
           (slots[at].tag != tag || groups[slots[at].group - 1].state_row != row)) {
      at = (at + 1) & mask_;
    }
    const uint8_t action = actions == nullptr ? uint8_t{kPlain} : actions[i];
    if (slots[at].group == 0) {
      const bool existed = (action & (kFirst | kIgnore)) == 0;
      groups[size_] = {row, existed ? rows_ : ~rows_, existed ? rows_ : ~rows_};
      slots[at] = {tag, ++size_};
    }
    if ((action & kIgnore) != 0) continue;
    groups[slots[at].group - 1].last_row = (action & kLast) == 0 ? rows_ : ~rows_;
  }
}

}  // namespace millrace::operators
