#include "operators/aggregate/group_table.h"

#include <cstring>

#include "operators/aggregate/aggregate_function.h"

namespace millrace::operators {

using runtime::LogicalType;
using runtime::PhysicalType;
using runtime::RowLayout;
using runtime::RowType;
using runtime::StringRef;
using runtime::Vector;

namespace {

constexpr uint64_t kMultiplier = 0x9e3779b97f4a7c15u;
constexpr uint64_t kNullHash = 0xa5a5a5a5deadbeefu;
constexpr size_t kFirstIndexSize = 1024;

uint64_t Mix(uint64_t hash, uint64_t value) {
  const auto product = static_cast<unsigned __int128>(hash ^ value) * kMultiplier;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t HashBytes(uint64_t hash, const char* at, uint32_t size) {
  hash = Mix(hash, size + 0x51ed2701u);
  while (size >= 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    hash = Mix(hash, word);
    at += 8;
    size -= 8;
  }
  uint64_t word = 0;
  std::memcpy(&word, at, size);
  return Mix(hash, word ^ 0x1234567u);
}

template <typename T>
uint64_t HashValue(uint64_t hash, const T& value) {
  if constexpr (std::is_same_v<T, StringRef>) {
    return HashBytes(hash, value.data(), value.size());
  } else if constexpr (sizeof(T) == 16) {
    uint64_t words[2];
    std::memcpy(words, &value, 16);
    return Mix(Mix(hash, words[0]), words[1] + kNullHash);
  } else {
    uint64_t word = 0;
    std::memcpy(&word, &value, sizeof(T));
    return Mix(hash, word + 0x2545f491u);
  }
}

template <typename T>
bool SameBits(const T& a, const T& b) {
  if constexpr (std::is_same_v<T, StringRef>) {
    return a == b;
  } else {
    return std::memcmp(&a, &b, sizeof(T)) == 0;
  }
}

struct Bits128 {
  uint64_t low, high;
};

// Calls `work` with a value of the type that has this physical type's bits.
template <typename Work>
auto WithType(PhysicalType physical, Work work) {
  switch (physical) {
    case PhysicalType::kBool:
    case PhysicalType::kInt8: return work(uint8_t());
    case PhysicalType::kInt16: return work(uint16_t());
    case PhysicalType::kInt32:
    case PhysicalType::kFloat: return work(uint32_t());
    case PhysicalType::kInt64:
    case PhysicalType::kDouble: return work(uint64_t());
    case PhysicalType::kInt128: return work(Bits128());
    case PhysicalType::kString: return work(StringRef());
    case PhysicalType::kTimestamp: return work(runtime::TimestampNanos());
    default: CHECK_THAT_HOLDS(false);
  }
}

// TimestampNanos has padding: its bits are ms and nanos.
uint64_t HashValue(uint64_t hash, const runtime::TimestampNanos& value) {
  return Mix(Mix(hash, static_cast<uint64_t>(value.ms)), static_cast<uint64_t>(value.nanos));
}
bool SameBits(const runtime::TimestampNanos& a, const runtime::TimestampNanos& b) { return a == b; }

RowType Unnamed(const std::vector<LogicalType>& types) {
  RowType row;
  for (const LogicalType& type : types) row.push_back({"", type});
  return row;
}

}  // namespace

class GroupTable::Arena : public runtime::StateArena {
 public:
  void Clear() {
    if (chunks_.size() > 1) chunks_.resize(1);
    next_ = chunks_.empty() ? nullptr : chunks_[0].get();
    left_bytes_ = chunks_.empty() ? 0 : kChunkBytes;
    dead_bytes_ = 0;
  }

