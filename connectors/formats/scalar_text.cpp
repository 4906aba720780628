#include "connectors/formats/scalar_text.h"

#include <charconv>
#include <limits>

#include "connectors/formats/iso_time_text.h"
#include "runtime/net/base64.h"
#include "runtime/types/text/civil_time.h"
#include "runtime/types/text/decimal.h"
#include "runtime/types/text/number_text.h"
#include "runtime/types/text/value_text.h"

namespace millrace::connectors {
namespace {

using runtime::Int128;
using runtime::LogicalType;
using runtime::TimestampNanos;
using runtime::TypeKind;
using runtime::Vector;
using runtime::VectorBuilder;

// Integer.parseInt and its like: an optional sign and digits, no fraction.
template <typename T>
const char* AppendInteger(std::string_view text, const char* reason, VectorBuilder* builder) {
  text = runtime::TrimJava(text);
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return reason;
  }
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return reason;
  builder->Append(value);
  return nullptr;
}

bool EqualsIgnoreCase(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((text[i] | 0x20) != lower[i]) return false;
  }
  return true;
}

// java.sql.Date.valueOf: "yyyy-[m]m-[d]d".
bool ParseSqlDate(std::string_view text, int32_t* days) {
  const size_t first = text.find('-');
  const size_t second = first == std::string_view::npos ? first : text.find('-', first + 1);
  if (first != 4 || second == std::string_view::npos) return false;
  std::string padded(text.substr(0, 5));
  for (const std::string_view part : {text.substr(5, second - 5), text.substr(second + 1)}) {
    if (part.empty() || part.size() > 2) return false;
    if (padded.size() > 5) padded += '-';
    if (part.size() == 1) padded += '0';
    padded += part;
  }
  // java.util.Date rolls the 31st of a short month over into the next one.
  if (ParseIsoDate(padded, DayRule::kStrict, days)) return true;
  int32_t first_of_month = 0;
  const std::string day = padded.substr(8);
  if (day < "01" || day > "31") return false;
  if (!ParseIsoDate(padded.substr(0, 8) + "01", DayRule::kStrict, &first_of_month)) return false;
  *days = first_of_month + (day[0] - '0') * 10 + (day[1] - '0') - 1;
  return true;
}

const char* AppendDate(std::string_view text, TimeText time_text, VectorBuilder* builder) {
  int32_t days = 0;
  const bool read = time_text == TimeText::kCsv ? ParseSqlDate(text, &days)
                                                : ParseIsoDate(text, DayRule::kStrict, &days);
  if (!read) return "is not a DATE such as 2013-01-31";
  builder->Append(days);
  return nullptr;
}

const char* AppendTime(std::string_view text, TimeText time_text, VectorBuilder* builder) {
  int64_t nanos = 0;
  if (!ParseIsoTime(text, time_text != TimeText::kCsv, &nanos)) {
    return "is not a TIME such as 05:15:00";
  }
  auto ms = static_cast<int32_t>(nanos / runtime::kNanosPerMs);
  if (time_text == TimeText::kCsv) {  // Flink's JSON keeps all milliseconds
    const int precision = builder->type().precision();
    const int32_t unit = precision == 0 ? 1000 : precision == 1 ? 100 : precision == 2 ? 10 : 1;
    ms = ms / unit * unit;
  }
  builder->Append(ms);
  return nullptr;
}

const char* AppendTimestamp(std::string_view text, TimeText time_text, VectorBuilder* builder) {
  const bool utc = builder->type().kind() == TypeKind::kTimestampLtz;
  const bool iso = time_text == TimeText::kIso;
  if (time_text == TimeText::kCsv) text = runtime::TrimJava(text);
  // ISO_LOCAL_DATE_TIME is strict, the formatters that Flink builds are not.
  const DayRule rule = iso && !utc ? DayRule::kStrict : DayRule::kClampToEnd;
  TimestampNanos time;
  if (!ParseIsoDateTime(text, iso ? 'T' : ' ', utc, rule, &time)) {
    if (utc) {
      return iso ? "is not a TIMESTAMP_LTZ of the ISO-8601 standard such as 2013-01-31T05:15:00Z"
                 : "is not a TIMESTAMP_LTZ of the SQL standard such as 2013-01-31 05:15:00Z";
    }
    return iso ? "is not a TIMESTAMP of the ISO-8601 standard such as 2013-01-31T05:15:00"
               : "is not a TIMESTAMP of the SQL standard such as 2013-01-31 05:15:00";
  }
  runtime::AppendTimestampTo(builder,
                             runtime::TruncateToPrecision(time, builder->type().precision()));
  return nullptr;
}

const char* AppendDecimal(std::string_view text, VectorBuilder* builder) {
  Int128 value = 0;
  const LogicalType& type = builder->type();
  switch (runtime::ParseDecimal(text, type.precision(), type.scale(), &value)) {
    case runtime::DecimalParse::kOk: runtime::AppendDecimalTo(builder, value); return nullptr;
    case runtime::DecimalParse::kOverflow: builder->AppendNull(); return nullptr;
    case runtime::DecimalParse::kMalformed: break;
  }
  return "is not a DECIMAL";
}

int64_t IntegerAt(const Vector& vector, int32_t row) {
  switch (vector.physical()) {
    case runtime::PhysicalType::kInt8: return vector.At<int8_t>(row);
    case runtime::PhysicalType::kInt16: return vector.At<int16_t>(row);
    case runtime::PhysicalType::kInt32: return vector.At<int32_t>(row);
    default: return vector.At<int64_t>(row);
  }
}

}  // namespace

