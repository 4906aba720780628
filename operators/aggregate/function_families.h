#pragma once

#include <memory>

#include "operators/aggregate/aggregate_function.h"

namespace millrace::operators {

// The functions by family; each gives null for types that it does not take. Of this folder only.
std::unique_ptr<AggregateFunction> MakeCount();
std::unique_ptr<AggregateFunction> MakeSum(const AggregateCall& call,
                                           const runtime::LogicalType& argument);
std::unique_ptr<AggregateFunction> MakeAvg(const AggregateCall& call,
                                           const runtime::LogicalType& argument);
// MIN and MAX of what is only added.
std::unique_ptr<AggregateFunction> MakeExtreme(const AggregateCall& call,
                                               const runtime::LogicalType& argument);
// MIN and MAX that take values back.
std::unique_ptr<AggregateFunction> MakeRetractableExtreme(const AggregateCall& call,
                                                          const runtime::LogicalType& argument);

}  // namespace millrace::operators
