#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/types/logical_type.h"

namespace millrace::connectors {

struct JsonRowPlan;

// Says how the values of one type are read.
struct JsonValuePlan {
  runtime::TypeKind kind = runtime::TypeKind::kNull;
  std::unique_ptr<JsonRowPlan> row;         // ROW
  std::unique_ptr<JsonValuePlan> element;   // ARRAY: element; MAP and MULTISET: value

  static JsonValuePlan Of(const runtime::LogicalType& type);
};

// One wanted field of a JSON object.
struct JsonFieldPlan {
  std::string name;
  bool plain_name = true;  // the name is the same in JSON: nothing in it is escaped
  // The whole value goes to this column: of the batch at the top, else of the ROW's children.
  int target = -1;
  JsonValuePlan value;
  // Instead: only fields within are wanted (nested projection), each with a target of its own.
  std::unique_ptr<JsonRowPlan> within;
};

// Says which fields of a JSON object are wanted and where they go.
struct JsonRowPlan {
  std::vector<JsonFieldPlan> fields;
  std::unordered_map<std::string_view, int> by_name;  // filled by Index

  // All fields of a ROW, in order.
  static JsonRowPlan OfRow(const std::vector<runtime::Field>& fields);
  // The fields at `paths`; path i goes to target i. kInternal if one path leads through another.
  static runtime::Result<JsonRowPlan> OfProjection(const std::vector<runtime::Field>& record,
                                                   const std::vector<std::vector<int>>& paths);

  // Position of a name; -1: not wanted.
  int Find(std::string_view name) const {
    const auto found = by_name.find(name);
    return found == by_name.end() ? -1 : found->second;
  }

 private:
  void Index();
  runtime::Status Add(const std::vector<runtime::Field>& record, const std::vector<int>& path,
                      size_t depth, int target);
  void IndexAll();
};

}  // namespace millrace::connectors
