#include "runtime/types/key_identity.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace millrace::runtime {

namespace {

inline uint32_t MixK(uint32_t k) {
  k *= 0xcc9e2d51u;
  k = std::rotl(k, 15);
  return k * 0x1b873593u;
}
inline uint32_t MixH(uint32_t h, uint32_t k) {
  h ^= MixK(k);
  h = std::rotl(h, 13);
  return h * 5 + 0xe6546b64u;
}
inline uint32_t FinalMix(uint32_t h) {
  h ^= h >> 16;
  h *= 0x85ebca6bu;
  h ^= h >> 13;
  h *= 0xc2b2ae35u;
  return h ^ (h >> 16);
}
inline uint32_t MurmurOf(uint32_t code) {
  code = MixK(code);
  code = std::rotl(code, 13);
  code = code * 5 + 0xe6546b64u;
  code ^= 4;
  code = FinalMix(code);
  // Java: abs, with abs(MIN_VALUE) as 0.
  const auto as_signed = static_cast<int32_t>(code);
  const uint32_t positive = as_signed < 0 ? 0u - code : code;
  return positive == 0x80000000u ? 0 : positive;
}

constexpr uint32_t kSeed = 42;
constexpr int kHeaderBits = 8;  // the row kind comes first

inline void SetNullBit(char* row, int field) {
  const int bit = field + kHeaderBits;
  row[bit >> 3] = static_cast<char>(row[bit >> 3] | (1 << (bit & 7)));
}

template <typename T>
void Put(char* to, T value) {
  std::memcpy(to, &value, sizeof(T));
}
template <typename T>
T Get(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

// Fixed keys of one column: the row is {header word, 0, low, high}.
template <typename T>
uint64_t FixedBits(T value) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}

template <typename T>
void FixedKeyGroups(const Vector& column, const int32_t* rows, int32_t count, uint32_t modulus,
                    uint16_t* groups) {
  // Null: header bit 8 is set, value 0.
  const uint32_t start = MixH(MixH(kSeed, 0), 0);
  const T* __restrict values = column.values<T>();
  uint16_t* __restrict to = groups;
  const bool power_of_two = std::has_single_bit(modulus);
  constexpr int32_t kStep = 256;
  uint32_t hashes[kStep];
  for (int32_t done = 0; done < count; done += kStep) {
    const int32_t step = std::min(kStep, count - done);
    if (rows == nullptr && column.encoding() == Encoding::kFlat) {
      for (int32_t i = 0; i < step; ++i) {
        const uint64_t bits = FixedBits(values[done + i]);
        uint32_t h = MixH(start, static_cast<uint32_t>(bits));
        h = MixH(h, static_cast<uint32_t>(bits >> 32));
        hashes[i] = MurmurOf(FinalMix(h ^ 16));
      }
    } else {
      for (int32_t i = 0; i < step; ++i) {
        const int32_t row = rows == nullptr ? done + i : rows[done + i];
        const uint64_t bits = FixedBits(values[column.PositionOf(row)]);
        uint32_t h = MixH(start, static_cast<uint32_t>(bits));
        h = MixH(h, static_cast<uint32_t>(bits >> 32));
        hashes[i] = MurmurOf(FinalMix(h ^ 16));
      }
    }
    if (power_of_two) {
      for (int32_t i = 0; i < step; ++i) to[done + i] = static_cast<uint16_t>(hashes[i] & (modulus - 1));
    } else {
      for (int32_t i = 0; i < step; ++i) to[done + i] = static_cast<uint16_t>(hashes[i] % modulus);
    }
  }
  if (!column.may_have_nulls()) return;
  uint32_t h = MixH(MixH(MixH(MixH(kSeed, 1u << kHeaderBits), 0), 0), 0);
  const auto null_group = static_cast<uint16_t>(MurmurOf(FinalMix(h ^ 16)) % modulus);
  for (int32_t i = 0; i < count; ++i) {
    if (column.IsNull(rows == nullptr ? i : rows[i])) groups[i] = null_group;
  }
}

void AppendVariable(std::string* to, size_t start, size_t slot, const char* bytes, size_t size) {
  const size_t cursor = to->size() - start;
  to->append(bytes, size);
  to->append((8 - size % 8) % 8, '\0');
  Put<uint64_t>(to->data() + start + slot, static_cast<uint64_t>(cursor) << 32 | size);
}

// The unscaled value as Java's BigInteger.toByteArray: big-endian, shortest two's complement.
size_t BigEndianBytes(Int128 value, char* to) {
  char all[16];
  auto bits = static_cast<unsigned __int128>(value);
  for (int i = 15; i >= 0; --i) {
    all[i] = static_cast<char>(bits & 0xff);
    bits >>= 8;
  }
  int skip = 0;
  while (skip < 15 && ((all[skip] == 0 && (all[skip + 1] & 0x80) == 0) ||
                       (all[skip] == static_cast<char>(0xff) && (all[skip + 1] & 0x80) != 0))) {
    ++skip;
  }
  std::memcpy(to, all + skip, static_cast<size_t>(16 - skip));
  return static_cast<size_t>(16 - skip);
}

// TIMESTAMP(4 .. 6) lies as microseconds here, as milliseconds and nanoseconds in Flink.
TimestampNanos FromMicros(int64_t micros) {
  const int64_t ms = micros >= 0 ? micros / 1000 : -((-micros + 999) / 1000);
  return {ms, static_cast<int32_t>(micros - ms * 1000) * 1000};
}

}  // namespace

