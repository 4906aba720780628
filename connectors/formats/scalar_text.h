#pragma once

#include <string>
#include <string_view>

#include "runtime/types/vector.h"

namespace millrace::connectors {

// How a format writes dates and times in text.
enum class TimeText : uint8_t {
  kSql,  // 'timestamp-format.standard' SQL: "2013-01-01 05:15:00.5", LTZ with a Z
  kIso,  // ISO-8601: "2013-01-01T05:15:00.5"
  kCsv,  // SQL timestamps; dates as java.sql.Date reads them ("2013-1-1"), times with or without seconds
};

// Reads one value that is not nested as Flink's JSON and CSV formats read it from a text (by Java's
// parseInt, parseBoolean, BigDecimal ...) and appends it to `builder`, whose type says what it is.
// Returns null, or in words what the text is not; nothing is appended then. A DECIMAL with too many
// digits is NULL, as Flink's. LTZ is UTC: these formats know no session zone. BINARY is base64.
const char* AppendFromText(std::string_view text, TimeText time_text,
                           runtime::VectorBuilder* builder);

// Appends NULL to any builder. (For lists unlike VectorBuilder::AppendNull with an offset, so that
// VectorBuilder::Truncate to right behind it keeps the children.)
void AppendNullTo(runtime::VectorBuilder* builder);

// Appends a value that is not nested as these formats write it, without quotes. REQUIRES: not NULL,
// not DECIMAL. Strings and binary as they are.
void AppendScalarText(const runtime::LogicalType& type, const runtime::Vector& vector, int32_t row,
                      TimeText time_text, std::string* to);

// Appends a DECIMAL as java.math.BigDecimal writes it: plain with all fractional digits, or
// stripTrailingZeros().toString(), which may have an exponent ("1E+2").
void AppendPlainDecimal(runtime::Int128 unscaled, int scale, std::string* to);
void AppendStrippedDecimal(runtime::Int128 unscaled, int scale, std::string* to);

}  // namespace millrace::connectors