const char* AppendFromText(std::string_view text, TimeText time_text, VectorBuilder* builder) {
  switch (builder->type().kind()) {
    case TypeKind::kBoolean:
      builder->Append(static_cast<uint8_t>(EqualsIgnoreCase(runtime::TrimJava(text), "true")));
      return nullptr;
    case TypeKind::kTinyInt: return AppendInteger<int8_t>(text, "is not a TINYINT", builder);
    case TypeKind::kSmallInt: return AppendInteger<int16_t>(text, "is not a SMALLINT", builder);
    case TypeKind::kInt:
    case TypeKind::kIntervalYearMonth:
      return AppendInteger<int32_t>(text, "is not an INT", builder);
    case TypeKind::kBigInt:
    case TypeKind::kIntervalDayTime:
      return AppendInteger<int64_t>(text, "is not a BIGINT", builder);
    case TypeKind::kFloat: {
      float value = 0;
      if (!runtime::ParseJavaFloat(text, &value)) return "is not a FLOAT";
      builder->Append(value);
      return nullptr;
    }
    case TypeKind::kDouble: {
      double value = 0;
      if (!runtime::ParseJavaDouble(text, &value)) return "is not a DOUBLE";
      builder->Append(value);
      return nullptr;
    }
    case TypeKind::kDecimal: return AppendDecimal(text, builder);
    case TypeKind::kChar:
    case TypeKind::kVarChar: builder->AppendString(text); return nullptr;
    case TypeKind::kBinary:
    case TypeKind::kVarBinary: {
      std::string bytes;
      if (!runtime::Base64DecodeLeniently(text, &bytes)) return "is not base64";
      builder->AppendString(bytes);
      return nullptr;
    }
    case TypeKind::kDate: return AppendDate(text, time_text, builder);
    case TypeKind::kTime: return AppendTime(text, time_text, builder);
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampLtz: return AppendTimestamp(text, time_text, builder);
    case TypeKind::kNull: builder->AppendNull(); return nullptr;
    case TypeKind::kArray:
    case TypeKind::kMap:
    case TypeKind::kMultiset:
    case TypeKind::kRow: break;
  }
  return "is of a nested type";
}

void AppendNullTo(VectorBuilder* builder) {
  switch (builder->type().kind()) {
    case TypeKind::kArray:
    case TypeKind::kMap:
    case TypeKind::kMultiset: builder->AppendList(0); break;
    case TypeKind::kRow:
      for (size_t i = 0; i < builder->type().children().size(); ++i) {
        AppendNullTo(&builder->child(static_cast<int>(i)));
      }
      builder->AppendRow();
      break;
    default: builder->AppendNull(); return;
  }
  builder->MarkNull(builder->length() - 1);
}

void AppendScalarText(const LogicalType& type, const Vector& vector, int32_t row,
                      TimeText time_text, std::string* to) {
  switch (type.kind()) {
    case TypeKind::kBoolean: to->append(vector.At<uint8_t>(row) != 0 ? "true" : "false"); break;
    case TypeKind::kTinyInt:
    case TypeKind::kSmallInt:
    case TypeKind::kInt:
    case TypeKind::kBigInt:
    case TypeKind::kIntervalYearMonth:
    case TypeKind::kIntervalDayTime: runtime::AppendInteger(IntegerAt(vector, row), to); break;
    case TypeKind::kFloat: runtime::AppendJavaFloat(vector.At<float>(row), to); break;
    case TypeKind::kDouble: runtime::AppendJavaDouble(vector.At<double>(row), to); break;
    case TypeKind::kDate: AppendIsoDate(vector.At<int32_t>(row), to); break;
    case TypeKind::kTime:
      AppendIsoTime(int64_t{vector.At<int32_t>(row)} * runtime::kNanosPerMs, to);
      break;
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampLtz:
      AppendIsoDateTime(runtime::TimestampAt(vector, type.precision(), row),
                        time_text == TimeText::kIso ? 'T' : ' ',
                        type.kind() == TypeKind::kTimestampLtz, to);
      break;
    case TypeKind::kChar:
    case TypeKind::kVarChar:
    case TypeKind::kBinary:
    case TypeKind::kVarBinary: to->append(vector.At<runtime::StringRef>(row).view()); break;
    default: CHECK_THAT_HOLDS(false && "a type that is neither nested nor DECIMAL");
  }
}

void AppendPlainDecimal(Int128 unscaled, int scale, std::string* to) {
  runtime::AppendDecimal(unscaled, scale, to);
}

void AppendStrippedDecimal(Int128 unscaled, int scale, std::string* to) {
  if (unscaled == 0) {
    to->push_back('0');
    return;
  }
  while (unscaled % 10 == 0) {
    unscaled /= 10;
    --scale;
  }
  if (scale >= 0) {
    runtime::AppendJavaBigDecimal(unscaled, scale, to);
    return;
  }
  // A negative scale is always written with an exponent: one digit, point, the others, "E+n".
  std::string digits;
  runtime::AppendInt128(unscaled, &digits);
  const size_t first = digits[0] == '-' ? 2 : 1;
  const int exponent = static_cast<int>(digits.size() - first) - scale;
  to->append(digits, 0, first);
  if (digits.size() > first) {
    to->push_back('.');
    to->append(digits, first);
  }
  to->append("E+");
  runtime::AppendInteger(exponent, to);
}

}  // namespace millrace::connectors
