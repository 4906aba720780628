// The inner loop of keyed state: keys of a batch to rows.

#include <algorithm>
#include <cstring>

#include "runtime/types/check.h"
#include "state/hot_table.h"

namespace millrace::state {

using runtime::Access;
using runtime::KeyNames;

runtime::Result<runtime::Readiness> HotTable::Resolve(const KeyNames& names, Access access,
                                                      uint8_t** rows) {
  CHECK_THAT_HOLDS(names.columns.size() == spec().key_types.size());
  pinned_ = true;
  return tiered_ ? ResolveTiered(names, access, rows) : ResolveHot(names, access, rows);
}

runtime::Result<runtime::Readiness> HotTable::ResolveHot(const KeyNames& names, Access access,
                                                         uint8_t** rows) {
  for (int32_t begin = 0; begin < names.count; begin += kStepRows) {
    const int32_t count = std::min(kStepRows, names.count - begin);
    const int32_t* step_rows = names.rows == nullptr ? nullptr : names.rows + begin;
    if (step_rows == nullptr && begin > 0) {
      for (int32_t i = 0; i < count; ++i) step_->rows[i] = begin + i;
      step_rows = step_->rows;
    }
    key_.Encode(names.columns, step_rows, count, step_->images.data(), step_->tags);
    NameOwners(names, step_rows, begin, count, access);
    ResolveStep(count, access, rows + begin);
  }
  return runtime::Readiness::kReady;
}

void HotTable::NameKeyGroups(const KeyNames& names, const int32_t* rows, int32_t count) {
  uint16_t* groups = step_->key_groups;
  if (names.key_groups == nullptr) {
    const size_t columns = group_encoder_.types().size();
    group_encoder_.KeyGroups(names.columns.first(columns), rows, count,
                             surroundings_.max_parallelism, groups);
  } else if (rows == nullptr) {
    std::memcpy(groups, names.key_groups, static_cast<size_t>(count) * sizeof(uint16_t));
  } else {
    for (int32_t i = 0; i < count; ++i) groups[i] = names.key_groups[rows[i]];
  }
  const auto first = static_cast<uint16_t>(surroundings_.key_groups.first);
  uint16_t most = 0;
  for (int32_t i = 0; i < count; ++i) {
    most = std::max(most, static_cast<uint16_t>(groups[i] - first));
  }
  // A key of another subtask's key group: the exchange and the table disagree.
  CHECK_THAT_HOLDS(most <= surroundings_.key_groups.last - surroundings_.key_groups.first);
  groups_named_ = true;
}

void HotTable::NameOwners(const KeyNames& names, const int32_t* rows, int32_t begin,
                          int32_t count, Access access) {
  uint32_t* owners = step_->owners;
  groups_named_ = false;
  step_names_ = &names;
  step_rows_ = rows;
  step_count_ = count;
  if (!sliced()) {
    NameKeyGroups(names, rows, count);
    const auto first = static_cast<uint32_t>(surroundings_.key_groups.first);
    for (int32_t i = 0; i < count; ++i) owners[i] = step_->key_groups[i] - first;
    return;
  }
  CHECK_THAT_HOLDS(names.slices != nullptr);
  const int64_t* slices = names.slices + begin;
  const bool make = access == Access::kUpsert;
  int64_t slice = slices[0];
  uint32_t owner = OwnerForSlice(slice, make);
  for (int32_t i = 0; i < count; ++i) {
    if (slices[i] != slice) {
      slice = slices[i];
      owner = OwnerForSlice(slice, make);
    }
    owners[i] = owner;
  }
}

runtime::Result<runtime::Readiness> HotTable::ResolveEnds(const KeyNames& names, End end,
                                                          uint8_t** rows) {
  CHECK_THAT_HOLDS(order_ != nullptr &&
                   names.columns.size() + static_cast<size_t>(spec().sort_columns) ==
                       key_.columns().size());
  pinned_ = true;
  for (int32_t begin = 0; begin < names.count; begin += kStepRows) {
    const int32_t count = std::min(kStepRows, names.count - begin);
    const int32_t* step_rows = names.rows == nullptr ? nullptr : names.rows + begin;
    if (step_rows == nullptr && begin > 0) {
      for (int32_t i = 0; i < count; ++i) step_->rows[i] = begin + i;
      step_rows = step_->rows;
    }
    key_.EncodeFirst(names.columns, step_rows, count, step_->images.data());
    NameOwners(names, step_rows, begin, count, Access::kRead);
    for (int32_t i = 0; i < count; ++i) {
      const char* image = step_->images.data() + static_cast<size_t>(i) * key_.size_bytes();
      const uint32_t id = order_->EndOf(step_->owners[i], image, end == End::kLast);
      uint8_t* row = id == 0 ? nullptr : pages_.RowAt(id) + value_offset_;
      if (row != nullptr && expires() && IsExpired(RowOf(row))) {
        row = Neighbour(row, end == End::kFirst ? End::kLast : End::kFirst);
      }
      rows[begin + i] = row;
    }
  }
  return runtime::Readiness::kReady;
}

uint8_t* HotTable::Neighbour(uint8_t* row, End towards) {
  uint32_t id = pages_.IdOf(RowOf(row));
  const uint32_t owner = pages_.OwnerOf(pages_.PageOf(id));
  do {
    id = order_->Neighbour(owner, id, towards == End::kLast);
  } while (id != 0 && expires() && IsExpired(pages_.RowAt(id)));
  return id == 0 ? nullptr : pages_.RowAt(id) + value_offset_;
}

uint32_t HotTable::ResolveSlowly(int32_t i, bool upsert) {
  const char* image = step_->images.data() + static_cast<size_t>(i) * key_.size_bytes();
  const uint32_t owner = step_->owners[i];
  const uint32_t tag = step_->tags[i];
  const uint32_t found = FindRow(owner, tag, image);
  if (tiered_) {
    step_->candidates[i] = 0;  // NoteUse is told here
    if (found != 0 && upsert) RowPages::Clear(pages_.saved(), found);
    if (found == 0 && owners_[owner].evicted > 0 && !loading_) return ResolveCold(i, upsert);
  }
  if (found != 0 || !upsert) return found;
  if (!groups_named_) NameKeyGroups(*step_names_, step_rows_, step_count_);
  return InsertRow(owner, step_->key_groups[i], tag, image);
}

template <KeyImage::Shape shape, Access access, bool may_miss>
void HotTable::ResolveShaped(int32_t count, uint8_t** rows) {
  // Stage by stage over blocks of rows, each a block ahead of the next, so that the cache misses of a
  // block overlap: home entry of the index; candidate row by tag; (string bytes;) compare and finish.
  constexpr bool upsert = access == Access::kUpsert;
  constexpr int kWrites = access == Access::kRead ? 0 : 1;
  constexpr bool kString = shape == KeyImage::Shape::kString;
  constexpr int32_t kStages = kString ? 4 : 3;
  const RowIndex* directory = directory_.data();
  const uint32_t* owners = step_->owners;
  const uint32_t* tags = step_->tags;
  uint32_t* candidates = step_->candidates;
  const char* images = step_->images.data();
  const size_t image_bytes = shape == KeyImage::Shape::kWord       ? 8
                             : shape == KeyImage::Shape::kTwoWords ? 16
                                                                   : key_.size_bytes();
  uint8_t* const base = pages_.base();
  const size_t row_bytes = row_bytes_;
  const uint32_t value_offset = value_offset_;
  const bool two_lines = row_bytes > 64 || 64 % row_bytes != 0;
  uint64_t* const changed = pages_.changed();
  const bool sweeping = sweep_.running;
  const bool expiring = expires();
  const int64_t now_ms = surroundings_.now_ms;

  for (int32_t begin = 0; begin < count + (kStages - 1) * kBlock; begin += kBlock) {
    for (int32_t i = begin, end = std::min(begin + kBlock, count); i < end; ++i) {
      const RowIndex& index = directory[owners[i]];
      __builtin_prefetch(index.slots + (tags[i] & index.mask));
    }
    const int32_t walk = begin - kBlock;
    for (int32_t i = std::max(walk, 0), end = std::min(begin, count); i < end; ++i) {
      const uint32_t id = directory[owners[i]].FirstByTag(tags[i]);
      candidates[i] = id;
      const uint8_t* row = base + id * row_bytes;
      __builtin_prefetch(row, kWrites);
      if (two_lines) __builtin_prefetch(row + row_bytes - 1, kWrites);
    }
    if constexpr (kString) {
      const int32_t text = walk - kBlock;
      for (int32_t i = std::max(text, 0), end = std::min(walk, count); i < end; ++i) {
        if (candidates[i] == 0) continue;
        const auto& ref =
            *reinterpret_cast<const runtime::StringRef*>(base + candidates[i] * row_bytes);
        if (!ref.is_inline()) {
          __builtin_prefetch(ref.data());
          __builtin_prefetch(ref.data() + ref.size() - 1);
        }
      }
    }
    const int32_t last = begin - (kStages - 1) * kBlock;
    for (int32_t i = std::max(last, 0), end = std::min(last + kBlock, count); i < end; ++i) {
      uint32_t id = candidates[i];
      uint8_t* row = base + id * row_bytes;
      const char* image = images + static_cast<size_t>(i) * image_bytes;
      if (__builtin_expect(
              id == 0 || !SameKey<shape>(key_, reinterpret_cast<const char*>(row), image), 0)) {
        id = ResolveSlowly(i, upsert);
        if ((!upsert || may_miss) && id == 0) {
          rows[i] = nullptr;
          continue;
        }
        directory = directory_.data();
        row = base + id * row_bytes;
      }
      if constexpr (upsert) {
        if (sweeping) {
          Touch(id, row);
        } else {
          changed[id >> 6] |= 1ull << (id & 63);
        }
        if (expiring) {
          if (IsExpired(row)) Renew(row);
          *WrittenAt(row) = now_ms;
        }
      } else if (expiring && IsExpired(row)) {
        rows[i] = nullptr;
        continue;
      }
      rows[i] = row + value_offset;
    }
  }
}

void HotTable::ResolveStep(int32_t count, Access access, uint8_t** rows) {
  const auto shaped = [&]<KeyImage::Shape shape>() {
    switch (access) {
      case Access::kRead: return ResolveShaped<shape, Access::kRead, true>(count, rows);
      case Access::kUpdate: return ResolveShaped<shape, Access::kUpdate, true>(count, rows);
      case Access::kUpsert:
        return tiered_ ? ResolveShaped<shape, Access::kUpsert, true>(count, rows)
                       : ResolveShaped<shape, Access::kUpsert, false>(count, rows);
    }
  };
  switch (key_.shape()) {
    case KeyImage::Shape::kWord: shaped.operator()<KeyImage::Shape::kWord>(); break;
    case KeyImage::Shape::kTwoWords: shaped.operator()<KeyImage::Shape::kTwoWords>(); break;
    case KeyImage::Shape::kString: shaped.operator()<KeyImage::Shape::kString>(); break;
    case KeyImage::Shape::kMixed: shaped.operator()<KeyImage::Shape::kMixed>(); break;
  }
  if (tiered_) NoteUse(count, access);
}

}  // namespace millrace::state
