#include "operators/aggregate/value_column.h"

#include <cstring>

#include "operators/aggregate/function_kernels.h"

namespace millrace::operators {

using runtime::Encoding;
using runtime::LogicalType;
using runtime::PhysicalType;
using runtime::TimestampNanos;
using runtime::Vector;
using runtime::VectorBuilder;

namespace {

constexpr uint32_t kChunkBytes = 64 * 1024;

// Calls `work` with a value of this physical type.
template <typename Work>
auto WithType(PhysicalType physical, Work work) {
  switch (physical) {
    case PhysicalType::kBool:
    case PhysicalType::kInt8:
      return work(int8_t());
    case PhysicalType::kInt16:
      return work(int16_t());
    case PhysicalType::kInt32:
      return work(int32_t());
    case PhysicalType::kInt64:
      return work(int64_t());
    case PhysicalType::kInt128:
      return work(Int128());
    case PhysicalType::kFloat:
      return work(float());
    case PhysicalType::kDouble:
      return work(double());
    case PhysicalType::kString:
      return work(StringRef());
    case PhysicalType::kTimestamp:
      return work(TimestampNanos());
    default:
      CHECK_THAT_HOLDS(false);
  }
}

template <typename T>
bool SameBits(const T& a, const T& b) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::memcmp(&a, &b, sizeof(T)) == 0;
  } else {
    return a == b;
  }
}

}  // namespace

void OperatorArena::Clear() {
  if (chunks_.size() > 1) chunks_.resize(1);
  next_ = chunks_.empty() ? nullptr : chunks_[0].get();
  left_bytes_ = chunks_.empty() ? 0 : kChunkBytes;
  dead_bytes_ = 0;
}

void OperatorArena::Refill(uint32_t bytes) {
  const uint32_t size = bytes > kChunkBytes ? bytes : kChunkBytes;
  // Clear keeps the first chunk, which so must have the usual size.
  if (chunks_.empty() && size != kChunkBytes) {
    chunks_.push_back(std::make_unique<char[]>(kChunkBytes));
  }
  chunks_.push_back(std::make_unique<char[]>(size));
  next_ = chunks_.back().get();
  left_bytes_ = size;
}

ValueColumn::ValueColumn(const LogicalType& type, OperatorArena* arena)
    : physical_(type.physical()), width_(runtime::WidthOf(physical_)), arena_(arena) {}

void ValueColumn::Resize(int32_t size) {
  const size_t blocks = (static_cast<size_t>(size) * width_ + 15) / 16;
  if (blocks > values_.size()) values_.resize(blocks * 2);
  if (static_cast<size_t>(size) > nulls_.size()) nulls_.resize(static_cast<size_t>(size) * 2, 0);
}

void ValueColumn::Set(const Vector& from, const int32_t* rows, const int32_t* to, int32_t count,
                      const uint8_t* only) {
  any_nulls_ |= from.may_have_nulls();
  WithType(physical_, [&](auto type) {
    using T = decltype(type);
    T* values = this->values<T>();
    if constexpr (!std::is_same_v<T, StringRef>) {
      if (!any_nulls_ && from.encoding() == Encoding::kFlat && rows != nullptr) {
        const T* source = from.values<T>();
        if (only == nullptr) {
          for (int32_t i = 0; i < count; ++i) values[to[i]] = source[rows[i]];
        } else {
          for (int32_t i = 0; i < count; ++i) {
            values[to[i]] = only[i] != 0 ? source[rows[i]] : values[to[i]];
          }
        }
        return;
      }
    }
    for (int32_t i = 0; i < count; ++i) {
      if (only != nullptr && only[i] == 0) continue;
      const int32_t row = rows == nullptr ? i : rows[i];
      const bool is_null = from.IsNull(row);
      nulls_[static_cast<size_t>(to[i])] = is_null;
      T value = is_null ? T() : from.At<T>(row);
      if constexpr (std::is_same_v<T, StringRef>) value = arena_->Copy(value);
      values[to[i]] = value;
    }
  });
}

void ValueColumn::Compare(const Vector& with, const int32_t* rows, const int32_t* ids,
                          int32_t count, uint8_t* same) const {
  WithType(physical_, [&](auto type) {
    using T = decltype(type);
    const T* values = this->values<T>();
    if (!any_nulls_ && !with.may_have_nulls() && with.encoding() == Encoding::kFlat) {
      const T* wanted = with.values<T>();
      for (int32_t i = 0; i < count; ++i) {
        if (same[i] == 0) continue;
        same[i] = SameBits(values[ids[i]], wanted[rows == nullptr ? i : rows[i]]);
      }
      return;
    }
    for (int32_t i = 0; i < count; ++i) {
      if (same[i] != 0) same[i] = IsSame(with, rows == nullptr ? i : rows[i], ids[i]);
    }
  });
}

bool ValueColumn::IsSame(const Vector& with, int32_t row, int32_t id) const {
  const bool is_null = with.IsNull(row);
  if ((nulls_[static_cast<size_t>(id)] != 0) != is_null) return false;
  if (is_null) return true;
  return WithType(physical_, [&](auto type) {
    using T = decltype(type);
    return SameBits(this->values<T>()[id], with.At<T>(row));
  });
}

void ValueColumn::MarkChanges(const ValueColumn& other, int32_t first, int32_t count,
                              uint8_t* changed) const {
  WithType(physical_, [&](auto type) {
    using T = decltype(type);
    const T* mine = values<T>() + first;
    const T* others = other.values<T>() + first;
    if (!any_nulls_ && !other.any_nulls_) {
      for (int32_t i = 0; i < count; ++i) changed[i] |= !(mine[i] == others[i]);
      return;
    }
    for (int32_t i = 0; i < count; ++i) {
      const auto at = static_cast<size_t>(first + i);
      changed[i] |= nulls_[at] != other.nulls_[at] || (nulls_[at] == 0 && !(mine[i] == others[i]));
    }
  });
}

void ValueColumn::AppendTo(const int32_t* ids, int32_t count, const ValueColumn* other,
                           const uint8_t* from_other, VectorBuilder* out) const {
  out->Reserve(count);
  const bool nulls = any_nulls_ || (other != nullptr && other->any_nulls_);
  uint8_t* valid = nulls ? ScratchBytes(count) : nullptr;
  const uint8_t* null_bytes[2] = {nulls_.data(), other == nullptr ? nullptr : other->nulls_.data()};
  WithType(physical_, [&](auto type) {
    using T = decltype(type);
    const T* sources[2] = {values<T>(), other == nullptr ? nullptr : other->values<T>()};
    T* to = out->tail<T>();
    for (int32_t i = 0; i < count; ++i) {
      const int which = from_other == nullptr ? 0 : from_other[i];
      to[i] = CopyOut(sources[which][ids[i]], out);
      if (nulls) valid[i] = null_bytes[which][ids[i]] == 0;
    }
  });
  if (nulls) MarkNullBytes(out, out->length(), valid, count);
  out->Advance(count);
}

}  // namespace millrace::operators
