#include "operators/aggregate/row_groups.h"

#include <algorithm>
#include <bit>

#include "operators/aggregate/aggregate_function.h"

namespace millrace::operators {

void RowGroups::Begin(int64_t rows) {
  // At most three quarters full.
  const uint32_t slots = std::bit_ceil(static_cast<uint32_t>(rows + rows / 3 + 8));
  mask_ = slots - 1;
  slots_.assign(slots, Slot{0, 0});
  groups_.clear();
  groups_.reserve(static_cast<size_t>(rows));
  rows_ = 0;
}

void RowGroups::Add(uint8_t* const* state_rows, int32_t count, const uint8_t* actions) {
  for (int32_t i = 0; i < count; ++i, ++rows_) {
    uint8_t* const row = state_rows[i];
    const uint64_t hash = reinterpret_cast<uint64_t>(row) * 0x9E3779B97F4A7C15u;
    const auto tag = static_cast<uint32_t>(hash >> 32);
    uint32_t at = static_cast<uint32_t>(hash >> 20) & mask_;
    while (slots_[at].group != 0 &&
           (slots_[at].tag != tag ||
            groups_[static_cast<size_t>(slots_[at].group - 1)].state_row != row)) {
      at = (at + 1) & mask_;
    }
    const uint8_t action = actions == nullptr ? uint8_t{kPlain} : actions[i];
    if (slots_[at].group == 0) {
      const bool existed = (action & (kFirst | kIgnore)) == 0;
      groups_.push_back({row, rows_, rows_, existed, existed});
      slots_[at] = {tag, static_cast<int32_t>(groups_.size())};
    }
    Group& group = groups_[static_cast<size_t>(slots_[at].group - 1)];
    if ((action & kIgnore) != 0) continue;
    group.last = rows_;
    group.exists = (action & kLast) == 0;
  }
}

}  // namespace millrace::operators
