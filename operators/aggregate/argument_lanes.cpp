#include "operators/aggregate/argument_lanes.h"

#include <cstring>

namespace millrace::operators {

using runtime::Encoding;
using runtime::Vector;

namespace {

template <typename T>
void Gather(const RowRange& rows, const Vector& column, char* to) {
  auto* values = reinterpret_cast<T*>(to);
  const T* from = column.values<T>();
  for (int32_t i = 0; i < rows.count; ++i) {
    const int32_t at = column.PositionOf(rows.PhysicalRow(i));
    std::memcpy(values + i, from + at, sizeof(T));
  }
}

struct Bytes16 {
  uint64_t low, high;
};

}  // namespace

void MaskNulls(const RowRange& rows, const Vector& column, uint8_t* use) {
  if (!column.may_have_nulls()) return;
  const uint64_t* validity = column.validity();
  if (column.encoding() != Encoding::kConstant && rows.batch->selection() == nullptr) {
    for (int32_t i = 0; i < rows.count; ++i) {
      const int32_t row = rows.begin + i;
      use[i] &= static_cast<uint8_t>((validity[row >> 6] >> (row & 63)) & 1);
    }
    return;
  }
  for (int32_t i = 0; i < rows.count; ++i) {
    use[i] &= static_cast<uint8_t>(!column.IsNull(rows.PhysicalRow(i)));
  }
}

void MaskFilter(const RowRange& rows, const Vector& column, uint8_t* use) {
  for (int32_t i = 0; i < rows.count; ++i) {
    use[i] &= static_cast<uint8_t>(column.At<uint8_t>(rows.PhysicalRow(i)) != 0);
  }
  MaskNulls(rows, column, use);
}

const void* LaneReader::ReadValues(const RowRange& rows, const Vector& column) {
  const size_t width = runtime::WidthOf(column.physical());
  if (column.encoding() == Encoding::kFlat && rows.batch->selection() == nullptr) {
    return column.raw_values() + width * static_cast<size_t>(rows.begin);
  }
  // One value more than asked for keeps data() of an empty range valid.
  values_.resize((static_cast<size_t>(rows.count) + 1) * width + 16);
  // 16-byte values need their alignment.
  char* to = values_.data();
  to += (16 - reinterpret_cast<uintptr_t>(to) % 16) % 16;
  switch (width) {
    case 1:
      Gather<uint8_t>(rows, column, to);
      break;
    case 2:
      Gather<uint16_t>(rows, column, to);
      break;
    case 4:
      Gather<uint32_t>(rows, column, to);
      break;
    case 8:
      Gather<uint64_t>(rows, column, to);
      break;
    case 16:
      Gather<Bytes16>(rows, column, to);
      break;
    default:
      CHECK_THAT_HOLDS(false);
  }
  return to;
}

const uint8_t* LaneReader::ReadValidity(const RowRange& rows, const Vector& column) {
  if (!column.may_have_nulls()) return nullptr;
  use_.assign(static_cast<size_t>(rows.count) + 1, 1);
  MaskNulls(rows, column, use_.data());
  return use_.data();
}

Lanes LaneReader::Read(const RowRange& rows, int column, int filter) {
  Lanes lanes;
  if (column >= 0) lanes.values = ReadValues(rows, rows.batch->column(column));
  const bool nulls = column >= 0 && rows.batch->column(column).may_have_nulls();
  if (filter < 0 && !nulls) return lanes;
  use_.assign(static_cast<size_t>(rows.count) + 1, 1);
  if (filter >= 0) MaskFilter(rows, rows.batch->column(filter), use_.data());
  if (nulls) MaskNulls(rows, rows.batch->column(column), use_.data());
  lanes.use = use_.data();
  return lanes;
}

}  // namespace millrace::operators
