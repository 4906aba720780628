#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/types/logical_type.h"
#include "runtime/types/status.h"

namespace millrace::operators {

// Reads fields of plan nodes. All errors are kUser and name the field.

runtime::Result<nlohmann::json> ParsePlanObject(std::string_view text);
// A type: a string as LogicalType::Parse reads it, or Flink's object of a time attribute
// {"type":"TIMESTAMP_WITHOUT_TIME_ZONE","precision":3,"kind":"ROWTIME","nullable":false}.
runtime::Result<runtime::LogicalType> ReadType(const nlohmann::json& type);
// A row type: a SQL string "ROW<..>", or {"type":"ROW","fields":[{"name":..,"fieldType":..}]}.
runtime::Result<runtime::RowType> ReadRowType(const nlohmann::json& type);
runtime::Result<std::vector<int>> ReadIntegers(const nlohmann::json& object, const char* field);
// Absent and null fields give `otherwise`; another JSON type is an error.
runtime::Result<int64_t> ReadInteger(const nlohmann::json& object, const char* field,
                                     int64_t otherwise);
runtime::Result<bool> ReadBoolean(const nlohmann::json& object, const char* field, bool otherwise);
runtime::Result<std::string> ReadString(const nlohmann::json& object, const char* field,
                                        std::string otherwise);
// Milliseconds of an ISO 8601 duration of days, hours, minutes and seconds as Java's Duration
// prints it: "PT10S", "PT-8H", "PT0.5S", "P1DT1H". Absent: `otherwise`.
runtime::Result<int64_t> ReadDurationMs(const nlohmann::json& object, const char* field,
                                        int64_t otherwise);

}  // namespace millrace::operators
