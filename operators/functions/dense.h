#pragma once

#include <span>

#include "operators/expression/kernel.h"

namespace millrace::operators {

// Kernels of operations that take every value: computed for all rows in loops without branches.
// Files that instantiate them start with #pragma GCC optimize("O3"), so that gcc vectorises the
// loops.

// R = Operation::Apply(A, B) for rows 0 .. n - 1; a constant side is held in a register.
template <typename Operation, typename A, typename B, typename R>
inline void ApplyBinary(const A* __restrict a, bool a_constant, const B* __restrict b,
                        bool b_constant, R* __restrict to, int32_t n) {
  if (a_constant) {
    const A value = a[0];
    for (int32_t i = 0; i < n; ++i) to[i] = Operation::Apply(value, b[i]);
  } else if (b_constant) {
    const B value = b[0];
    for (int32_t i = 0; i < n; ++i) to[i] = Operation::Apply(a[i], value);
  } else {
    for (int32_t i = 0; i < n; ++i) to[i] = Operation::Apply(a[i], b[i]);
  }
}

template <typename Operation, typename A, typename B, typename R>
class DenseBinary final : public Kernel {
 public:
  explicit DenseBinary(runtime::PhysicalType result) : result_(result) {}
  runtime::Result<runtime::VectorPtr> Evaluate(
      const EvaluationContext& context, const RowSet& rows,
      std::span<const runtime::VectorPtr> arguments) override {
    auto vector = MakeFlat(*context.pool, result_, RowSet::All(rows.length),
                           CombineValidity(*context.pool, arguments, rows.length));
    ApplyBinary<Operation, A, B, R>(
        arguments[0]->values<A>(), arguments[0]->encoding() == runtime::Encoding::kConstant,
        arguments[1]->values<B>(), arguments[1]->encoding() == runtime::Encoding::kConstant,
        MutableValues<R>(*vector), rows.length);
    return runtime::VectorPtr(std::move(vector));
  }

 private:
  runtime::PhysicalType result_;
};

// R = Operation::Apply(A).
template <typename Operation, typename A, typename R>
class DenseUnary final : public Kernel {
 public:
  explicit DenseUnary(runtime::PhysicalType result) : result_(result) {}
  runtime::Result<runtime::VectorPtr> Evaluate(
      const EvaluationContext& context, const RowSet& rows,
      std::span<const runtime::VectorPtr> arguments) override {
    auto vector = MakeFlat(*context.pool, result_, RowSet::All(rows.length),
                           CombineValidity(*context.pool, arguments, rows.length));
    const A* __restrict from = arguments[0]->values<A>();
    R* __restrict to = MutableValues<R>(*vector);
    for (int32_t i = 0; i < rows.length; ++i) to[i] = Operation::Apply(from[i]);
    return runtime::VectorPtr(std::move(vector));
  }

 private:
  runtime::PhysicalType result_;
};

// The operand itself, in another type that lies in vectors the same way.
class SameValues final : public Kernel {
 public:
  runtime::Result<runtime::VectorPtr> Evaluate(
      const EvaluationContext&, const RowSet&,
      std::span<const runtime::VectorPtr> arguments) override {
    return arguments[0];
  }
  bool accepts_dictionary() const override { return true; }
};

}  // namespace millrace::operators
