#include "connectors/values/json_rows.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "runtime/net/base64.h"
#include "runtime/types/text/date_time_text.h"
#include "runtime/types/text/decimal.h"
#include "runtime/types/text/value_text.h"

namespace millrace::connectors {

namespace {

using namespace runtime;  // NOLINT: this file is about the runtime's types
using Json = nlohmann::json;

double FloatOf(const Json& json) {
  if (!json.is_string()) return json.get<double>();
  const std::string text = json.get<std::string>();
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  return text[0] == '-' ? -std::numeric_limits<double>::infinity()
                        : std::numeric_limits<double>::infinity();
}

Status AppendValue(const Json& json, VectorBuilder* to) {
  const LogicalType& type = to->type();
  if (json.is_null()) {
    to->AppendNull();
    return Status::Ok();
  }
  switch (type.kind()) {
    case TypeKind::kBoolean: to->Append<uint8_t>(json.get<bool>() ? 1 : 0); break;
    case TypeKind::kTinyInt: to->Append<int8_t>(json.get<int8_t>()); break;
    case TypeKind::kSmallInt: to->Append<int16_t>(json.get<int16_t>()); break;
    case TypeKind::kInt:
    case TypeKind::kIntervalYearMonth: to->Append<int32_t>(json.get<int32_t>()); break;
    case TypeKind::kBigInt:
    case TypeKind::kIntervalDayTime: to->Append<int64_t>(json.get<int64_t>()); break;
    case TypeKind::kFloat: to->Append<float>(static_cast<float>(FloatOf(json))); break;
    case TypeKind::kDouble: to->Append<double>(FloatOf(json)); break;
    case TypeKind::kDecimal: {
      Int128 value = 0;
      const auto parsed =
          ParseDecimal(json.get<std::string>(), type.precision(), type.scale(), &value);
      if (parsed != DecimalParse::kOk) return Status::User("not a " + type.ToString() + ": " + json.dump());
      AppendDecimalTo(to, value);
      break;
    }
    case TypeKind::kChar:
    case TypeKind::kVarChar: to->AppendString(json.get<std::string>()); break;
    case TypeKind::kBinary:
    case TypeKind::kVarBinary: {
      std::string bytes;
      if (!Base64Decode(json.get<std::string>(), &bytes)) {
        return Status::User("not base64: " + json.dump());
      }
      to->AppendString(bytes);
      break;
    }
    case TypeKind::kDate: {
      int32_t days = 0;
      if (!ParseDate(json.get<std::string>(), &days)) return Status::User("not a date: " + json.dump());
      to->Append<int32_t>(days);
      break;
    }
    case TypeKind::kTime: {
      int32_t ms = 0;
      if (!ParseTime(json.get<std::string>(), &ms)) return Status::User("not a time: " + json.dump());
      to->Append<int32_t>(ms);
      break;
    }
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampLtz: {
      std::string text = json.get<std::string>();
      if (!text.empty() && text.back() == 'Z') text.pop_back();
      for (char& c : text) {
        if (c == 'T') c = ' ';
      }
      if (text.size() == 16) text += ":00";
      TimestampNanos time;
      if (!ParseTimestamp(text, type.precision(), &time)) {
        return Status::User("not a timestamp: " + json.dump());
      }
      AppendTimestampTo(to, time);
      break;
    }
    case TypeKind::kArray:
      for (const Json& element : json) RETURN_IF_ERROR(AppendValue(element, &to->child(0)));
      to->AppendList(static_cast<uint32_t>(json.size()));
      break;
    case TypeKind::kMap:
    case TypeKind::kMultiset:
      for (const Json& pair : json) {
        RETURN_IF_ERROR(AppendValue(pair.at(0), &to->child(0)));
        RETURN_IF_ERROR(AppendValue(pair.at(1), &to->child(1)));
      }
      to->AppendList(static_cast<uint32_t>(json.size()));
      break;
    case TypeKind::kRow:
      for (size_t i = 0; i < type.children().size(); ++i) {
        RETURN_IF_ERROR(AppendValue(json.at(i), &to->child(static_cast<int>(i))));
      }
      to->AppendRow();
      break;
    case TypeKind::kNull: to->AppendNull(); break;
  }
  return Status::Ok();
}

Result<RowKind> KindOf(const std::string& text) {
  for (RowKind kind : {RowKind::kInsert, RowKind::kUpdateBefore, RowKind::kUpdateAfter,
                       RowKind::kDelete}) {
    if (text == ShortString(kind)) return kind;
  }
  return Status::User("not a row kind: " + text);
}

}  // namespace

Status AppendJsonRows(const std::string& lines, const std::string& path, BatchBuilder* rows) {
  size_t begin = 0;
  int number = 0;
  while (begin < lines.size()) {
    size_t end = lines.find('\n', begin);
    if (end == std::string::npos) end = lines.size();
    const std::string line = lines.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.empty()) continue;
    const std::string where = path + ":" + std::to_string(number);
    try {
      const Json json = Json::parse(line);
      const Json& values = json.at("row");
      if (static_cast<int>(values.size()) < rows->num_columns()) {
        return Status::User("row has too few fields: " + where);
      }
      ASSIGN_OR_RETURN(const RowKind kind, KindOf(json.value("kind", "+I")));
      for (int c = 0; c < rows->num_columns(); ++c) {
        const Status status = AppendValue(values.at(static_cast<size_t>(c)), &rows->column(c));
        if (!status.ok()) return status.Within(where);
      }
      rows->EndRow(kind);
    } catch (const Json::exception& e) {
      return Status::User("row can't be read, " + where + ": " + e.what());
    }
  }
  return Status::Ok();
}

}  // namespace millrace::connectors
