#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "runtime/types/logical_type.h"
#include "runtime/types/vector.h"

namespace millrace::operators {

// One range of a SEARCH argument. A missing bound is open to infinity.
struct SearchRange {
  runtime::VectorPtr lower;  // one row; null: none
  runtime::VectorPtr upper;
  bool lower_closed = false;
  bool upper_closed = false;
};

// The argument of SEARCH (Calcite's Sarg): ascending, disjoint ranges.
struct SearchRanges {
  std::vector<SearchRange> ranges;
  runtime::LogicalType type;  // of the bounds
  enum class NullAs : uint8_t { kTrue, kFalse, kUnknown } null_as = NullAs::kUnknown;
};

// A row expression of a compiled plan (Flink's RexNodeJsonSerializer), checked and typed.
struct Rex {
  enum class Kind : uint8_t { kInput, kLiteral, kCall, kField };
  Kind kind = Kind::kLiteral;
  runtime::LogicalType type;
  int input = -1;                              // kInput: the column
  runtime::VectorPtr literal;                  // kLiteral: one row
  std::string symbol;                          // kLiteral of a symbol
  std::shared_ptr<const SearchRanges> ranges;  // kLiteral of a SEARCH argument
  std::string name;                            // kCall: "UPPER"; kField: the field
  std::vector<Rex> operands;                   // kField: one
  int field = -1;
};

// Reads the JSON form of a type: a string, or an object for time attributes and symbols.
runtime::Result<runtime::LogicalType> ParseTypeJson(const nlohmann::json& json);
// Reads an expression over a row. Errors name the part that is wrong.
runtime::Result<Rex> ParseRex(const nlohmann::json& json, const runtime::RowType& input);
// Writes it for messages and descriptions: "CAST(b AS INT)", "(a > 1)".
std::string ToText(const Rex& rex, const runtime::RowType& input);

}  // namespace millrace::operators