int32_t FlinkMurmur(int32_t hash) {
  return static_cast<int32_t>(MurmurOf(static_cast<uint32_t>(hash)));
}

int32_t HashByWords(const char* data, size_t bytes) {
  uint32_t h = kSeed;
  for (size_t i = 0; i < bytes; i += 4) h = MixH(h, Get<uint32_t>(data + i));
  return static_cast<int32_t>(FinalMix(h ^ static_cast<uint32_t>(bytes)));
}

int DefaultMaxParallelism(int parallelism) {
  const auto wanted = std::bit_ceil(static_cast<uint32_t>(parallelism + parallelism / 2));
  return static_cast<int>(std::min(std::max(wanted, 128u), 32768u));
}

KeyGroupRange KeyGroupsOf(int subtask, int parallelism, int max_parallelism) {
  return {(subtask * max_parallelism + parallelism - 1) / parallelism,
          ((subtask + 1) * max_parallelism - 1) / parallelism};
}

KeyEncoder::KeyEncoder(std::vector<LogicalType> types) : types_(std::move(types)) {
  for (const LogicalType& type : types_) CHECK_THAT_HOLDS(type.physical() < PhysicalType::kArray);
  null_bytes_ = static_cast<uint32_t>((types_.size() + 63 + kHeaderBits) / 64 * 8);
  fixed_bytes_ = null_bytes_ + static_cast<uint32_t>(types_.size()) * 8;
}

void KeyEncoder::Encode(std::span<const Vector* const> columns, int32_t physical_row,
                        std::string* to) const {
  const size_t start = to->size();
  to->append(fixed_bytes_, '\0');
  for (size_t i = 0; i < types_.size(); ++i) {
    const Vector& column = *columns[i];
    const size_t slot = null_bytes_ + i * 8;
    const bool is_null = column.IsNull(physical_row);
    if (is_null) SetNullBit(to->data() + start, static_cast<int>(i));
    const int32_t at = column.PositionOf(physical_row);
    switch (types_[i].physical()) {
      case PhysicalType::kBool:
      case PhysicalType::kInt8:
        if (!is_null) Put(to->data() + start + slot, column.values<int8_t>()[at]);
        break;
      case PhysicalType::kInt16:
        if (!is_null) Put(to->data() + start + slot, column.values<int16_t>()[at]);
        break;
      case PhysicalType::kInt32:
      case PhysicalType::kFloat:
        if (!is_null) Put(to->data() + start + slot, column.values<int32_t>()[at]);
        break;
      case PhysicalType::kDouble:
        if (!is_null) Put(to->data() + start + slot, column.values<int64_t>()[at]);
        break;
      case PhysicalType::kInt64:
        if (types_[i].is_timestamp() && types_[i].precision() > 3) {
          const TimestampNanos time =
              is_null ? TimestampNanos{} : FromMicros(column.values<int64_t>()[at]);
          AppendVariable(to, start, slot, reinterpret_cast<const char*>(&time.ms), 8);
          Put(to->data() + start + slot, static_cast<uint32_t>(time.nanos));
        } else if (!is_null) {
          Put(to->data() + start + slot, column.values<int64_t>()[at]);
        }
        break;
      case PhysicalType::kTimestamp: {
        const TimestampNanos time =
            is_null ? TimestampNanos{} : column.values<TimestampNanos>()[at];
        AppendVariable(to, start, slot, reinterpret_cast<const char*>(&time.ms), 8);
        Put(to->data() + start + slot, static_cast<uint32_t>(time.nanos));
        break;
      }
      case PhysicalType::kInt128: {
        char bytes[16] = {};
        const size_t size = is_null ? 0 : BigEndianBytes(column.values<Int128>()[at], bytes);
        AppendVariable(to, start, slot, bytes, 16);
        Put(to->data() + start + slot, static_cast<uint32_t>(size));
        break;
      }
      case PhysicalType::kString: {
        if (is_null) break;
        const StringRef& text = column.values<StringRef>()[at];
        if (text.size() <= 7) {
          char packed[8] = {};
          std::memcpy(packed, text.data(), text.size());
          packed[7] = static_cast<char>(0x80 | text.size());
          std::memcpy(to->data() + start + slot, packed, 8);
        } else {
          AppendVariable(to, start, slot, text.data(), text.size());
        }
        break;
      }
      default: CHECK_THAT_HOLDS(false);
    }
  }
}

