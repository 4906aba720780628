#include <cstring>

#include "operators/functions/dense.h"
#include "operators/functions/function_table.h"

// AND, OR, NOT and the tests of BOOLEANs and NULLs, three-valued.

namespace millrace::operators {
namespace {

using runtime::BufferPtr;
using runtime::Encoding;
using runtime::PhysicalType;
using runtime::Result;
using runtime::TypeKind;
using runtime::Vector;
using runtime::VectorPtr;

bool AllBoolean(const CallShape& call) {
  for (const OperandShape& operand : call.operands) {
    if (operand.type.kind() != TypeKind::kBoolean) return false;
  }
  return !call.operands.empty();
}

template <Control kControl>
Result<BoundCall> BindLogic(const CallShape& call) {
  BoundCall bound;
  if (AllBoolean(call)) bound.control = kControl;
  return bound;
}

struct Not {
  static uint8_t Apply(uint8_t value) { return value ^ 1; }
};

Result<BoundCall> BindNot(const CallShape& call) {
  BoundCall bound;
  if (call.operands.size() == 1 && AllBoolean(call)) {
    bound.kernel = std::make_unique<DenseUnary<Not, uint8_t, uint8_t>>(PhysicalType::kBool);
  }
  return bound;
}

// IS [NOT] NULL, IS [NOT] TRUE, IS [NOT] FALSE: the bits of a vector, maybe inverted, as BOOLEANs.
enum class Test : uint8_t { kValid, kTrue, kFalse };

template <Test kTest, bool kNegated>
class TestKernel final : public Kernel {
 public:
  bool accepts_dictionary() const override { return true; }
  Result<VectorPtr> Evaluate(const EvaluationContext& context, const RowSet& rows,
                             std::span<const VectorPtr> arguments) override {
    const Vector& argument = *arguments[0];
    auto vector =
        MakeFlat(*context.pool, PhysicalType::kBool, RowSet::All(rows.length), BufferPtr());
    uint8_t* __restrict to = MutableValues<uint8_t>(*vector);
    const int32_t n = rows.length;
    if (argument.encoding() == Encoding::kConstant) {
      bool is = !argument.IsNull(0);
      if (kTest != Test::kValid)
        is = is && (argument.values<uint8_t>()[0] != 0) == (kTest == Test::kTrue);
      std::memset(to, is != kNegated, static_cast<size_t>(n));
      return VectorPtr(std::move(vector));
    }
    if (argument.may_have_nulls()) {
      UnpackBits(argument.validity(), n, to);
    } else {
      std::memset(to, 1, static_cast<size_t>(n));
    }
    if constexpr (kTest != Test::kValid) {
      const uint8_t* __restrict from = argument.values<uint8_t>();
      for (int32_t i = 0; i < n; ++i) to[i] &= kTest == Test::kTrue ? from[i] : from[i] ^ 1;
    }
    if constexpr (kNegated) {
      for (int32_t i = 0; i < n; ++i) to[i] ^= 1;
    }
    return VectorPtr(std::move(vector));
  }
};

template <Test kTest, bool kNegated>
Result<BoundCall> BindTest(const CallShape& call) {
  BoundCall bound;
  if (call.operands.size() != 1 || (kTest != Test::kValid && !AllBoolean(call))) return bound;
  bound.kernel = std::make_unique<TestKernel<kTest, kNegated>>();
  bound.strict = false;
  return bound;
}

constexpr FunctionEntry kEntries[] = {
    {"AND", "(BOOLEAN, ...) -> BOOLEAN", BindLogic<Control::kAnd>},
    {"OR", "(BOOLEAN, ...) -> BOOLEAN", BindLogic<Control::kOr>},
    {"NOT", "(BOOLEAN) -> BOOLEAN", BindNot},
    {"IS NULL", "(ANY) -> BOOLEAN", BindTest<Test::kValid, true>},
    {"IS NOT NULL", "(ANY) -> BOOLEAN", BindTest<Test::kValid, false>},
    {"IS TRUE", "(BOOLEAN) -> BOOLEAN", BindTest<Test::kTrue, false>},
    {"IS NOT TRUE", "(BOOLEAN) -> BOOLEAN", BindTest<Test::kTrue, true>},
    {"IS FALSE", "(BOOLEAN) -> BOOLEAN", BindTest<Test::kFalse, false>},
    {"IS NOT FALSE", "(BOOLEAN) -> BOOLEAN", BindTest<Test::kFalse, true>},
    {"IS UNKNOWN", "(BOOLEAN) -> BOOLEAN", BindTest<Test::kValid, true>},
    {"IS NOT UNKNOWN", "(BOOLEAN) -> BOOLEAN", BindTest<Test::kValid, false>},
};

}  // namespace

std::span<const FunctionEntry> LogicFunctions() { return kEntries; }

}  // namespace millrace::operators
