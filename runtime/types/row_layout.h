#pragma once

#include <cstdint>
#include <vector>

#include "runtime/types/logical_type.h"
#include "runtime/types/value_types.h"

namespace millrace::runtime {

// Lays the fields of a state row out in fixed slots: first the null bits (1: NULL; bit i % 8 of
// byte i / 8, one for each field), then the fields by falling width, each aligned to its width up to 8.
// INT128 slots are aligned to 8 only: read and write them by memcpy.
// Strings are StringRefs whose long bytes lie in the arena of the row's table. Nested types are
// not laid out: a state that needs them stores their serialised form as VARBINARY.
class RowLayout {
 public:
  struct Slot {
    LogicalType type;
    PhysicalType physical;
    uint32_t offset;
  };

  RowLayout() = default;
  // REQUIRES: no ARRAY, MAP, MULTISET or ROW among the types.
  explicit RowLayout(const RowType& fields);

  const std::vector<Slot>& slots() const { return slots_; }
  // A multiple of 8. A new row is all zero: numbers 0, strings empty, nothing NULL.
  uint32_t size_bytes() const { return size_bytes_; }
  uint32_t OffsetOf(int field) const { return slots_[field].offset; }
  bool has_strings() const { return has_strings_; }

  // 16-byte fields lie at multiples of 8 only, where a plain load may fault: use these for them.
  template <typename T>
  static T Load(const uint8_t* row, uint32_t offset) {
    T value;
    __builtin_memcpy(&value, row + offset, sizeof(T));
    return value;
  }
  template <typename T>
  static void Store(uint8_t* row, uint32_t offset, const T& value) {
    __builtin_memcpy(row + offset, &value, sizeof(T));
  }

  static bool IsNull(const uint8_t* row, int field) {
    return (row[field >> 3] >> (field & 7)) & 1;
  }
  static void SetNull(uint8_t* row, int field, bool is_null) {
    const auto bit = static_cast<uint8_t>(1u << (field & 7));
    row[field >> 3] = static_cast<uint8_t>(is_null ? row[field >> 3] | bit : row[field >> 3] & ~bit);
  }

 private:
  std::vector<Slot> slots_;
  uint32_t size_bytes_ = 0;
  bool has_strings_ = false;
};

}  // namespace millrace::runtime
