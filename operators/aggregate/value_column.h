#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/api/state.h"
#include "runtime/types/vector.h"

namespace millrace::operators {

// Holds strings in the operator's own memory. Clear keeps some of it.
class OperatorArena : public runtime::StateArena {
 public:
  void Clear();

 private:
  void Refill(uint32_t bytes) override;
  std::vector<std::unique_ptr<char[]>> chunks_;
};

// Holds values of one type by number, in the operator's own memory. Not thread-safe.
class ValueColumn {
 public:
  // `arena` holds the strings; outlives it.
  ValueColumn(const runtime::LogicalType& type, OperatorArena* arena);

  // Makes room for numbers below `size`; new values are undefined.
  void Resize(int32_t size);
  // Sets value to[i] to that of row rows[i], for i in 0 .. count - 1, in order; where `only` is
  // given, if only[i] is 1. rows null: 0 .. count - 1.
  void Set(const runtime::Vector& from, const int32_t* rows, const int32_t* to, int32_t count,
           const uint8_t* only);
  // Clears same[i] where value ids[i] has other bits than row rows[i]; only those with same[i] == 1
  // are looked at.
  void Compare(const runtime::Vector& with, const int32_t* rows, const int32_t* ids, int32_t count,
               uint8_t* same) const;
  bool IsSame(const runtime::Vector& with, int32_t row, int32_t id) const;
  // Sets changed[i] where value first + i differs from that of `other`, as MarkChanges sees it.
  void MarkChanges(const ValueColumn& other, int32_t first, int32_t count, uint8_t* changed) const;
  // Appends values ids[i], of `other` where from_other[i] is 1 (null: nowhere).
  void AppendTo(const int32_t* ids, int32_t count, const ValueColumn* other,
                const uint8_t* from_other, runtime::VectorBuilder* out) const;

 private:
  template <typename T>
  const T* values() const {
    return reinterpret_cast<const T*>(values_.data());
  }
  template <typename T>
  T* values() {
    return reinterpret_cast<T*>(values_.data());
  }

  struct alignas(16) Block {
    char bytes[16];
  };
  runtime::PhysicalType physical_;
  size_t width_;
  OperatorArena* arena_;
  std::vector<Block> values_;
  std::vector<uint8_t> nulls_;
  bool any_nulls_ = false;  // ever since it was made
};

}  // namespace millrace::operators
