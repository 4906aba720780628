#include "operators/aggregate/result_changes.h"

#include "runtime/types/value_types.h"

namespace millrace::operators {

using runtime::PhysicalType;
using runtime::Vector;

namespace {

template <typename T>
void MarkOf(const Vector& both, int32_t count, uint8_t* changed) {
  const T* values = both.values<T>();
  if (!both.may_have_nulls()) {
    for (int32_t i = 0; i < count; ++i) changed[i] |= !(values[2 * i] == values[2 * i + 1]);
    return;
  }
  for (int32_t i = 0; i < count; ++i) {
    const bool null_before = both.IsNull(2 * i);
    const bool null_after = both.IsNull(2 * i + 1);
    changed[i] |=
        null_before != null_after || (!null_before && !(values[2 * i] == values[2 * i + 1]));
  }
}

}  // namespace

void MarkChanges(const Vector& both, int32_t count, uint8_t* changed) {
  switch (both.physical()) {
    case PhysicalType::kBool:
    case PhysicalType::kInt8:
      return MarkOf<int8_t>(both, count, changed);
    case PhysicalType::kInt16:
      return MarkOf<int16_t>(both, count, changed);
    case PhysicalType::kInt32:
      return MarkOf<int32_t>(both, count, changed);
    case PhysicalType::kInt64:
      return MarkOf<int64_t>(both, count, changed);
    case PhysicalType::kInt128:
      return MarkOf<runtime::Int128>(both, count, changed);
    case PhysicalType::kFloat:
      return MarkOf<float>(both, count, changed);
    case PhysicalType::kDouble:
      return MarkOf<double>(both, count, changed);
    case PhysicalType::kString:
      return MarkOf<runtime::StringRef>(both, count, changed);
    case PhysicalType::kTimestamp:
      return MarkOf<runtime::TimestampNanos>(both, count, changed);
    default:
      CHECK_THAT_HOLDS(false);
  }
}

}  // namespace millrace::operators
