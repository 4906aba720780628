#include "operators/aggregate/aggregate_call.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "operators/aggregate/plan_fields.h"

namespace millrace::operators {

using nlohmann::json;
using runtime::Result;
using runtime::RowType;
using runtime::Status;
using runtime::TypeKind;

namespace {

struct NamedKind {
  const char* name;
  AggregateKind kind;
};
constexpr NamedKind kKinds[] = {
    {"$COUNT$1", AggregateKind::kCount}, {"$SUM$1", AggregateKind::kSum},
    {"$$SUM0$1", AggregateKind::kSum0},  {"$AVG$1", AggregateKind::kAvg},
    {"$MIN$1", AggregateKind::kMin},     {"$MAX$1", AggregateKind::kMax},
};

bool IsColumn(int index, const RowType& input) {
  return index >= 0 && index < static_cast<int>(input.size());
}

Result<AggregateCall> ReadCall(const json& from, const RowType& input) {
  AggregateCall call;
  ASSIGN_OR_RETURN(call.name, ReadString(from, "name", ""));
  std::string function;
  for (const char* field : {"internalName", "systemName", "catalogName"}) {
    if (!function.empty()) break;
    ASSIGN_OR_RETURN(function, ReadString(from, field, ""));
  }
  bool known = false;
  for (const NamedKind& named : kKinds) {
    if (function == named.name) {
      call.kind = named.kind;
      known = true;
    }
  }
  if (!known) {
    std::string names;
    for (const std::string& name : SupportedAggregates()) {
      names += (names.empty() ? "" : ", ") + name;
    }
    return Status::User("aggregate function is not supported; supported are " + names + ": '" +
                        function + "'");
  }
  ASSIGN_OR_RETURN(call.arguments, ReadIntegers(from, "argList"));
  ASSIGN_OR_RETURN(const int64_t filter, ReadInteger(from, "filterArg", -1));
  call.filter = static_cast<int>(filter);
  ASSIGN_OR_RETURN(call.distinct, ReadBoolean(from, "distinct", false));
  ASSIGN_OR_RETURN(const bool approximate, ReadBoolean(from, "approximate", false));
  if (approximate) return Status::User("approximate aggregates are not supported: " + function);
  if (from.find("type") == from.end()) return Status::User("aggregate has no type: " + function);
  ASSIGN_OR_RETURN(call.type, ReadType(from["type"]));
  for (int column : call.arguments) {
    if (!IsColumn(column, input)) {
      return Status::User("argument of an aggregate is no input column: " + function + ", " +
                          std::to_string(column));
    }
  }
  if (call.filter >= 0 &&
      (!IsColumn(call.filter, input) ||
       input[static_cast<size_t>(call.filter)].type.kind() != TypeKind::kBoolean)) {
    return Status::User("filter of an aggregate is no BOOLEAN input column: " + function + ", " +
                        std::to_string(call.filter));
  }
  const bool counts = call.kind == AggregateKind::kCount;
  if (!counts && call.arguments.size() != 1) {
    return Status::User("aggregate takes one argument: " + function);
  }
  if (counts && call.arguments.size() > 1 && !call.distinct) {
    return Status::User("COUNT of several columns without DISTINCT is not supported");
  }
  return call;
}

}  // namespace

Result<std::vector<AggregateCall>> ReadAggregateCalls(const json& calls, const RowType& input) {
  std::vector<AggregateCall> read;
  if (calls.is_null()) return read;
  if (!calls.is_array()) return Status::User("aggCalls is not a list");
  for (const json& call : calls) {
    ASSIGN_OR_RETURN(AggregateCall one, ReadCall(call, input));
    read.push_back(std::move(one));
  }
  return read;
}

const std::vector<std::string>& SupportedAggregates() {
  static const auto* const names = [] {
    auto* all = new std::vector<std::string>;
    for (const NamedKind& named : kKinds) all->push_back(named.name);
    return all;
  }();
  return *names;
}

}  // namespace millrace::operators
