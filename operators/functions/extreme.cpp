#pragma GCC optimize("O3")

#include "operators/functions/dense.h"
#include "operators/functions/function_table.h"

// GREATEST and LEAST: NULL if any operand is.

namespace millrace::operators {
namespace {

using runtime::Encoding;
using runtime::Int128;
using runtime::LogicalType;
using runtime::PhysicalType;
using runtime::Result;
using runtime::StringRef;
using runtime::VectorPtr;

template <typename T>
bool Below(const T& a, const T& b) {
  if constexpr (std::is_same_v<T, StringRef>)
    return a.Compare(b) < 0;
  else
    return a < b;
}

template <typename T, bool kGreatest>
class ExtremeKernel final : public Kernel {
 public:
  explicit ExtremeKernel(PhysicalType type) : type_(type) {}
  Result<VectorPtr> Evaluate(const EvaluationContext& context, const RowSet& rows,
                             std::span<const VectorPtr> arguments) override {
    auto vector = MakeFlat(*context.pool, type_, RowSet::All(rows.length),
                           CombineValidity(*context.pool, arguments, rows.length));
    T* __restrict to = MutableValues<T>(*vector);
    for (size_t i = 0; i < arguments.size(); ++i) {
      const T* __restrict from = arguments[i]->values<T>();
      const int32_t step = arguments[i]->encoding() == Encoding::kConstant ? 0 : 1;
      if (i == 0) {
        for (int32_t row = 0; row < rows.length; ++row) to[row] = from[row * step];
      } else {
        for (int32_t row = 0; row < rows.length; ++row) {
          const T& value = from[row * step];
          const bool take = kGreatest ? Below(to[row], value) : Below(value, to[row]);
          if (take) to[row] = value;
        }
      }
      if (type_ == PhysicalType::kString) vector->AddHeapsOf(*arguments[i]);
    }
    return VectorPtr(std::move(vector));
  }

 private:
  PhysicalType type_;
};

template <bool kGreatest>
std::unique_ptr<Kernel> Make(PhysicalType type) {
  switch (type) {
    case PhysicalType::kBool:
      return std::make_unique<ExtremeKernel<uint8_t, kGreatest>>(type);
    case PhysicalType::kInt8:
      return std::make_unique<ExtremeKernel<int8_t, kGreatest>>(type);
    case PhysicalType::kInt16:
      return std::make_unique<ExtremeKernel<int16_t, kGreatest>>(type);
    case PhysicalType::kInt32:
      return std::make_unique<ExtremeKernel<int32_t, kGreatest>>(type);
    case PhysicalType::kInt64:
      return std::make_unique<ExtremeKernel<int64_t, kGreatest>>(type);
    case PhysicalType::kInt128:
      return std::make_unique<ExtremeKernel<Int128, kGreatest>>(type);
    case PhysicalType::kFloat:
      return std::make_unique<ExtremeKernel<float, kGreatest>>(type);
    case PhysicalType::kDouble:
      return std::make_unique<ExtremeKernel<double, kGreatest>>(type);
    case PhysicalType::kString:
      return std::make_unique<ExtremeKernel<StringRef, kGreatest>>(type);
    case PhysicalType::kTimestamp:
      return std::make_unique<ExtremeKernel<runtime::TimestampNanos, kGreatest>>(type);
    default:
      return nullptr;
  }
}

template <bool kGreatest>
Result<BoundCall> BindExtreme(const CallShape& call) {
  BoundCall bound;
  if (call.operands.empty()) return bound;
  for (const OperandShape& operand : call.operands) {
    const bool texts = operand.type.is_string() && call.type.is_string();
    bound.operand_types.push_back(texts ? LogicalType() : call.type.AsNullable());
  }
  bound.kernel = Make<kGreatest>(call.type.physical());
  bound.costly = call.type.physical() == PhysicalType::kString;
  return bound;
}

constexpr FunctionEntry kEntries[] = {
    {"GREATEST", "(T, ...) -> T", BindExtreme<true>},
    {"LEAST", "(T, ...) -> T", BindExtreme<false>},
};

}  // namespace

std::span<const FunctionEntry> ExtremeFunctions() { return kEntries; }

}  // namespace millrace::operators