 private:
  static constexpr uint32_t kChunkBytes = 64 * 1024;
  void Refill(uint32_t bytes) override {
    const uint32_t size = bytes > kChunkBytes ? bytes : kChunkBytes;
    chunks_.push_back(std::make_unique<char[]>(size));
    next_ = chunks_.back().get();
    left_bytes_ = size;
    // The first chunk is kept by Clear, so it must have the usual size.
    if (chunks_.size() == 1 && size != kChunkBytes) {
      chunks_.insert(chunks_.begin(), std::make_unique<char[]>(kChunkBytes));
    }
  }
  std::vector<std::unique_ptr<char[]>> chunks_;
};

GroupTable::GroupTable(std::vector<LogicalType> key_types, const RowType& value)
    : key_types_(std::move(key_types)),
      value_layout_(value),
      key_layout_(Unnamed(key_types_)),
      key_at_(value_layout_.size_bytes()),
      stride_(key_at_ + key_layout_.size_bytes()),
      arena_(std::make_unique<Arena>()),
      index_(kFirstIndexSize, 0),
      mask_(kFirstIndexSize - 1) {}
GroupTable::~GroupTable() = default;
GroupTable::GroupTable(GroupTable&&) noexcept = default;

runtime::StateArena& GroupTable::arena() { return *arena_; }

void GroupTable::Hash(std::span<const Vector* const> columns, const int32_t* rows, int32_t count,
                      const int64_t* beside) {
  wanted_.resize(static_cast<size_t>(count));
  for (int32_t i = 0; i < count; ++i) {
    wanted_[static_cast<size_t>(i)] =
        beside == nullptr ? kMultiplier : HashValue(kMultiplier, beside[i]);
  }
  for (const Vector* vector : columns) {
    WithType(vector->physical(), [&](auto type) {
      using T = decltype(type);
      uint64_t* to = wanted_.data();
      if (vector->encoding() == runtime::Encoding::kFlat && !vector->may_have_nulls() &&
          rows == nullptr) {
        const T* values = vector->values<T>();
        for (int32_t i = 0; i < count; ++i) to[i] = HashValue(to[i], values[i]);
        return;
      }
      for (int32_t i = 0; i < count; ++i) {
        const int32_t row = rows == nullptr ? i : rows[i];
        to[i] = vector->IsNull(row) ? Mix(to[i], kNullHash) : HashValue(to[i], vector->At<T>(row));
      }
    });
  }
}

void GroupTable::CompareColumn(size_t column, const Vector& vector, const int32_t* rows,
                               int32_t count) {
  const auto field = static_cast<int>(column);
  const uint32_t offset = key_layout_.OffsetOf(field);
  WithType(vector.physical(), [&](auto type) {
    using T = decltype(type);
    for (int32_t i = 0; i < count; ++i) {
      const auto at = static_cast<size_t>(i);
      if (same_[at] == 0) continue;
      const int32_t physical = rows == nullptr ? i : rows[i];
      const uint8_t* key = row(candidate_[at]) + key_at_;
      const bool is_null = vector.IsNull(physical);
      same_[at] = RowLayout::IsNull(key, field) == is_null &&
                  (is_null || SameBits(RowLayout::Load<T>(key, offset), vector.At<T>(physical)));
    }
  });
}

bool GroupTable::SameKey(std::span<const Vector* const> columns, int32_t physical,
                         int32_t id) const {
  const uint8_t* key = row(id) + key_at_;
  for (size_t c = 0; c < columns.size(); ++c) {
    const auto field = static_cast<int>(c);
    const bool is_null = columns[c]->IsNull(physical);
    if (RowLayout::IsNull(key, field) != is_null) return false;
    if (is_null) continue;
    const bool same = WithType(columns[c]->physical(), [&](auto type) {
      using T = decltype(type);
      return SameBits(RowLayout::Load<T>(key, key_layout_.OffsetOf(field)),
                      columns[c]->At<T>(physical));
    });
    if (!same) return false;
  }
  return true;
}

int32_t GroupTable::Add(std::span<const Vector* const> columns, int32_t physical, uint64_t hash,
                        int64_t beside) {
  const int32_t id = size();
  if (static_cast<size_t>(id >> kPageBits) == pages_.size()) {
    pages_.push_back(std::make_unique<uint8_t[]>(stride_ << kPageBits));
  }
  hashes_.push_back(hash);
  beside_.push_back(beside);
  uint8_t* at = row(id);
  std::memset(at, 0, stride_);
  uint8_t* key = at + key_at_;
  for (size_t c = 0; c < columns.size(); ++c) {
    const auto field = static_cast<int>(c);
    if (columns[c]->IsNull(physical)) {
      RowLayout::SetNull(key, field, true);
      continue;
    }
    WithType(columns[c]->physical(), [&](auto type) {
      using T = decltype(type);
      T value = columns[c]->At<T>(physical);
      if constexpr (std::is_same_v<T, StringRef>) value = arena_->Copy(value);
      RowLayout::Store(key, key_layout_.OffsetOf(field), value);
    });
  }
  return id;
}

void GroupTable::Grow() {
  index_.assign(index_.size() * 2, 0);
  mask_ = index_.size() - 1;
  for (int32_t id = 0; id < size(); ++id) {
    const uint64_t hash = hashes_[static_cast<size_t>(id)];
    uint64_t at = hash & mask_;
    while (index_[at] != 0) at = (at + 1) & mask_;
    index_[at] = (hash & 0xffffffff00000000u) | static_cast<uint32_t>(id + 1);
  }
}

void GroupTable::FindOrAdd(std::span<const Vector* const> columns, const int32_t* rows,
                           int32_t count, const int64_t* beside, int32_t* ids) {
  CHECK_THAT_HOLDS(columns.size() == key_types_.size());
  while ((static_cast<size_t>(size()) + static_cast<size_t>(count)) * 2 > index_.size()) Grow();
  Hash(columns, rows, count, beside);
  candidate_.resize(static_cast<size_t>(count));
  same_.resize(static_cast<size_t>(count));
  constexpr int32_t kAhead = 16;
  for (int32_t i = 0; i < count && i < kAhead; ++i) {
    __builtin_prefetch(&index_[wanted_[static_cast<size_t>(i)] & mask_]);
  }
  // First the row whose hash has the same upper half, which is nearly always the one.
  for (int32_t i = 0; i < count; ++i) {
    const auto at = static_cast<size_t>(i);
    if (i + kAhead < count) __builtin_prefetch(&index_[wanted_[at + kAhead] & mask_]);
    const uint64_t hash = wanted_[at];
    uint64_t slot = hash & mask_;
    while (index_[slot] != 0 && (index_[slot] ^ hash) >> 32 != 0) slot = (slot + 1) & mask_;
    same_[at] = index_[slot] != 0;
    candidate_[at] = same_[at] != 0 ? static_cast<int32_t>(index_[slot] & 0xffffffffu) - 1 : 0;
    if (same_[at] != 0) __builtin_prefetch(row(candidate_[at]));
  }
  for (int32_t i = 0; i < count && beside != nullptr; ++i) {
    const auto at = static_cast<size_t>(i);
    same_[at] &= same_[at] != 0 && beside_[static_cast<size_t>(candidate_[at])] == beside[i];
  }
  for (size_t c = 0; c < columns.size(); ++c) CompareColumn(c, *columns[c], rows, count);
  for (int32_t i = 0; i < count; ++i) {
    const auto at = static_cast<size_t>(i);
    if (same_[at] != 0) {
      ids[i] = candidate_[at];
      continue;
    }
    // New, or the rare key whose hash shares its upper half with another's.
    const uint64_t hash = wanted_[at];
    const int32_t physical = rows == nullptr ? i : rows[i];
    const int64_t number = beside == nullptr ? 0 : beside[i];
    uint64_t slot = hash & mask_;
    int32_t found = -1;
    for (; index_[slot] != 0; slot = (slot + 1) & mask_) {
      if ((index_[slot] ^ hash) >> 32 != 0) continue;
      const int32_t id = static_cast<int32_t>(index_[slot] & 0xffffffffu) - 1;
      if (beside_[static_cast<size_t>(id)] == number && SameKey(columns, physical, id)) {
        found = id;
        break;
      }
    }
    if (found < 0) {
      found = Add(columns, physical, hash, number);
      index_[slot] = (hash & 0xffffffff00000000u) | static_cast<uint32_t>(found + 1);
    }
    ids[i] = found;
  }
}

void GroupTable::AppendKeys(std::span<const int32_t> ids,
                            std::span<runtime::VectorBuilder* const> columns) const {
  std::vector<const uint8_t*> keys(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) keys[i] = row(ids[i]) + key_at_;
  for (size_t c = 0; c < columns.size(); ++c) {
    AppendField(key_layout_, static_cast<int>(c), keys.data(), static_cast<int32_t>(ids.size()),
                columns[c]);
  }
}

void GroupTable::Clear() {
  hashes_.clear();
  beside_.clear();
  std::memset(index_.data(), 0, index_.size() * sizeof(uint64_t));
  arena_->Clear();
}

}  // namespace millrace::operators