int32_t KeyEncoder::HashCode(std::span<const Vector* const> columns, int32_t physical_row) const {
  scratch_.clear();
  Encode(columns, physical_row, &scratch_);
  return HashByWords(scratch_.data(), scratch_.size());
}

void KeyEncoder::KeyGroups(std::span<const Vector* const> columns, const int32_t* rows,
                           int32_t count, int max_parallelism, uint16_t* groups) const {
  const auto modulus = static_cast<uint32_t>(max_parallelism);
  if (types_.size() == 1) {
    const Vector& column = *columns[0];
    switch (types_[0].physical()) {
      case PhysicalType::kBool:
      case PhysicalType::kInt8:
        return FixedKeyGroups<uint8_t>(column, rows, count, modulus, groups);
      case PhysicalType::kInt16:
        return FixedKeyGroups<uint16_t>(column, rows, count, modulus, groups);
      case PhysicalType::kInt32:
      case PhysicalType::kFloat:
        return FixedKeyGroups<uint32_t>(column, rows, count, modulus, groups);
      case PhysicalType::kDouble:
        return FixedKeyGroups<uint64_t>(column, rows, count, modulus, groups);
      case PhysicalType::kInt64:
        if (types_[0].is_timestamp() && types_[0].precision() > 3) break;
        return FixedKeyGroups<uint64_t>(column, rows, count, modulus, groups);
      default: break;
    }
  }
  for (int32_t i = 0; i < count; ++i) {
    const int32_t row = rows == nullptr ? i : rows[i];
    groups[i] = static_cast<uint16_t>(
        MurmurOf(static_cast<uint32_t>(HashCode(columns, row))) % modulus);
  }
}

void KeyEncoder::Decode(std::string_view bytes, std::span<VectorBuilder* const> columns) const {
  for (size_t i = 0; i < types_.size(); ++i) {
    VectorBuilder& to = *columns[i];
    const int bit = static_cast<int>(i) + kHeaderBits;
    if ((bytes[static_cast<size_t>(bit >> 3)] >> (bit & 7)) & 1) {
      to.AppendNull();
      continue;
    }
    const char* slot = bytes.data() + null_bytes_ + i * 8;
    const auto low = Get<uint32_t>(slot);
    const auto high = Get<uint32_t>(slot + 4);
    switch (types_[i].physical()) {
      case PhysicalType::kBool:
      case PhysicalType::kInt8: to.Append(Get<int8_t>(slot)); break;
      case PhysicalType::kInt16: to.Append(Get<int16_t>(slot)); break;
      case PhysicalType::kInt32:
      case PhysicalType::kFloat: to.Append(Get<int32_t>(slot)); break;
      case PhysicalType::kDouble: to.Append(Get<int64_t>(slot)); break;
      case PhysicalType::kInt64:
        if (types_[i].is_timestamp() && types_[i].precision() > 3) {
          to.Append<int64_t>(Get<int64_t>(bytes.data() + high) * 1000 + low / 1000);
        } else {
          to.Append(Get<int64_t>(slot));
        }
        break;
      case PhysicalType::kTimestamp:
        to.Append(TimestampNanos{Get<int64_t>(bytes.data() + high), static_cast<int32_t>(low)});
        break;
      case PhysicalType::kInt128: {
        const char* at = bytes.data() + high;
        Int128 value = static_cast<int8_t>(at[0]);
        for (uint32_t b = 1; b < low; ++b) value = value * 256 + static_cast<uint8_t>(at[b]);
        to.Append(value);
        break;
      }
      case PhysicalType::kString: {
        const auto mark = static_cast<uint8_t>(slot[7]);
        if (mark & 0x80) {
          to.AppendString({slot, static_cast<size_t>(mark & 0x7f)});
        } else {
          to.AppendString({bytes.data() + high, low});
        }
        break;
      }
      default: CHECK_THAT_HOLDS(false);
    }
  }
}

}  // namespace millrace::runtime
