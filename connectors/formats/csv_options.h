#pragma once

#include <optional>
#include <string>

#include "runtime/api/option_table.h"
#include "runtime/types/logical_type.h"

namespace millrace::connectors {

// Options of the csv format, read. Special characters are single bytes; -1: none.
struct CsvOptions {
  char delimiter = ',';
  int quote = '"';
  int escape = -1;
  bool allow_comments = false;
  bool ignore_parse_errors = false;
  std::string array_delimiter = ";";
  std::optional<std::string> null_literal;
  bool scientific_decimals = true;
  bool trim_spaces = false;
  bool ignore_trailing_unmappable = false;
  bool allow_trailing_comma = true;
  bool fail_on_missing_columns = false;
  bool empty_string_as_null = false;

  static runtime::OptionTable Table();
  static runtime::Result<CsvOptions> From(const runtime::Options& options);
};

// Fails with kUser for a type that CSV can't hold: maps, and lists or rows within lists or rows.
runtime::Status CheckCsvType(const std::string& column, const runtime::LogicalType& type);

}  // namespace millrace::connectors
