#include "operators/expression/rex.h"

#include <nlohmann/json.hpp>

#include "runtime/types/text/civil_time.h"
#include "runtime/types/text/date_time_text.h"
#include "runtime/types/text/decimal.h"
#include "runtime/types/text/value_text.h"

namespace millrace::operators {
namespace {

using nlohmann::json;
using runtime::LogicalType;
using runtime::Result;
using runtime::RowType;
using runtime::Status;
using runtime::TypeKind;
using runtime::VectorBuilder;
using runtime::VectorPtr;

std::string Short(const json& node) {
  std::string text = node.dump();
  if (text.size() > 120) text = text.substr(0, 117) + "...";
  return text;
}

// Decodes standard base64; false if malformed.
bool DecodeBase64(const std::string& text, std::string* to) {
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    int digit = 0;
    if (c >= 'A' && c <= 'Z')
      digit = c - 'A';
    else if (c >= 'a' && c <= 'z')
      digit = c - 'a' + 26;
    else if (c >= '0' && c <= '9')
      digit = c - '0' + 52;
    else if (c == '+')
      digit = 62;
    else if (c == '/')
      digit = 63;
    else if (c == '=' || c == '\n')
      continue;
    else
      return false;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      to->push_back(static_cast<char>(bits >> count & 0xff));
    }
  }
  return true;
}

// Reads a literal's JSON value as `type`. Times are UTC wall clocks, intervals months or ms.
Result<VectorPtr> ParseLiteral(const json& value, const LogicalType& type) {
  VectorBuilder builder(runtime::ProcessPool(), type, 1);
  if (value.is_null()) {
    builder.AppendNull();
    return builder.Finish();
  }
  const Status wrong =
      Status::User("literal does not fit its type " + type.ToString() + ": " + Short(value));
  if (value.is_boolean()) {
    if (type.kind() != TypeKind::kBoolean) return wrong;
    builder.Append(static_cast<uint8_t>(value.get<bool>()));
    return builder.Finish();
  }
  if (!value.is_string() && !value.is_number()) return wrong;
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  switch (type.kind()) {
    case TypeKind::kChar:
    case TypeKind::kVarChar:
      builder.AppendString(text);
      return builder.Finish();
    case TypeKind::kBinary:
    case TypeKind::kVarBinary: {
      std::string bytes;
      if (!DecodeBase64(text, &bytes)) return wrong;
      builder.AppendString(bytes);
      return builder.Finish();
    }
    case TypeKind::kDecimal: {
      runtime::Int128 unscaled = 0;
      if (runtime::ParseDecimal(text, type.precision(), type.scale(), &unscaled) !=
          runtime::DecimalParse::kOk) {
        return wrong;
      }
      runtime::AppendDecimalTo(&builder, unscaled);
      return builder.Finish();
    }
    default: {
      runtime::TimeZone utc;
      if (!runtime::ParseValue(text, &utc, &builder).ok()) return wrong;
      return builder.Finish();
    }
  }
}

Result<std::shared_ptr<const SearchRanges>> ParseSarg(const json& sarg, const LogicalType& type) {
  auto ranges = std::make_shared<SearchRanges>();
  ranges->type = type.AsNullable();
  const std::string null_as = sarg.value("nullAs", "UNKNOWN");
  ranges->null_as = null_as == "TRUE"    ? SearchRanges::NullAs::kTrue
                    : null_as == "FALSE" ? SearchRanges::NullAs::kFalse
                                         : SearchRanges::NullAs::kUnknown;
  if (sarg.value("containsNull", false)) ranges->null_as = SearchRanges::NullAs::kTrue;
  for (const json& part : sarg.value("ranges", json::array())) {
    SearchRange range;
    if (part.contains("lower")) {
      ASSIGN_OR_RETURN(range.lower, ParseLiteral(part["lower"].value("value", json()), type));
      range.lower_closed = part["lower"].value("boundType", "") == "CLOSED";
    }
    if (part.contains("upper")) {
      ASSIGN_OR_RETURN(range.upper, ParseLiteral(part["upper"].value("value", json()), type));
      range.upper_closed = part["upper"].value("boundType", "") == "CLOSED";
    }
    ranges->ranges.push_back(std::move(range));
  }
  return std::shared_ptr<const SearchRanges>(std::move(ranges));
}

