#include "runtime/types/text/value_text.h"

#include <limits>

#include "runtime/types/text/civil_time.h"
#include "runtime/types/text/date_time_text.h"
#include "runtime/types/text/decimal.h"
#include "runtime/types/text/number_text.h"
#include "runtime/types/text/utf8.h"

namespace millrace::runtime {
namespace {

int64_t IntegerAt(const Vector& vector, int32_t row) {
  switch (vector.physical()) {
    case PhysicalType::kInt8:
      return vector.At<int8_t>(row);
    case PhysicalType::kInt16:
      return vector.At<int16_t>(row);
    case PhysicalType::kInt32:
      return vector.At<int32_t>(row);
    default:
      return vector.At<int64_t>(row);
  }
}

// Java's Arrays.toString(byte[]).
void AppendJavaBytes(std::string_view bytes, std::string* to) {
  to->push_back('[');
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0) to->append(", ");
    AppendInteger(static_cast<int8_t>(bytes[i]), to);
  }
  to->push_back(']');
}

// Writes nested values; Element(type, vector, row) writes one.
template <typename Element>
void AppendList(const LogicalType& type, const Vector& vector, int32_t row, std::string* to,
                Element element) {
  const ListRange range = vector.At<ListRange>(row);
  to->push_back('[');
  for (uint32_t i = 0; i < range.length; ++i) {
    if (i > 0) to->append(", ");
    element(type.children()[0].type, *vector.children()[0], static_cast<int32_t>(range.offset + i));
  }
  to->push_back(']');
}

template <typename Element>
void AppendMap(const LogicalType& type, const Vector& vector, int32_t row, std::string* to,
               Element element) {
  const ListRange range = vector.At<ListRange>(row);
  const LogicalType value_type = type.kind() == TypeKind::kMultiset
                                     ? LogicalType(TypeKind::kInt, false)
                                     : type.children()[1].type;
  to->push_back('{');
  for (uint32_t i = 0; i < range.length; ++i) {
    const auto at = static_cast<int32_t>(range.offset + i);
    if (i > 0) to->append(", ");
    element(type.children()[0].type, *vector.children()[0], at);
    to->push_back('=');
    element(value_type, *vector.children()[1], at);
  }
  to->push_back('}');
}

template <typename Element>
void AppendFields(const LogicalType& type, const Vector& vector, int32_t row, std::string* to,
                  Element element) {
  const int32_t at = vector.PositionOf(row);
  for (size_t i = 0; i < type.children().size(); ++i) {
    if (i > 0) to->append(", ");
    element(type.children()[i].type, *vector.children()[i], at);
  }
}

Status NotA(std::string_view text) {
  return Status::User("For input string: '" + std::string(text) + "'.");
}

template <typename T>
Status ParseIntegerInto(std::string_view text, VectorBuilder* builder) {
  int64_t value = 0;
  const NumberParse parsed = ParseInteger(TrimSpaces(text), std::numeric_limits<T>::min(),
                                          std::numeric_limits<T>::max(), &value);
  if (parsed != NumberParse::kOk) {
    return Status::User("For input string: '" + std::string(TrimSpaces(text)) + "'. " +
                        Words(parsed));
  }
  builder->Append(static_cast<T>(value));
  return Status::Ok();
}

Status ParseTimestampInto(std::string_view text, TimeZone* zone, VectorBuilder* builder) {
  TimestampNanos time;
  if (!ParseTimestamp(text, builder->type().precision(), &time)) {
    return Status::User(WhyNotTimestamp(text));
  }
  if (builder->type().kind() == TypeKind::kTimestampLtz) time.ms = zone->ToUtc(time.ms);
  AppendTimestampTo(builder, time);
  return Status::Ok();
}

}  // namespace

TimestampNanos TimestampAt(const Vector& vector, int precision, int32_t row) {
  if (precision <= 3) return {vector.At<int64_t>(row), 0};
  if (precision <= 6) return TimestampFromMicros(vector.At<int64_t>(row));
  return vector.At<TimestampNanos>(row);
}

Int128 DecimalAt(const Vector& vector, int32_t row) {
  return vector.physical() == PhysicalType::kInt128 ? vector.At<Int128>(row)
                                                    : Int128{vector.At<int64_t>(row)};
}

void AppendTimestampTo(VectorBuilder* builder, TimestampNanos time) {
  const int precision = builder->type().precision();
  if (precision <= 3) {
    builder->Append(time.ms);
  } else if (precision <= 6) {
    builder->Append(MicrosOf(time));
  } else {
    builder->Append(time);
  }
}

