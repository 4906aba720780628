#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "runtime/api/registry.h"

namespace millrace::jobs {

// Reads the SQL type of a plan: a string, or an object for time attributes and rows with them.
runtime::Result<runtime::LogicalType> TypeOf(const nlohmann::json& json);
// Reads an outputType: a ROW.
runtime::Result<runtime::RowType> RowTypeOf(const nlohmann::json& json);

// What a table-source-scan node says, with what the runtime does itself for abilities that
// the planner has pushed down.
struct PlannedSource {
  runtime::TableSpec table;
  std::string watermark_json;     // empty: none pushed down
  // Filters that were pushed down: evaluated by a calc right behind the source. `filtered` is then what
  // the source gives, and filter_projection leads to the node's output type.
  std::vector<std::string> filters;
  std::string filter_projection;  // JSON array; empty: identity
};
runtime::Result<PlannedSource> ReadSourceTable(const nlohmann::json& node);
// Abilities of the sink that its connector does not list are refused.
runtime::Result<runtime::TableSpec> ReadSinkTable(const nlohmann::json& node,
                                                  const runtime::Registry& registry);

}  // namespace millrace::jobs