// "$UPPER$1" is "UPPER"; other identities are returned with what they are.
Result<std::string> FunctionName(const json& node) {
  if (node.contains("internalName")) {
    const std::string internal = node["internalName"].get<std::string>();
    const size_t version = internal.rfind('$');
    if (internal.size() > 2 && internal[0] == '$' && version > 0 && version != std::string::npos) {
      return internal.substr(1, version - 1);
    }
    return internal;
  }
  for (const char* key : {"systemName", "catalogName", "sqlKind", "class"}) {
    if (node.contains(key)) return node[key].get<std::string>();
  }
  return Status::User("call without a function name: " + Short(node));
}

Result<Rex> Parse(const json& node, const RowType& input) {
  if (!node.is_object() || !node.contains("kind")) {
    return Status::User("not an expression (an object with \"kind\"): " + Short(node));
  }
  const std::string kind = node["kind"].get<std::string>();
  Rex rex;
  if (kind == "INPUT_REF") {
    rex.kind = Rex::Kind::kInput;
    rex.input = node.value("inputIndex", -1);
    if (rex.input < 0 || rex.input >= static_cast<int>(input.size())) {
      return Status::User("expression refers to column " + std::to_string(rex.input) +
                          " of an input with " + std::to_string(input.size()) + " columns");
    }
    rex.type = input[static_cast<size_t>(rex.input)].type;
    return rex;
  }
  if (kind == "LITERAL") {
    ASSIGN_OR_RETURN(rex.type, ParseTypeJson(node.value("type", json())));
    if (node.contains("symbol")) {
      rex.symbol = node["value"].get<std::string>();
      VectorBuilder builder(runtime::ProcessPool(), LogicalType::VarChar(), 1);
      builder.AppendString(rex.symbol);
      rex.literal = builder.Finish();
      return rex;
    }
    if (node.contains("sarg")) {
      ASSIGN_OR_RETURN(rex.ranges, ParseSarg(node["sarg"], rex.type));
      rex.literal = runtime::MakeNulls(runtime::ProcessPool(), rex.type, 1);
      return rex;
    }
    ASSIGN_OR_RETURN(rex.literal, ParseLiteral(node.value("value", json()), rex.type));
    return rex;
  }
  if (kind == "FIELD_ACCESS") {
    rex.kind = Rex::Kind::kField;
    rex.name = node.value("name", "");
    ASSIGN_OR_RETURN(Rex record, Parse(node.value("expr", json()), input));
    const std::vector<runtime::Field>& fields = record.type.children();
    for (size_t i = 0; record.type.kind() == TypeKind::kRow && i < fields.size(); ++i) {
      if (fields[i].name != rex.name) continue;
      rex.field = static_cast<int>(i);
      rex.type = fields[i].type.AsNullable(fields[i].type.nullable() || record.type.nullable());
      rex.operands.push_back(std::move(record));
      return rex;
    }
    return Status::User("no field '" + rex.name + "' in " + record.type.ToString());
  }
  if (kind == "CALL") {
    rex.kind = Rex::Kind::kCall;
    ASSIGN_OR_RETURN(rex.name, FunctionName(node));
    ASSIGN_OR_RETURN(rex.type, ParseTypeJson(node.value("type", json())));
    for (const json& operand : node.value("operands", json::array())) {
      ASSIGN_OR_RETURN(Rex parsed, Parse(operand, input));
      rex.operands.push_back(std::move(parsed));
    }
    return rex;
  }
  return Status::User("expressions of kind " + kind + " are not supported: " + Short(node));
}

bool IsWord(const std::string& name) {
  return !name.empty() && (std::isalpha(static_cast<unsigned char>(name[0])) || name[0] == '`');
}

}  // namespace