void AppendDecimalTo(VectorBuilder* builder, Int128 unscaled) {
  if (builder->type().physical() == PhysicalType::kInt128) {
    builder->Append(unscaled);
  } else {
    builder->Append(static_cast<int64_t>(unscaled));
  }
}

void AppendCastText(const LogicalType& type, const Vector& vector, int32_t row, TimeZone* zone,
                    std::string* to) {
  if (vector.IsNull(row)) {
    to->append("NULL");
    return;
  }
  const auto element = [&](const LogicalType& t, const Vector& v, int32_t r) {
    AppendCastText(t, v, r, zone, to);
  };
  switch (type.kind()) {
    case TypeKind::kBoolean:
      to->append(vector.At<uint8_t>(row) != 0 ? "TRUE" : "FALSE");
      break;
    case TypeKind::kTinyInt:
    case TypeKind::kSmallInt:
    case TypeKind::kInt:
    case TypeKind::kBigInt:
      AppendInteger(IntegerAt(vector, row), to);
      break;
    case TypeKind::kFloat:
      AppendJavaFloat(vector.At<float>(row), to);
      break;
    case TypeKind::kDouble:
      AppendJavaDouble(vector.At<double>(row), to);
      break;
    case TypeKind::kDecimal:
      AppendDecimal(DecimalAt(vector, row), type.scale(), to);
      break;
    case TypeKind::kChar:
    case TypeKind::kVarChar:
      to->append(vector.At<StringRef>(row).view());
      break;
    case TypeKind::kBinary:
    case TypeKind::kVarBinary:
      AppendWellFormed(vector.At<StringRef>(row).view(), to);
      break;
    case TypeKind::kDate:
      AppendDate(vector.At<int32_t>(row), to);
      break;
    case TypeKind::kTime:
      AppendTime(vector.At<int32_t>(row), type.precision(), to);
      break;
    case TypeKind::kTimestamp:
      AppendTimestamp(TimestampAt(vector, type.precision(), row), type.precision(), to);
      break;
    case TypeKind::kTimestampLtz: {
      TimestampNanos time = TimestampAt(vector, type.precision(), row);
      time.ms = zone->ToLocal(time.ms);
      AppendTimestamp(time, type.precision(), to);
      break;
    }
    case TypeKind::kIntervalYearMonth:
      AppendIntervalYearMonth(vector.At<int32_t>(row), to);
      break;
    case TypeKind::kIntervalDayTime:
      AppendIntervalDayTime(vector.At<int64_t>(row), to);
      break;
    case TypeKind::kArray:
      AppendList(type, vector, row, to, element);
      break;
    case TypeKind::kMap:
    case TypeKind::kMultiset:
      AppendMap(type, vector, row, to, element);
      break;
    case TypeKind::kRow:
      to->push_back('(');
      AppendFields(type, vector, row, to, element);
      to->push_back(')');
      break;
    case TypeKind::kNull:
      to->append("NULL");
      break;
  }
}

void PrintValue(const LogicalType& type, const Vector& vector, int32_t row, std::string* to) {
  if (vector.IsNull(row)) {
    to->append("null");
    return;
  }
  const auto element = [&](const LogicalType& t, const Vector& v, int32_t r) {
    PrintValue(t, v, r, to);
  };
  switch (type.kind()) {
    case TypeKind::kBoolean:
      to->append(vector.At<uint8_t>(row) != 0 ? "true" : "false");
      break;
    case TypeKind::kDecimal:
      AppendJavaBigDecimal(DecimalAt(vector, row), type.scale(), to);
      break;
    case TypeKind::kBinary:
    case TypeKind::kVarBinary:
      AppendJavaBytes(vector.At<StringRef>(row).view(), to);
      break;
    case TypeKind::kDate:
      AppendLocalDate(vector.At<int32_t>(row), to);
      break;
    case TypeKind::kTime:
      AppendLocalTime(vector.At<int32_t>(row), to);
      break;
    case TypeKind::kTimestamp:
      AppendLocalDateTime(TimestampAt(vector, type.precision(), row), to);
      break;
    case TypeKind::kTimestampLtz:
      AppendInstant(TimestampAt(vector, type.precision(), row), to);
      break;
    case TypeKind::kIntervalYearMonth:
      AppendPeriod(vector.At<int32_t>(row), to);
      break;
    case TypeKind::kIntervalDayTime:
      AppendDuration(vector.At<int64_t>(row), to);
      break;
    case TypeKind::kArray:
      AppendList(type, vector, row, to, element);
      break;
    case TypeKind::kMap:
    case TypeKind::kMultiset:
      AppendMap(type, vector, row, to, element);
      break;
    case TypeKind::kRow:
      to->append("+I[");
      AppendFields(type, vector, row, to, element);
      to->push_back(']');
      break;
    case TypeKind::kNull:
      to->append("null");
      break;
    default:
      AppendCastText(type, vector, row, nullptr, to);
      break;  // numbers, strings: the same
  }
}

