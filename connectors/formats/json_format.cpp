#include "connectors/formats/format_factory.h"
#include "connectors/formats/json_decoder.h"
#include "connectors/formats/json_encoder.h"
#include "connectors/formats/json_options.h"

namespace millrace::connectors {
namespace {

using runtime::LogicalType;
using runtime::Options;
using runtime::OptionSpec;
using runtime::OptionType;
using runtime::Result;
using runtime::Status;
using runtime::TypeKind;

constexpr OptionSpec kOptions[] = {
    {"fail-on-missing-field", OptionType::kBool, "false",
     "Whether a record without one of the columns is an error; otherwise the column is NULL."},
    {"ignore-parse-errors", OptionType::kBool, "false",
     "Whether fields that can't be read become NULL and records that can't be read are left out, "
     "instead of failing the job."},
    {"timestamp-format.standard", OptionType::kEnum, "SQL",
     "How timestamps are written: SQL is 2013-01-01 05:15:00.123, ISO-8601 is "
     "2013-01-01T05:15:00.123; TIMESTAMP_LTZ has a Z behind.",
     "SQL,ISO-8601"},
    {"map-null-key.mode", OptionType::kEnum, "FAIL",
     "What writing a map with a NULL key does: FAIL, DROP the entry, or write the LITERAL that "
     "'map-null-key.literal' gives.",
     "FAIL,DROP,LITERAL"},
    {"map-null-key.literal", OptionType::kString, "null",
     "The key that stands for NULL where 'map-null-key.mode' is LITERAL."},
    {"encode.decimal-as-plain-number", OptionType::kBool, "false",
     "Whether decimals are written with all their digits (0.000000027) or may have an exponent "
     "(2.7E-8)."},
    {"encode.ignore-null-fields", OptionType::kBool, "false",
     "Whether fields that are NULL are left out of what is written."},
    {"decode.json-parser.enabled", OptionType::kBool, "true",
     "Which of two parsers Flink uses; has no effect here.", "", false, false, true},
};

Result<std::unique_ptr<Decoder>> MakeJsonDecoder(const DecoderSpec& spec, const Options& values) {
  ASSIGN_OR_RETURN(const JsonOptions options, JsonOptions::From(values));
  if (options.fail_on_missing_field && options.ignore_parse_errors) {
    return Status::User("fail-on-missing-field and ignore-parse-errors shouldn't both be true.");
  }
  for (const runtime::Field& field : spec.record) {
    RETURN_IF_ERROR(CheckJsonType(field.name, field.type));
  }
  return MakeJsonDecoder(spec, options);
}

Result<std::unique_ptr<Encoder>> MakeJsonEncoder(const EncoderSpec& spec, const Options& values) {
  ASSIGN_OR_RETURN(const JsonOptions options, JsonOptions::From(values));
  for (const runtime::Field& field : spec.record) {
    RETURN_IF_ERROR(CheckJsonType(field.name, field.type));
  }
  return MakeJsonEncoder(spec, options);
}

std::string Upper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  }
  return text;
}

}  // namespace

runtime::OptionTable JsonOptions::Table() { return kOptions; }

Result<JsonOptions> JsonOptions::From(const Options& options) {
  JsonOptions read;
  read.fail_on_missing_field = options.Bool("fail-on-missing-field");
  read.ignore_parse_errors = options.Bool("ignore-parse-errors");
  read.iso_timestamps = Upper(options.String("timestamp-format.standard")) == "ISO-8601";
  const std::string mode = Upper(options.String("map-null-key.mode"));
  read.null_map_keys = mode == "DROP"      ? NullMapKeys::kDrop
                       : mode == "LITERAL" ? NullMapKeys::kLiteral
                                           : NullMapKeys::kFail;
  read.null_map_key_literal = options.String("map-null-key.literal");
  read.plain_decimals = options.Bool("encode.decimal-as-plain-number");
  read.ignore_null_fields = options.Bool("encode.ignore-null-fields");
  return read;
}

Status CheckJsonType(const std::string& column, const LogicalType& type) {
  if (type.kind() == TypeKind::kMap || type.kind() == TypeKind::kMultiset) {
    if (!type.children()[0].type.is_string()) {
      return Status::User(
          "JSON format doesn't support non-string as key type of map. The type is: " +
          type.ToString() + ", of column " + column);
    }
  }
  for (const runtime::Field& child : type.children()) {
    RETURN_IF_ERROR(CheckJsonType(column, child.type));
  }
  return Status::Ok();
}

const FormatFactory& JsonFormat() {
  static const FormatFactory format = {"json", kOptions, MakeJsonDecoder, MakeJsonEncoder};
  return format;
}

}  // namespace millrace::connectors
