#pragma once

#include <string>
#include <string_view>

#include "runtime/types/batch.h"
#include "runtime/types/text/time_zone.h"
#include "runtime/types/vector.h"

namespace millrace::runtime {

// Reads a TIMESTAMP or TIMESTAMP_LTZ of any precision. REQUIRES: not NULL.
TimestampNanos TimestampAt(const Vector& vector, int precision, int32_t row);
// Reads a DECIMAL of either width. REQUIRES: not NULL.
Int128 DecimalAt(const Vector& vector, int32_t row);
// Appends values in a column's own width.
void AppendTimestampTo(VectorBuilder* builder, TimestampNanos time);
void AppendDecimalTo(VectorBuilder* builder, Int128 unscaled);

// Appends what CAST(value AS STRING) gives: "TRUE", "2020-01-31 10:00:00.000", "[1, NULL]",
// "{a=1}", "(1, a)"; NULL is "NULL". LTZ in the wall clock of `zone`.
void AppendCastText(const LogicalType& type, const Vector& vector, int32_t row, TimeZone* zone,
                    std::string* to);

// Appends what a field of Flink's external Row shows (the print connector, test expectations):
// "true", "2020-01-31T10:00", "[1, 2]" for bytes, "+I[1, a]" for a nested row, "0E-18"; NULL is
// "null". LTZ in UTC with a Z.
void PrintValue(const LogicalType& type, const Vector& vector, int32_t row, std::string* to);
// Appends "+I[1, a]". `physical_row` is a position in the columns.
void PrintRow(const RowType& type, const Batch& batch, int32_t physical_row, std::string* to);

// Reads a value as CAST from a string does and appends it to `builder`, whose type says what it is.
// Nested types are not read. kUser with Flink's words if the text is not such a value; DECIMAL
// overflow is an error too, as in Flink's CAST. LTZ is read in `zone`. CHAR and VARCHAR are cut and
// padded. BINARY takes the bytes as they are.
Status ParseValue(std::string_view text, TimeZone* zone, VectorBuilder* builder);

}  // namespace millrace::runtime
