#pragma once

#include <span>

#include "operators/expression/kernel.h"

namespace millrace::operators {

// One function for one kind of operands. A name may have several rows: the first whose `bind` takes
// the call wins.
struct FunctionEntry {
  const char* name;       // as in plans, without $ and version
  const char* signature;  // for people: "(STRING, INT) -> STRING"
  // Returns a BoundCall without kernel (and Control::kKernel) if the operands are not its own; an
  // error if they are but the call is wrong (a bad pattern).
  runtime::Result<BoundCall> (*bind)(const CallShape& call);
};

// Finds the function of a call and binds it.
runtime::Result<BoundCall> BindCall(const CallShape& call);

// The families. Each is a table in a file of its own.
std::span<const FunctionEntry> ArithmeticFunctions();
std::span<const FunctionEntry> CastFunctions();
std::span<const FunctionEntry> ComparisonFunctions();
std::span<const FunctionEntry> ConditionalFunctions();
std::span<const FunctionEntry> DateFormatFunctions();
std::span<const FunctionEntry> DateTimeFunctions();
std::span<const FunctionEntry> DecimalFunctions();
std::span<const FunctionEntry> EncodingFunctions();
std::span<const FunctionEntry> ExtremeFunctions();
std::span<const FunctionEntry> LogicFunctions();
std::span<const FunctionEntry> NestedFunctions();
std::span<const FunctionEntry> NumericFunctions();
std::span<const FunctionEntry> PatternFunctions();
std::span<const FunctionEntry> SearchFunctions();
std::span<const FunctionEntry> StringFunctions();
std::span<const FunctionEntry> TemporalArithmeticFunctions();

}  // namespace millrace::operators
