#include "operators/aggregate/aggregate_function.h"

#include <vector>

#include "operators/aggregate/function_families.h"
#include "operators/aggregate/function_kernels.h"

namespace millrace::operators {

using runtime::LogicalType;
using runtime::PhysicalType;
using runtime::Result;
using runtime::RowLayout;
using runtime::Status;

namespace {

template <typename T>
void AppendSlots(const FieldSlot& slot, const uint8_t* const* rows, int32_t count,
                 runtime::VectorBuilder* out) {
  out->Reserve(count);
  T* to = out->tail<T>();
  uint8_t* valid = ScratchBytes(count);
  for (int32_t i = 0; i < count; ++i) {
    valid[i] = !slot.IsNull(rows[i]);
    to[i] = valid[i] != 0 ? CopyOut(slot.Load<T>(rows[i]), out) : T();
  }
  MarkNullBytes(out, out->length(), valid, count);
  out->Advance(count);
}

}  // namespace

void MarkNullBytes(runtime::VectorBuilder* out, int32_t begin, const uint8_t* valid,
                   int32_t count) {
  for (int32_t done = 0; done < count; done += 64) {
    const int32_t step = count - done < 64 ? count - done : 64;
    uint64_t bits = 0;
    int32_t i = 0;
    // Eight bytes of 0 or 1 become eight bits by one multiplication.
    for (; i + 8 <= step; i += 8) {
      uint64_t bytes;
      std::memcpy(&bytes, valid + done + i, 8);
      bits |= ((bytes * 0x0102040810204080u) >> 56) << i;
    }
    for (; i < step; ++i) bits |= static_cast<uint64_t>(valid[done + i]) << i;
    out->MarkNulls(begin + done, &bits, step);
  }
}

uint8_t* ScratchBytes(int32_t count) {
  thread_local std::vector<uint8_t> bytes;
  if (bytes.size() < static_cast<size_t>(count) + 8) bytes.resize(static_cast<size_t>(count) + 8);
  return bytes.data();
}

void AppendField(const RowLayout& layout, int field, const uint8_t* const* rows, int32_t count,
                 runtime::VectorBuilder* out) {
  const FieldSlot slot(layout, field);
  switch (layout.slots()[static_cast<size_t>(field)].physical) {
    case PhysicalType::kBool:
    case PhysicalType::kInt8:
      return AppendSlots<int8_t>(slot, rows, count, out);
    case PhysicalType::kInt16:
      return AppendSlots<int16_t>(slot, rows, count, out);
    case PhysicalType::kInt32:
      return AppendSlots<int32_t>(slot, rows, count, out);
    case PhysicalType::kInt64:
      return AppendSlots<int64_t>(slot, rows, count, out);
    case PhysicalType::kInt128:
      return AppendSlots<Int128>(slot, rows, count, out);
    case PhysicalType::kFloat:
      return AppendSlots<float>(slot, rows, count, out);
    case PhysicalType::kDouble:
      return AppendSlots<double>(slot, rows, count, out);
    case PhysicalType::kString:
      return AppendSlots<StringRef>(slot, rows, count, out);
    case PhysicalType::kTimestamp:
      return AppendSlots<runtime::TimestampNanos>(slot, rows, count, out);
    default:
      CHECK_THAT_HOLDS(false);
  }
}

Result<std::unique_ptr<AggregateFunction>> MakeAggregateFunction(const AggregateCall& call,
                                                                 const LogicalType& argument) {
  std::unique_ptr<AggregateFunction> function;
  switch (call.kind) {
    case AggregateKind::kCount:
      function = MakeCount();
      break;
    case AggregateKind::kSum:
    case AggregateKind::kSum0:
      function = MakeSum(call, argument);
      break;
    case AggregateKind::kAvg:
      function = MakeAvg(call, argument);
      break;
    case AggregateKind::kMin:
    case AggregateKind::kMax:
      function =
          call.retracts ? MakeRetractableExtreme(call, argument) : MakeExtreme(call, argument);
      break;
  }
  if (function == nullptr) {
    static constexpr const char* kNames[] = {"COUNT", "SUM", "$SUM0", "AVG", "MIN", "MAX"};
    return Status::User("aggregate is not supported for these types: " +
                        std::string(kNames[static_cast<int>(call.kind)]) + "(" +
                        argument.ToString() + ") giving " + call.type.ToString());
  }
  return function;
}

}  // namespace millrace::operators
