#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/types/status.h"

namespace millrace::runtime {

// Flink's logical types (org.apache.flink.table.types.logical.LogicalTypeRoot).
enum class TypeKind : uint8_t {
  kBoolean,
  kTinyInt,
  kSmallInt,
  kInt,
  kBigInt,
  kFloat,
  kDouble,
  kDecimal,
  kChar,
  kVarChar,
  kBinary,
  kVarBinary,
  kDate,
  kTime,
  kTimestamp,
  kTimestampLtz,
  kIntervalYearMonth,
  kIntervalDayTime,
  kArray,
  kMap,
  kMultiset,
  kRow,
  kNull,
};

// How values of a type lie in a vector.
enum class PhysicalType : uint8_t {
  kBool,       // one byte, 0 or 1
  kInt8,
  kInt16,
  kInt32,      // INT, DATE (days since 1970-01-01), TIME (ms of the day), INTERVAL YEAR TO MONTH
  kInt64,      // BIGINT, DECIMAL(p <= 18), TIMESTAMP(p <= 3) in ms, TIMESTAMP(p <= 6) in us,
               // INTERVAL DAY TO SECOND in ms
  kInt128,     // DECIMAL(p > 18)
  kFloat,
  kDouble,
  kString,     // StringRef: CHAR, VARCHAR, BINARY, VARBINARY
  kTimestamp,  // TimestampNanos: TIMESTAMP(p > 6)
  kArray,      // ListRange into child 0
  kMap,        // ListRange into children 0 (keys) and 1 (values); MULTISET: counts are the values
  kRow,        // children only
};

// Whether a TIMESTAMP is a time attribute of its table.
enum class TimeAttribute : uint8_t { kNone, kRowtime, kProctime };

class LogicalType;
struct Field;

// Describes a SQL type with its nullability. A value type, cheap to copy.
class LogicalType {
 public:
  static constexpr int32_t kMaxLength = 2147483647;

  LogicalType() = default;
  explicit LogicalType(TypeKind kind, bool nullable = true) : kind_(kind), nullable_(nullable) {}
  static LogicalType Decimal(int precision, int scale);
  static LogicalType Char(int32_t length);
  static LogicalType VarChar(int32_t length = kMaxLength);
  static LogicalType Binary(int32_t length);
  static LogicalType VarBinary(int32_t length = kMaxLength);
  static LogicalType Time(int precision);
  static LogicalType Timestamp(int precision);
  static LogicalType TimestampLtz(int precision);
  static LogicalType Array(LogicalType element);
  static LogicalType Map(LogicalType key, LogicalType value);
  static LogicalType Multiset(LogicalType element);
  static LogicalType Row(std::vector<Field> fields);

  // Reads Flink's serializable string: "BIGINT NOT NULL", "DECIMAL(10, 2)",
  // "ROW<`a` INT, `b` VARCHAR(2147483647)>", "TIMESTAMP(3) *ROWTIME*".
  static Result<LogicalType> Parse(std::string_view text);
  // Writes the same form.
  std::string ToString() const;

  TypeKind kind() const { return kind_; }
  bool nullable() const { return nullable_; }
  LogicalType AsNullable(bool nullable = true) const;
  TimeAttribute time_attribute() const { return time_attribute_; }
  LogicalType WithTimeAttribute(TimeAttribute attribute) const;
  // Digits of DECIMAL, fractional digits of TIME and TIMESTAMP.
  int precision() const { return precision_; }
  int scale() const { return scale_; }
  // Characters of CHAR and VARCHAR, bytes of BINARY and VARBINARY.
  int32_t length() const { return length_; }
  // Element; key and value; fields.
  const std::vector<Field>& children() const;

  PhysicalType physical() const;
  bool is_string() const { return kind_ == TypeKind::kChar || kind_ == TypeKind::kVarChar; }
  bool is_binary() const { return kind_ == TypeKind::kBinary || kind_ == TypeKind::kVarBinary; }
  bool is_integer() const { return kind_ >= TypeKind::kTinyInt && kind_ <= TypeKind::kBigInt; }
  bool is_numeric() const { return kind_ >= TypeKind::kTinyInt && kind_ <= TypeKind::kDecimal; }
  bool is_timestamp() const {
    return kind_ == TypeKind::kTimestamp || kind_ == TypeKind::kTimestampLtz;
  }

  // Equality ignores the time attribute, as Flink's does in plans. SameExceptNull also nullability.
  bool operator==(const LogicalType& other) const;
  bool SameExceptNull(const LogicalType& other) const;

 private:
  static LogicalType WithLength(TypeKind kind, int32_t length);
  static LogicalType WithPrecision(TypeKind kind, int precision);
  static LogicalType Nested(TypeKind kind, std::vector<Field> children);

  TypeKind kind_ = TypeKind::kNull;
  bool nullable_ = true;
  TimeAttribute time_attribute_ = TimeAttribute::kNone;
  int8_t precision_ = 0;
  int8_t scale_ = 0;
  int32_t length_ = 0;
  std::shared_ptr<const std::vector<Field>> children_;
};

struct Field {
  std::string name;
  LogicalType type;
  bool operator==(const Field&) const = default;
};

// Names and types of the columns of a batch.
using RowType = std::vector<Field>;

// Bytes of one value in a flat vector; 0 for kRow.
size_t WidthOf(PhysicalType type);

}  // namespace millrace::runtime
