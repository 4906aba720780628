#include "operators/functions/function_table.h"

#include <algorithm>

#include "operators/expression/expression.h"
#include "runtime/api/option_table.h"

namespace millrace::operators {

using runtime::Result;
using runtime::Status;

namespace {

struct Family {
  const char* group;  // for people
  std::span<const FunctionEntry> (*entries)();
};
constexpr Family kFamilies[] = {
    {"numeric", ArithmeticFunctions},
    {"cast", CastFunctions},
    {"comparison", ComparisonFunctions},
    {"conditional", ConditionalFunctions},
    {"time", DateFormatFunctions},
    {"time", DateTimeFunctions},
    {"numeric", DecimalFunctions},
    {"logic", LogicFunctions},
    {"string", EncodingFunctions},
    {"conditional", ExtremeFunctions},
    {"nested", NestedFunctions},
    {"numeric", NumericFunctions},
    {"pattern", PatternFunctions},
    {"comparison", SearchFunctions},
    {"string", StringFunctions},
    {"time", TemporalArithmeticFunctions},
};

}  // namespace

Result<BoundCall> BindCall(const CallShape& call) {
  std::string known;
  for (const Family& family : kFamilies) {
    for (const FunctionEntry& entry : family.entries()) {
      if (call.name != entry.name) continue;
      ASSIGN_OR_RETURN(BoundCall bound, entry.bind(call));
      if (bound.kernel != nullptr || bound.control != Control::kKernel ||
          bound.same_as_operand >= 0 || bound.cast_of_operand >= 0) {
        return bound;
      }
      known += (known.empty() ? "" : ", ") + std::string(entry.signature);
    }
  }
  std::string types;
  for (const OperandShape& operand : call.operands) {
    types += (types.empty() ? "" : ", ") + operand.type.ToString();
  }
  if (!known.empty()) {
    return Status::User("function " + call.name + " does not take (" + types + ") and return " +
                        call.type.ToString() + " yet; known: " + known + "; in " + call.text);
  }
  std::vector<std::string> names;
  for (const KnownFunction& function : KnownFunctions()) names.push_back(function.name);
  const std::string near = runtime::NearestName(call.name, names);
  return Status::User("function " + call.name + "(" + types + ") is not supported" +
                      (near.empty() ? "" : "; near it is " + near) + "; in " + call.text);
}

std::vector<KnownFunction> KnownFunctions() {
  std::vector<KnownFunction> functions;
  for (const Family& family : kFamilies) {
    for (const FunctionEntry& entry : family.entries()) {
      functions.push_back({family.group, entry.name, entry.signature});
    }
  }
  std::sort(functions.begin(), functions.end(), [](const KnownFunction& a, const KnownFunction& b) {
    return std::tie(a.name, a.signature) < std::tie(b.name, b.signature);
  });
  return functions;
}

}  // namespace millrace::operators
