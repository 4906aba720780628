#include "operators/aggregate/key_set.h"

#include <algorithm>
#include <cstring>

namespace millrace::operators {

using runtime::Encoding;
using runtime::LogicalType;
using runtime::PhysicalType;
using runtime::StringRef;
using runtime::Vector;

namespace {

constexpr uint64_t kMultiplier = 0x9e3779b97f4a7c15u;
constexpr uint64_t kNullHash = 0xa5a5a5a5deadbeefu;
constexpr size_t kFirstIndexSize = 1024;
constexpr uint64_t kTagBits = 0xffffffff00000000u;

uint64_t Mix(uint64_t hash, uint64_t value) {
  const auto product = static_cast<unsigned __int128>(hash ^ value) * kMultiplier;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t HashValue(uint64_t hash, const StringRef& text) {
  const char* at = text.data();
  uint32_t size = text.size();
  hash = Mix(hash, size + 0x51ed2701u);
  for (; size >= 8; at += 8, size -= 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    hash = Mix(hash, word);
  }
  uint64_t word = 0;
  std::memcpy(&word, at, size);
  return Mix(hash, word ^ 0x1234567u);
}
uint64_t HashValue(uint64_t hash, const runtime::TimestampNanos& value) {
  return Mix(Mix(hash, static_cast<uint64_t>(value.ms)), static_cast<uint64_t>(value.nanos));
}
uint64_t HashValue(uint64_t hash, const unsigned __int128& value) {
  return Mix(Mix(hash, static_cast<uint64_t>(value)),
             static_cast<uint64_t>(value >> 64) + kNullHash);
}
uint64_t HashValue(uint64_t hash, const uint64_t& value) { return Mix(hash, value + 0x2545f491u); }
uint64_t HashValue(uint64_t hash, const uint32_t& value) {
  return HashValue(hash, uint64_t{value});
}
uint64_t HashValue(uint64_t hash, const uint16_t& value) {
  return HashValue(hash, uint64_t{value});
}
uint64_t HashValue(uint64_t hash, const uint8_t& value) { return HashValue(hash, uint64_t{value}); }

// Mixes a column into the hashes of rows.
template <typename T>
void HashColumn(const Vector& column, const int32_t* rows, int32_t count, uint64_t* hashes) {
  if (column.encoding() == Encoding::kFlat && !column.may_have_nulls()) {
    const T* values = column.values<T>();
    if (rows == nullptr) {
      for (int32_t i = 0; i < count; ++i) hashes[i] = HashValue(hashes[i], values[i]);
    } else {
      for (int32_t i = 0; i < count; ++i) hashes[i] = HashValue(hashes[i], values[rows[i]]);
    }
    return;
  }
  for (int32_t i = 0; i < count; ++i) {
    const int32_t row = rows == nullptr ? i : rows[i];
    hashes[i] =
        column.IsNull(row) ? Mix(hashes[i], kNullHash) : HashValue(hashes[i], column.At<T>(row));
  }
}

}  // namespace

KeySet::KeySet(const std::vector<LogicalType>& types)
    : arena_(std::make_unique<OperatorArena>()),
      index_(kFirstIndexSize, 0),
      mask_(kFirstIndexSize - 1) {
  for (const LogicalType& type : types) columns_.emplace_back(type, arena_.get());
}

void KeySet::Hash(std::span<const Vector* const> columns, const int32_t* rows, int32_t count,
                  const int64_t* beside) {
  wanted_.resize(static_cast<size_t>(count));
  uint64_t* hashes = wanted_.data();
  for (int32_t i = 0; i < count; ++i) {
    hashes[i] =
        beside == nullptr ? kMultiplier : Mix(kMultiplier, static_cast<uint64_t>(beside[i]));
  }
  for (const Vector* column : columns) {
    switch (column->physical()) {
      case PhysicalType::kBool:
      case PhysicalType::kInt8:
        HashColumn<uint8_t>(*column, rows, count, hashes);
        break;
      case PhysicalType::kInt16:
        HashColumn<uint16_t>(*column, rows, count, hashes);
        break;
      case PhysicalType::kInt32:
      case PhysicalType::kFloat:
        HashColumn<uint32_t>(*column, rows, count, hashes);
        break;
      case PhysicalType::kInt64:
      case PhysicalType::kDouble:
        HashColumn<uint64_t>(*column, rows, count, hashes);
        break;
      case PhysicalType::kInt128:
        HashColumn<unsigned __int128>(*column, rows, count, hashes);
        break;
      case PhysicalType::kString:
        HashColumn<StringRef>(*column, rows, count, hashes);
        break;
      case PhysicalType::kTimestamp:
        HashColumn<runtime::TimestampNanos>(*column, rows, count, hashes);
        break;
      default:
        CHECK_THAT_HOLDS(false);
    }
  }
}

bool KeySet::IsSame(std::span<const Vector* const> columns, int32_t physical, int64_t beside,
                    int32_t id) const {
  if (beside_[static_cast<size_t>(id)] != beside) return false;
  for (size_t c = 0; c < columns.size(); ++c) {
    if (!columns_[c].IsSame(*columns[c], physical, id)) return false;
  }
  return true;
}

void KeySet::Grow() {
  index_.assign(index_.size() * 2, 0);
  mask_ = index_.size() - 1;
  for (int32_t id = 0; id < size(); ++id) {
    const uint64_t hash = hashes_[static_cast<size_t>(id)];
    uint64_t at = hash & mask_;
    while (index_[at] != 0) at = (at + 1) & mask_;
    index_[at] = (hash & kTagBits) | static_cast<uint32_t>(id + 1);
  }
}

void KeySet::FindOrAdd(std::span<const Vector* const> columns, const int32_t* rows, int32_t count,
                       const int64_t* beside, int32_t* ids) {
  CHECK_THAT_HOLDS(columns.size() == columns_.size());
  while ((static_cast<size_t>(size()) + static_cast<size_t>(count)) * 2 > index_.size()) Grow();
  Hash(columns, rows, count, beside);
  same_.resize(static_cast<size_t>(count));
  new_rows_.clear();
  new_ids_.clear();
  constexpr int32_t kAhead = 16;
  for (int32_t i = 0; i < count && i < kAhead; ++i) {
    __builtin_prefetch(&index_[wanted_[static_cast<size_t>(i)] & mask_]);
  }
  // An empty place is that of a new key; one with the same tag is nearly always the key's own.
  for (int32_t i = 0; i < count; ++i) {
    const auto at = static_cast<size_t>(i);
    if (i + kAhead < count) __builtin_prefetch(&index_[wanted_[at + kAhead] & mask_]);
    const uint64_t hash = wanted_[at];
    uint64_t slot = hash & mask_;
    while (index_[slot] != 0 && ((index_[slot] ^ hash) & kTagBits) != 0) slot = (slot + 1) & mask_;
    same_[at] = index_[slot] != 0;
    if (same_[at] != 0) {
      ids[i] = static_cast<int32_t>(index_[slot] & ~kTagBits) - 1;
      continue;
    }
    ids[i] = size();
    hashes_.push_back(hash);
    beside_.push_back(beside == nullptr ? 0 : beside[i]);
    index_[slot] = (hash & kTagBits) | static_cast<uint32_t>(ids[i] + 1);
    new_rows_.push_back(rows == nullptr ? i : rows[i]);
    new_ids_.push_back(ids[i]);
  }
  const auto add = [&] {
    for (size_t c = 0; c < columns.size(); ++c) {
      columns_[c].Resize(size());
      columns_[c].Set(*columns[c], new_rows_.data(), new_ids_.data(),
                      static_cast<int32_t>(new_ids_.size()), nullptr);
    }
    new_rows_.clear();
    new_ids_.clear();
  };
  const bool all_new = new_ids_.size() == static_cast<size_t>(count);
  add();
  if (all_new) return;
  std::vector<uint8_t>& same = same_;
  // Nothing to compare where the key was just added.
  std::vector<uint8_t> found(same.begin(), same.end());
  for (int32_t i = 0; i < count && beside != nullptr; ++i) {
    const auto at = static_cast<size_t>(i);
    if (found[at] != 0) same[at] = beside_[static_cast<size_t>(ids[i])] == beside[i];
  }
  for (size_t c = 0; c < columns.size(); ++c) {
    columns_[c].Compare(*columns[c], rows, ids, count, same.data());
  }
  for (int32_t i = 0; i < count; ++i) {
    const auto at = static_cast<size_t>(i);
    if (found[at] == same[at]) continue;
    // Another key with the same tag.
    const uint64_t hash = wanted_[at];
    const int32_t physical = rows == nullptr ? i : rows[i];
    const int64_t number = beside == nullptr ? 0 : beside[i];
    uint64_t slot = hash & mask_;
    ids[i] = -1;
    for (; index_[slot] != 0; slot = (slot + 1) & mask_) {
      const int32_t id = static_cast<int32_t>(index_[slot] & ~kTagBits) - 1;
      if (((index_[slot] ^ hash) & kTagBits) == 0 && IsSame(columns, physical, number, id)) {
        ids[i] = id;
        break;
      }
    }
    if (ids[i] >= 0) continue;
    ids[i] = size();
    hashes_.push_back(hash);
    beside_.push_back(number);
    index_[slot] = (hash & kTagBits) | static_cast<uint32_t>(ids[i] + 1);
    new_rows_.push_back(physical);
    new_ids_.push_back(ids[i]);
    add();
  }
}

void KeySet::AppendKeys(std::span<const int32_t> ids,
                        std::span<runtime::VectorBuilder* const> columns) const {
  for (size_t c = 0; c < columns.size(); ++c) {
    columns_[c].AppendTo(ids.data(), static_cast<int32_t>(ids.size()), nullptr, nullptr,
                         columns[c]);
  }
}

void KeySet::Clear() {
  hashes_.clear();
  beside_.clear();
  std::fill(index_.begin(), index_.end(), 0);
  arena_->Clear();
}

}  // namespace millrace::operators
