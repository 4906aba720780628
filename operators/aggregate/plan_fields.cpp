#include "operators/aggregate/plan_fields.h"

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

namespace millrace::operators {

using nlohmann::json;
using runtime::LogicalType;
using runtime::Result;
using runtime::Status;

namespace {

const json* Find(const json& object, const char* field) {
  const auto it = object.find(field);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

Status Wrong(const char* field, const char* wanted, const json& value) {
  return Status::User(std::string("field is not ") + wanted + ": '" + field + "': " + value.dump());
}

// Reads "P1DT2H3M4.5S"; false if it is not such a duration.
bool ParseDuration(const std::string& text, int64_t* ms) {
  const char* at = text.c_str();
  const bool negative = *at == '-';
  if (negative) ++at;
  if (*at++ != 'P') return false;
  double total = 0;
  bool in_time = false;
  while (*at != '\0') {
    if (*at == 'T') {
      in_time = true;
      ++at;
      continue;
    }
    char* end = nullptr;
    const double number = std::strtod(at, &end);
    if (end == at) return false;
    double unit = 0;
    if (*end == 'D' && !in_time) unit = 86'400'000;
    if (*end == 'H' && in_time) unit = 3'600'000;
    if (*end == 'M' && in_time) unit = 60'000;
    if (*end == 'S' && in_time) unit = 1000;
    if (unit == 0) return false;
    total += number * unit;
    at = end + 1;
  }
  *ms = static_cast<int64_t>(std::llround(negative ? -total : total));
  return true;
}

}  // namespace

Result<json> ParsePlanObject(std::string_view text) {
  json parsed = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return Status::User("configuration of the node is not a JSON object");
  return parsed;
}

Result<LogicalType> ReadType(const json& type) {
  if (type.is_string()) return LogicalType::Parse(type.get_ref<const std::string&>());
  if (!type.is_object()) return Status::User("type is neither text nor an object: " + type.dump());
  ASSIGN_OR_RETURN(const std::string name, ReadString(type, "type", ""));
  ASSIGN_OR_RETURN(const int64_t precision, ReadInteger(type, "precision", 6));
  ASSIGN_OR_RETURN(const std::string kind, ReadString(type, "kind", "REGULAR"));
  ASSIGN_OR_RETURN(const bool nullable, ReadBoolean(type, "nullable", true));
  LogicalType parsed;
  if (name == "TIMESTAMP_WITHOUT_TIME_ZONE") {
    parsed = LogicalType::Timestamp(static_cast<int>(precision));
  } else if (name == "TIMESTAMP_WITH_LOCAL_TIME_ZONE") {
    parsed = LogicalType::TimestampLtz(static_cast<int>(precision));
  } else {
    return Status::User("type of this form is not supported: " + type.dump());
  }
  if (kind == "ROWTIME") parsed = parsed.WithTimeAttribute(runtime::TimeAttribute::kRowtime);
  if (kind == "PROCTIME") parsed = parsed.WithTimeAttribute(runtime::TimeAttribute::kProctime);
  return parsed.AsNullable(nullable);
}

Result<runtime::RowType> ReadRowType(const json& type) {
  if (type.is_string()) {
    ASSIGN_OR_RETURN(const LogicalType row, ReadType(type));
    if (row.kind() != runtime::TypeKind::kRow) {
      return Status::User("type is no row type: " + type.dump());
    }
    return row.children();
  }
  const json* fields = type.is_object() ? Find(type, "fields") : nullptr;
  if (fields == nullptr || !fields->is_array()) {
    return Status::User("type is no row type: " + type.dump());
  }
  runtime::RowType row;
  for (const json& field : *fields) {
    if (!field.is_object() || Find(field, "fieldType") == nullptr) {
      return Status::User("field of a row type has no type: " + field.dump());
    }
    runtime::Field& read = row.emplace_back();
    ASSIGN_OR_RETURN(read.name, ReadString(field, "name", ""));
    ASSIGN_OR_RETURN(read.type, ReadType(field["fieldType"]));
  }
  return row;
}

Result<std::vector<int>> ReadIntegers(const json& object, const char* field) {
  std::vector<int> values;
  const json* list = Find(object, field);
  if (list == nullptr) return values;
  if (!list->is_array()) return Wrong(field, "a list", *list);
  for (const json& value : *list) {
    if (!value.is_number_integer()) return Wrong(field, "a list of integers", *list);
    values.push_back(value.get<int>());
  }
  return values;
}

Result<int64_t> ReadInteger(const json& object, const char* field, int64_t otherwise) {
  const json* value = Find(object, field);
  if (value == nullptr) return otherwise;
  if (!value->is_number_integer()) return Wrong(field, "an integer", *value);
  return value->get<int64_t>();
}

Result<bool> ReadBoolean(const json& object, const char* field, bool otherwise) {
  const json* value = Find(object, field);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) return Wrong(field, "a boolean", *value);
  return value->get<bool>();
}

Result<std::string> ReadString(const json& object, const char* field, std::string otherwise) {
  const json* value = Find(object, field);
  if (value == nullptr) return otherwise;
  if (!value->is_string()) return Wrong(field, "text", *value);
  return value->get<std::string>();
}

Result<int64_t> ReadDurationMs(const json& object, const char* field, int64_t otherwise) {
  const json* value = Find(object, field);
  if (value == nullptr) return otherwise;
  int64_t ms = 0;
  if (!value->is_string() || !ParseDuration(value->get_ref<const std::string&>(), &ms)) {
    return Wrong(field, "a duration", *value);
  }
  return ms;
}

}  // namespace millrace::operators
