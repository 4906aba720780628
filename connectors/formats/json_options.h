#pragma once

#include <string>

#include "runtime/api/option_table.h"
#include "runtime/types/logical_type.h"

namespace millrace::connectors {

enum class NullMapKeys : uint8_t { kFail, kDrop, kLiteral };

// Options of the json format, read.
struct JsonOptions {
  bool fail_on_missing_field = false;
  bool ignore_parse_errors = false;
  bool iso_timestamps = false;
  NullMapKeys null_map_keys = NullMapKeys::kFail;
  std::string null_map_key_literal;
  bool plain_decimals = false;
  bool ignore_null_fields = false;

  static runtime::OptionTable Table();
  static runtime::Result<JsonOptions> From(const runtime::Options& options);
};

// Fails with kUser for a type that JSON can't hold (a map whose keys are no strings), also within.
runtime::Status CheckJsonType(const std::string& column, const runtime::LogicalType& type);

}  // namespace millrace::connectors
