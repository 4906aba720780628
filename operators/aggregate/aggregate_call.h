#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "runtime/types/logical_type.h"
#include "runtime/types/status.h"

namespace millrace::operators {

enum class AggregateKind : uint8_t { kCount, kSum, kSum0, kAvg, kMin, kMax };

// One aggregate of a plan node: AGG([DISTINCT] arguments) FILTER (WHERE filter).
struct AggregateCall {
  std::string name;
  AggregateKind kind = AggregateKind::kCount;
  std::vector<int> arguments;  // columns of the input; none: COUNT(*)
  int filter = -1;             // BOOLEAN column of the input; -1: every row
  bool distinct = false;
  runtime::LogicalType type;  // of the result
  bool retracts = false;      // takes rows back

  bool is_count_star() const {
    return kind == AggregateKind::kCount && arguments.empty() && filter < 0 && !distinct;
  }
};

// Reads "aggCalls" of a plan node over `input`. Refuses unknown functions by name.
runtime::Result<std::vector<AggregateCall>> ReadAggregateCalls(const nlohmann::json& calls,
                                                               const runtime::RowType& input);

// Internal names of the aggregates that run: "$COUNT$1", ... For `millrace plan --supported`.
const std::vector<std::string>& SupportedAggregates();

}  // namespace millrace::operators
