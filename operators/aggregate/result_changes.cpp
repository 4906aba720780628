#include "operators/aggregate/result_changes.h"

#include "runtime/types/value_types.h"

namespace millrace::operators {

using runtime::PhysicalType;
using runtime::Vector;

namespace {

template <typename T, typename Before, typename After>
void MarkOf(const Vector& results, Before before, After after, int32_t count, uint8_t* changed) {
  const T* values = results.values<T>();
  if (!results.may_have_nulls()) {
    for (int32_t i = 0; i < count; ++i) changed[i] |= !(values[before(i)] == values[after(i)]);
    return;
  }
  for (int32_t i = 0; i < count; ++i) {
    const bool null_before = results.IsNull(before(i));
    const bool null_after = results.IsNull(after(i));
    changed[i] |=
        null_before != null_after || (!null_before && !(values[before(i)] == values[after(i)]));
  }
}

template <typename Before, typename After>
void Mark(const Vector& results, Before before, After after, int32_t count, uint8_t* changed) {
  switch (results.physical()) {
    case PhysicalType::kBool:
    case PhysicalType::kInt8:
      return MarkOf<int8_t>(results, before, after, count, changed);
    case PhysicalType::kInt16:
      return MarkOf<int16_t>(results, before, after, count, changed);
    case PhysicalType::kInt32:
      return MarkOf<int32_t>(results, before, after, count, changed);
    case PhysicalType::kInt64:
      return MarkOf<int64_t>(results, before, after, count, changed);
    case PhysicalType::kInt128:
      return MarkOf<runtime::Int128>(results, before, after, count, changed);
    case PhysicalType::kFloat:
      return MarkOf<float>(results, before, after, count, changed);
    case PhysicalType::kDouble:
      return MarkOf<double>(results, before, after, count, changed);
    case PhysicalType::kString:
      return MarkOf<runtime::StringRef>(results, before, after, count, changed);
    case PhysicalType::kTimestamp:
      return MarkOf<runtime::TimestampNanos>(results, before, after, count, changed);
    default:
      CHECK_THAT_HOLDS(false);
  }
}

}  // namespace

void MarkChanges(const Vector& both, int32_t count, uint8_t* changed) {
  Mark(
      both, [](int32_t i) { return 2 * i; }, [](int32_t i) { return 2 * i + 1; }, count, changed);
}

void MarkChanges(const Vector& results, const int32_t* before, const int32_t* after, int32_t count,
                 uint8_t* changed) {
  Mark(
      results, [&](int32_t i) { return before[i]; }, [&](int32_t i) { return after[i]; }, count,
      changed);
}

}  // namespace millrace::operators