Result<LogicalType> ParseTypeJson(const json& node) {
  if (node.is_string()) return LogicalType::Parse(node.get<std::string>());
  if (!node.is_object() || !node.contains("type")) {
    return Status::User("not a type: " + Short(node));
  }
  const std::string root = node["type"].get<std::string>();
  const bool nullable = node.value("nullable", true);
  if (root == "SYMBOL") return LogicalType::VarChar().AsNullable(nullable);
  if (root == "ROW" && node.contains("fields")) {
    std::vector<runtime::Field> fields;
    for (const json& field : node["fields"]) {
      ASSIGN_OR_RETURN(LogicalType type, ParseTypeJson(field.value("fieldType", json())));
      fields.push_back({field.value("name", ""), type});
    }
    return LogicalType::Row(std::move(fields)).AsNullable(nullable);
  }
  // The empty literal: a length of 0 has no SQL form.
  if (root == "CHAR") return LogicalType::Char(node.value("length", 1)).AsNullable(nullable);
  if (root == "VARCHAR") return LogicalType::VarChar(node.value("length", 1)).AsNullable(nullable);
  if (root == "BINARY" || root == "VARBINARY") {
    return LogicalType::VarBinary(node.value("length", 1)).AsNullable(nullable);
  }
  LogicalType type;
  if (root == "TIMESTAMP_WITHOUT_TIME_ZONE") {
    type = LogicalType::Timestamp(node.value("precision", 3));
  } else if (root == "TIMESTAMP_WITH_LOCAL_TIME_ZONE") {
    type = LogicalType::TimestampLtz(node.value("precision", 3));
  } else if (root == "ARRAY" && node.contains("elementType")) {
    ASSIGN_OR_RETURN(LogicalType element, ParseTypeJson(node["elementType"]));
    return LogicalType::Array(element).AsNullable(nullable);
  } else if (root == "MAP" && node.contains("keyType")) {
    ASSIGN_OR_RETURN(LogicalType key, ParseTypeJson(node["keyType"]));
    ASSIGN_OR_RETURN(LogicalType value, ParseTypeJson(node.value("valueType", json())));
    return LogicalType::Map(key, value).AsNullable(nullable);
  } else {
    return Status::User("type is not supported: " + Short(node));
  }
  const std::string attribute = node.value("kind", "REGULAR");
  if (attribute == "ROWTIME") type = type.WithTimeAttribute(runtime::TimeAttribute::kRowtime);
  if (attribute == "PROCTIME") type = type.WithTimeAttribute(runtime::TimeAttribute::kProctime);
  return type.AsNullable(nullable);
}

Result<Rex> ParseRex(const json& node, const RowType& input) {
  try {
    return Parse(node, input);
  } catch (const json::exception& error) {
    return Status::User(std::string("malformed expression: ") + error.what());
  }
}

std::string ToText(const Rex& rex, const RowType& input) {
  switch (rex.kind) {
    case Rex::Kind::kInput:
      return input[static_cast<size_t>(rex.input)].name;
    case Rex::Kind::kLiteral: {
      if (!rex.symbol.empty()) return rex.symbol;
      if (rex.ranges != nullptr) return "Sarg";
      std::string text;
      runtime::TimeZone utc;
      runtime::AppendCastText(rex.type, *rex.literal, 0, &utc, &text);
      return rex.type.is_string() && !rex.literal->IsNull(0) ? "'" + text + "'" : text;
    }
    case Rex::Kind::kField:
      return ToText(rex.operands[0], input) + "." + rex.name;
    case Rex::Kind::kCall:
      break;
  }
  if ((rex.name == "CAST" || rex.name == "TRY_CAST" || rex.name == "REINTERPRET") &&
      rex.operands.size() == 1) {
    return rex.name + "(" + ToText(rex.operands[0], input) + " AS " +
           rex.type.AsNullable().ToString() + ")";
  }
  if (rex.operands.size() == 2 && (!IsWord(rex.name) || rex.name == "AND" || rex.name == "OR")) {
    return "(" + ToText(rex.operands[0], input) + " " + rex.name + " " +
           ToText(rex.operands[1], input) + ")";
  }
  std::string text = rex.name + "(";
  for (size_t i = 0; i < rex.operands.size(); ++i) {
    if (i > 0) text += ", ";
    text += ToText(rex.operands[i], input);
  }
  return text + ")";
}

}  // namespace millrace::operators