void PrintRow(const RowType& type, const Batch& batch, int32_t physical_row, std::string* to) {
  to->append(ShortString(batch.KindAt(physical_row)));
  to->push_back('[');
  for (int i = 0; i < batch.num_columns(); ++i) {
    if (i > 0) to->append(", ");
    PrintValue(type[static_cast<size_t>(i)].type, batch.column(i), physical_row, to);
  }
  to->push_back(']');
}

Status ParseValue(std::string_view text, TimeZone* zone, VectorBuilder* builder) {
  const LogicalType& type = builder->type();
  switch (type.kind()) {
    case TypeKind::kBoolean: {
      bool value = false;
      if (!ParseBoolean(text, &value)) {
        return Status::User("Cannot parse '" + std::string(text) + "' as BOOLEAN.");
      }
      builder->Append(static_cast<uint8_t>(value));
      return Status::Ok();
    }
    case TypeKind::kTinyInt:
      return ParseIntegerInto<int8_t>(text, builder);
    case TypeKind::kSmallInt:
      return ParseIntegerInto<int16_t>(text, builder);
    case TypeKind::kInt:
      return ParseIntegerInto<int32_t>(text, builder);
    case TypeKind::kBigInt:
      return ParseIntegerInto<int64_t>(text, builder);
    case TypeKind::kFloat: {
      float value = 0;
      if (!ParseJavaFloat(text, &value)) return NotA(text);
      builder->Append(value);
      return Status::Ok();
    }
    case TypeKind::kDouble: {
      double value = 0;
      if (!ParseJavaDouble(text, &value)) return NotA(text);
      builder->Append(value);
      return Status::Ok();
    }
    case TypeKind::kDecimal: {
      Int128 value = 0;
      const std::string_view trimmed = TrimSpaces(text);
      if (ParseDecimal(trimmed, type.precision(), type.scale(), &value) != DecimalParse::kOk) {
        // Flink says so for a malformed number too.
        return Status::User("For input string: '" + std::string(trimmed) + "'. Overflow.");
      }
      AppendDecimalTo(builder, value);
      return Status::Ok();
    }
    case TypeKind::kChar:
    case TypeKind::kVarChar: {
      const std::string_view cut = TakeCodePoints(text, type.length());
      if (type.kind() == TypeKind::kChar) {
        const int32_t missing = type.length() - CountCodePoints(cut);
        if (missing > 0) {
          builder->AppendString(std::string(cut) + std::string(static_cast<size_t>(missing), ' '));
          return Status::Ok();
        }
      }
      builder->AppendString(cut);
      return Status::Ok();
    }
    case TypeKind::kBinary:
    case TypeKind::kVarBinary:
      builder->AppendString(text);
      return Status::Ok();
    case TypeKind::kDate: {
      int32_t days = 0;
      if (!ParseDate(text, &days)) return NotA(text);
      builder->Append(days);
      return Status::Ok();
    }
    case TypeKind::kTime: {
      int32_t ms = 0;
      if (!ParseTime(text, &ms)) return Status::User(WhyNotTime(text));
      builder->Append(ms);
      return Status::Ok();
    }
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampLtz:
      return ParseTimestampInto(text, zone, builder);
    case TypeKind::kIntervalYearMonth: {
      int64_t months = 0;
      if (ParseInteger(text, INT32_MIN, INT32_MAX, &months) != NumberParse::kOk) return NotA(text);
      builder->Append(static_cast<int32_t>(months));
      return Status::Ok();
    }
    case TypeKind::kIntervalDayTime: {
      int64_t ms = 0;
      if (ParseInteger(text, INT64_MIN, INT64_MAX, &ms) != NumberParse::kOk) return NotA(text);
      builder->Append(ms);
      return Status::Ok();
    }
    default:
      return Status::User("values of this type can't be read from text: " + type.ToString());
  }
}

}  // namespace millrace::runtime
