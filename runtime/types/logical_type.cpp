#include "runtime/types/logical_type.h"

#include <cctype>
#include <charconv>

#include "runtime/types/value_types.h"

namespace millrace::runtime {

namespace {

struct SimpleType {
  const char* name;
  TypeKind kind;
};
constexpr SimpleType kSimpleTypes[] = {
    {"BOOLEAN", TypeKind::kBoolean}, {"TINYINT", TypeKind::kTinyInt},
    {"SMALLINT", TypeKind::kSmallInt}, {"INTEGER", TypeKind::kInt}, {"INT", TypeKind::kInt},
    {"BIGINT", TypeKind::kBigInt},   {"FLOAT", TypeKind::kFloat},
    {"DOUBLE", TypeKind::kDouble},   {"DATE", TypeKind::kDate},     {"NULL", TypeKind::kNull}};

// Reads a type from text by recursive descent.
class TypeParser {
 public:
  explicit TypeParser(std::string_view text) : text_(text) {}

  Result<LogicalType> ParseAll() {
    ASSIGN_OR_RETURN(LogicalType type, ParseType());
    SkipSpace();
    if (at_ != text_.size()) return Wrong("end of the type");
    return type;
  }

 private:
  Status Wrong(std::string_view expected) const {
    return Status::User("type is not understood, expected " + std::string(expected) +
                        " at character " + std::to_string(at_ + 1) + ": " + std::string(text_));
  }
  void SkipSpace() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool Take(std::string_view symbol) {
    SkipSpace();
    if (text_.substr(at_, symbol.size()) != symbol) return false;
    at_ += symbol.size();
    return true;
  }
  std::string_view PeekWord() {
    SkipSpace();
    size_t end = at_;
    while (end < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[end])) || text_[end] == '_')) {
      ++end;
    }
    return text_.substr(at_, end - at_);
  }
  bool TakeWord(std::string_view word) {
    if (PeekWord() != word) return false;
    at_ += word.size();
    return true;
  }
  Result<int> ParseNumber() {
    SkipSpace();
    int number = 0;
    auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), number);
    if (error != std::errc()) return Wrong("a number");
    at_ = static_cast<size_t>(end - text_.data());
    return number;
  }
  // "(n)" or the default.
  Result<int> ParseLength(int by_default) {
    if (!Take("(")) return by_default;
    ASSIGN_OR_RETURN(int length, ParseNumber());
    if (!Take(")")) return Wrong("')'");
    return length;
  }
  Result<std::string> ParseName() {
    SkipSpace();
    std::string name;
    if (Take("`")) {
      while (at_ < text_.size()) {
        if (text_[at_] == '`') {
          if (at_ + 1 < text_.size() && text_[at_ + 1] == '`') {
            ++at_;
          } else {
            ++at_;
            return name;
          }
        }
        name += text_[at_++];
      }
      return Wrong("a closing backtick");
    }
    name = std::string(PeekWord());
    at_ += name.size();
    if (name.empty()) return Wrong("a field name");
    return name;
  }
  void SkipComment() {
    if (!Take("'")) return;
    while (at_ < text_.size()) {
      if (text_[at_] == '\'') {
        ++at_;
        if (at_ >= text_.size() || text_[at_] != '\'') return;
      }
      ++at_;
    }
  }

  Result<LogicalType> ParseInterval() {
    // Resolutions are not kept: values of one family have one form.
    bool year_month = false;
    if (TakeWord("YEAR") || TakeWord("MONTH")) {
      year_month = true;
    } else if (!(TakeWord("DAY") || TakeWord("HOUR") || TakeWord("MINUTE") || TakeWord("SECOND"))) {
      return Wrong("YEAR, MONTH, DAY, HOUR, MINUTE or SECOND");
    }
    ASSIGN_OR_RETURN([[maybe_unused]] int digits, ParseLength(2));
    if (TakeWord("TO")) {
      const std::string_view unit = PeekWord();
      at_ += unit.size();
      ASSIGN_OR_RETURN([[maybe_unused]] int fraction, ParseLength(3));
    }
    return LogicalType(year_month ? TypeKind::kIntervalYearMonth : TypeKind::kIntervalDayTime);
  }

  Result<LogicalType> ParseUnmarked() {
    for (const SimpleType& simple : kSimpleTypes) {
      if (TakeWord(simple.name)) {
        if (simple.kind == TypeKind::kDouble) TakeWord("PRECISION");
        return LogicalType(simple.kind);
      }
    }
    if (TakeWord("DECIMAL") || TakeWord("DEC") || TakeWord("NUMERIC")) {
      int precision = 10, scale = 0;
      if (Take("(")) {
        ASSIGN_OR_RETURN(precision, ParseNumber());
        if (Take(",")) {
          ASSIGN_OR_RETURN(scale, ParseNumber());
        }
        if (!Take(")")) return Wrong("')'");
      }
      if (precision < 1 || precision > 38 || scale < 0 || scale > precision) {
        return Wrong("a precision of 1 to 38 and a scale of 0 to the precision");
      }
      return LogicalType::Decimal(precision, scale);
    }
    if (TakeWord("STRING")) return LogicalType::VarChar();
    if (TakeWord("BYTES")) return LogicalType::VarBinary();
    if (TakeWord("VARCHAR")) {
      ASSIGN_OR_RETURN(int length, ParseLength(1));
      return LogicalType::VarChar(length);
    }
    if (TakeWord("CHAR")) {
      ASSIGN_OR_RETURN(int length, ParseLength(1));
      return LogicalType::Char(length);
    }
    if (TakeWord("VARBINARY")) {
      ASSIGN_OR_RETURN(int length, ParseLength(1));
      return LogicalType::VarBinary(length);
    }
    if (TakeWord("BINARY")) {
      ASSIGN_OR_RETURN(int length, ParseLength(1));
      return LogicalType::Binary(length);
    }
    if (TakeWord("TIMESTAMP_LTZ")) {
      ASSIGN_OR_RETURN(int precision, ParseLength(6));
      return LogicalType::TimestampLtz(precision);
    }
    if (TakeWord("TIMESTAMP")) {
      ASSIGN_OR_RETURN(int precision, ParseLength(6));
      bool local = false;
      if (TakeWord("WITH")) {
        local = TakeWord("LOCAL");
        if (!local || !TakeWord("TIME") || !TakeWord("ZONE")) return Wrong("LOCAL TIME ZONE");
      } else if (TakeWord("WITHOUT")) {
        if (!TakeWord("TIME") || !TakeWord("ZONE")) return Wrong("TIME ZONE");
      }
      return local ? LogicalType::TimestampLtz(precision) : LogicalType::Timestamp(precision);
    }
    if (TakeWord("TIME")) {
      ASSIGN_OR_RETURN(int precision, ParseLength(0));
      return LogicalType::Time(precision);
    }
    if (TakeWord("INTERVAL")) return ParseInterval();
    if (TakeWord("ARRAY") || PeekWord() == "MULTISET") {
      const bool multiset = TakeWord("MULTISET");
      if (!Take("<")) return Wrong("'<'");
      ASSIGN_OR_RETURN(LogicalType element, ParseType());
      if (!Take(">")) return Wrong("'>'");
      if (multiset) return LogicalType::Multiset(element);
      return LogicalType::Array(element);
    }
    if (TakeWord("MAP")) {
      if (!Take("<")) return Wrong("'<'");
      ASSIGN_OR_RETURN(LogicalType key, ParseType());
      if (!Take(",")) return Wrong("','");
      ASSIGN_OR_RETURN(LogicalType value, ParseType());
      if (!Take(">")) return Wrong("'>'");
      return LogicalType::Map(key, value);
    }
    if (TakeWord("ROW")) {
      const bool angle = Take("<");
      if (!angle && !Take("(")) return Wrong("'<'");
      std::vector<Field> fields;
      while (!Take(angle ? ">" : ")")) {
        if (!fields.empty() && !Take(",")) return Wrong("',' or the end of the row");
        ASSIGN_OR_RETURN(std::string name, ParseName());
        ASSIGN_OR_RETURN(LogicalType type, ParseType());
        SkipComment();
        fields.push_back({std::move(name), std::move(type)});
      }
      return LogicalType::Row(std::move(fields));
    }
    return Wrong("a type that Millrace knows");
  }

  Result<LogicalType> ParseType() {
    ASSIGN_OR_RETURN(LogicalType type, ParseUnmarked());
    if (TakeWord("NOT")) {
      if (!TakeWord("NULL")) return Wrong("NULL");
      type = type.AsNullable(false);
    } else {
      TakeWord("NULL");
    }
    if (Take("*ROWTIME*")) type = type.WithTimeAttribute(TimeAttribute::kRowtime);
    if (Take("*PROCTIME*")) type = type.WithTimeAttribute(TimeAttribute::kProctime);
    return type;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

LogicalType LogicalType::Decimal(int precision, int scale) {
  LogicalType type(TypeKind::kDecimal);
  type.precision_ = static_cast<int8_t>(precision);
  type.scale_ = static_cast<int8_t>(scale);
  return type;
}
LogicalType LogicalType::WithLength(TypeKind kind, int32_t length) {
  LogicalType type(kind);
  type.length_ = length;
  return type;
}
LogicalType LogicalType::WithPrecision(TypeKind kind, int precision) {
  LogicalType type(kind);
  type.precision_ = static_cast<int8_t>(precision);
  return type;
}
LogicalType LogicalType::Nested(TypeKind kind, std::vector<Field> children) {
  LogicalType type(kind);
  type.children_ = std::make_shared<const std::vector<Field>>(std::move(children));
  return type;
}
LogicalType LogicalType::Char(int32_t length) { return WithLength(TypeKind::kChar, length); }
LogicalType LogicalType::VarChar(int32_t length) { return WithLength(TypeKind::kVarChar, length); }
LogicalType LogicalType::Binary(int32_t length) { return WithLength(TypeKind::kBinary, length); }
LogicalType LogicalType::VarBinary(int32_t length) {
  return WithLength(TypeKind::kVarBinary, length);
}
LogicalType LogicalType::Time(int precision) { return WithPrecision(TypeKind::kTime, precision); }
LogicalType LogicalType::Timestamp(int precision) {
  return WithPrecision(TypeKind::kTimestamp, precision);
}
LogicalType LogicalType::TimestampLtz(int precision) {
  return WithPrecision(TypeKind::kTimestampLtz, precision);
}
LogicalType LogicalType::Array(LogicalType element) {
  return Nested(TypeKind::kArray, {{"element", std::move(element)}});
}
LogicalType LogicalType::Map(LogicalType key, LogicalType value) {
  return Nested(TypeKind::kMap, {{"key", std::move(key)}, {"value", std::move(value)}});
}
LogicalType LogicalType::Multiset(LogicalType element) {
  return Nested(TypeKind::kMultiset, {{"element", std::move(element)},
                                      {"count", LogicalType(TypeKind::kInt, false)}});
}
LogicalType LogicalType::Row(std::vector<Field> fields) {
  return Nested(TypeKind::kRow, std::move(fields));
}

Result<LogicalType> LogicalType::Parse(std::string_view text) {
  return TypeParser(text).ParseAll();
}

std::string LogicalType::ToString() const {
  std::string text;
  switch (kind_) {
    case TypeKind::kDecimal:
      text = "DECIMAL(" + std::to_string(precision_) + ", " + std::to_string(scale_) + ")";
      break;
    case TypeKind::kChar: text = "CHAR(" + std::to_string(length_) + ")"; break;
    case TypeKind::kVarChar: text = "VARCHAR(" + std::to_string(length_) + ")"; break;
    case TypeKind::kBinary: text = "BINARY(" + std::to_string(length_) + ")"; break;
    case TypeKind::kVarBinary: text = "VARBINARY(" + std::to_string(length_) + ")"; break;
    case TypeKind::kTime: text = "TIME(" + std::to_string(precision_) + ")"; break;
    case TypeKind::kTimestamp: text = "TIMESTAMP(" + std::to_string(precision_) + ")"; break;
    case TypeKind::kTimestampLtz:
      text = "TIMESTAMP(" + std::to_string(precision_) + ") WITH LOCAL TIME ZONE";
      break;
    case TypeKind::kIntervalYearMonth: text = "INTERVAL YEAR(4) TO MONTH"; break;
    case TypeKind::kIntervalDayTime: text = "INTERVAL DAY(2) TO SECOND(3)"; break;
    case TypeKind::kArray: text = "ARRAY<" + children()[0].type.ToString() + ">"; break;
    case TypeKind::kMultiset: text = "MULTISET<" + children()[0].type.ToString() + ">"; break;
    case TypeKind::kMap:
      text = "MAP<" + children()[0].type.ToString() + ", " + children()[1].type.ToString() + ">";
      break;
    case TypeKind::kRow:
      text = "ROW<";
      for (const Field& field : children()) {
        if (text.size() > 4) text += ", ";
        text += '`';
        for (char c : field.name) {
          if (c == '`') text += '`';
          text += c;
        }
        text += "` " + field.type.ToString();
      }
      text += ">";
      break;
    default:
      for (const SimpleType& simple : kSimpleTypes) {
        if (simple.kind == kind_) text = simple.name;
      }
  }
  if (!nullable_) text += " NOT NULL";
  if (time_attribute_ == TimeAttribute::kRowtime) text += " *ROWTIME*";
  if (time_attribute_ == TimeAttribute::kProctime) text += " *PROCTIME*";
  return text;
}

LogicalType LogicalType::AsNullable(bool nullable) const {
  LogicalType type = *this;
  type.nullable_ = nullable;
  return type;
}
LogicalType LogicalType::WithTimeAttribute(TimeAttribute attribute) const {
  LogicalType type = *this;
  type.time_attribute_ = attribute;
  return type;
}

const std::vector<Field>& LogicalType::children() const {
  static const std::vector<Field>* none = new std::vector<Field>();
  return children_ == nullptr ? *none : *children_;
}

PhysicalType LogicalType::physical() const {
  switch (kind_) {
    case TypeKind::kBoolean:
    case TypeKind::kNull: return PhysicalType::kBool;
    case TypeKind::kTinyInt: return PhysicalType::kInt8;
    case TypeKind::kSmallInt: return PhysicalType::kInt16;
    case TypeKind::kInt:
    case TypeKind::kDate:
    case TypeKind::kTime:
    case TypeKind::kIntervalYearMonth: return PhysicalType::kInt32;
    case TypeKind::kBigInt:
    case TypeKind::kIntervalDayTime: return PhysicalType::kInt64;
    case TypeKind::kFloat: return PhysicalType::kFloat;
    case TypeKind::kDouble: return PhysicalType::kDouble;
    case TypeKind::kDecimal: return precision_ <= 18 ? PhysicalType::kInt64 : PhysicalType::kInt128;
    case TypeKind::kChar:
    case TypeKind::kVarChar:
    case TypeKind::kBinary:
    case TypeKind::kVarBinary: return PhysicalType::kString;
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampLtz:
      return precision_ <= 6 ? PhysicalType::kInt64 : PhysicalType::kTimestamp;
    case TypeKind::kArray: return PhysicalType::kArray;
    case TypeKind::kMap:
    case TypeKind::kMultiset: return PhysicalType::kMap;
    case TypeKind::kRow: return PhysicalType::kRow;
  }
  return PhysicalType::kBool;
}

bool LogicalType::operator==(const LogicalType& other) const {
  return nullable_ == other.nullable_ && SameExceptNull(other);
}

bool LogicalType::SameExceptNull(const LogicalType& other) const {
  if (kind_ != other.kind_ || precision_ != other.precision_ || scale_ != other.scale_ ||
      length_ != other.length_ || children().size() != other.children().size()) {
    return false;
  }
  for (size_t i = 0; i < children().size(); ++i) {
    if (!children()[i].type.SameExceptNull(other.children()[i].type)) return false;
  }
  return true;
}

size_t WidthOf(PhysicalType type) {
  switch (type) {
    case PhysicalType::kBool:
    case PhysicalType::kInt8: return 1;
    case PhysicalType::kInt16: return 2;
    case PhysicalType::kInt32:
    case PhysicalType::kFloat: return 4;
    case PhysicalType::kInt64:
    case PhysicalType::kDouble:
    case PhysicalType::kArray:
    case PhysicalType::kMap: return 8;
    case PhysicalType::kInt128:
    case PhysicalType::kString:
    case PhysicalType::kTimestamp: return 16;
    case PhysicalType::kRow: return 0;
  }
  return 0;
}

const char* ShortString(RowKind kind) {
  switch (kind) {
    case RowKind::kInsert: return "+I";
    case RowKind::kUpdateBefore: return "-U";
    case RowKind::kUpdateAfter: return "+U";
    case RowKind::kDelete: return "-D";
  }
  return "??";
}

}  // namespace millrace::runtime
