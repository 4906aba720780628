#include "connectors/formats/csv_decoder.h"
#include "connectors/formats/csv_encoder.h"
#include "connectors/formats/csv_options.h"
#include "connectors/formats/format_factory.h"

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
    {"field-delimiter", OptionType::kString, ",",
     "The character between two fields; may be written as an escape such as \\t or \\u0001."},
    {"disable-quote-character", OptionType::kBool, "false",
     "Whether no character encloses values; 'quote-character' must not be set then."},
    {"quote-character", OptionType::kString, "\"", "The character that may enclose values."},
    {"allow-comments", OptionType::kBool, "false", "Whether lines that start with # are left out."},
    {"ignore-parse-errors", OptionType::kBool, "false",
     "Whether fields that can't be read become NULL and records that can't be read are left out, "
     "instead of failing the job."},
    {"array-element-delimiter", OptionType::kString, ";",
     "What stands between the elements of an array or the fields of a row."},
    {"escape-character", OptionType::kString, nullptr,
     "The character that takes the meaning off the one behind it."},
    {"null-literal", OptionType::kString, nullptr, "The text that stands for NULL."},
    {"write-bigdecimal-in-scientific-notation", OptionType::kBool, "true",
     "Whether decimals may be written with an exponent (1E+5) instead of all digits (100000)."},
    {"trim-spaces", OptionType::kBool, "false",
     "Whether blanks around values without quotes are taken off when reading."},
    {"ignore-trailing-unmappable", OptionType::kBool, "false",
     "Whether fields behind the last column are left out when reading."},
    {"allow-trailing-comma", OptionType::kBool, "true",
     "Whether a delimiter may stand behind the last field when reading."},
    {"fail-on-missing-columns", OptionType::kBool, "false",
     "Whether a record with fewer fields than the table has columns is an error when reading."},
    {"empty-string-as-null", OptionType::kBool, "false",
     "Whether an empty field is NULL when reading."},
};

Status WrongCharacter(const std::string& name, const std::string& value) {
  return Status::User("Option 'csv." + name +
                      "' must be a string with single character, but was: " + value);
}

// Java's escapes in an option's value.
std::string Unescape(const std::string& text) {
  if (text.size() < 2 || text[0] != '\\') return text;
  switch (text[1]) {
    case 't': return "\t" + text.substr(2);
    case 'n': return "\n" + text.substr(2);
    case 'r': return "\r" + text.substr(2);
    case 'b': return "\b" + text.substr(2);
    case 'f': return "\f" + text.substr(2);
    case 'u': {
      if (text.size() != 6) return text;
      const long code = std::strtol(text.c_str() + 2, nullptr, 16);
      return code > 0 && code < 128 ? std::string(1, static_cast<char>(code)) : text;
    }
    default: return text.substr(1);
  }
}

Result<char> OneCharacter(const std::string& name, const std::string& value) {
  if (value.size() != 1 || static_cast<unsigned char>(value[0]) >= 0x80) {
    return WrongCharacter(name, value);
  }
  return value[0];
}

Status CheckSimple(const std::string& column, const LogicalType& type) {
  switch (type.kind()) {
    case TypeKind::kArray:
    case TypeKind::kMap:
    case TypeKind::kMultiset:
    case TypeKind::kRow:
      return Status::User(
          "Only simple types are supported in the second level nesting of fields '" + column +
          "' but was: " + type.ToString());
    default: return Status::Ok();
  }
}

Result<std::unique_ptr<Decoder>> MakeDecoderOf(const DecoderSpec& spec, const Options& values) {
  ASSIGN_OR_RETURN(const CsvOptions options, CsvOptions::From(values));
  for (const runtime::Field& field : spec.record) {
    RETURN_IF_ERROR(CheckCsvType(field.name, field.type));
  }
  return MakeCsvDecoder(spec, options);
}

Result<std::unique_ptr<Encoder>> MakeEncoderOf(const EncoderSpec& spec, const Options& values) {
  ASSIGN_OR_RETURN(const CsvOptions options, CsvOptions::From(values));
  for (const runtime::Field& field : spec.record) {
    RETURN_IF_ERROR(CheckCsvType(field.name, field.type));
  }
  return MakeCsvEncoder(spec, options);
}

}  // namespace

runtime::OptionTable CsvOptions::Table() { return kOptions; }

Result<CsvOptions> CsvOptions::From(const Options& options) {
  CsvOptions read;
  const std::string delimiter = options.String("field-delimiter");
  ASSIGN_OR_RETURN(read.delimiter, OneCharacter("field-delimiter", Unescape(delimiter)));
  if (options.Bool("disable-quote-character")) {
    if (options.Has("quote-character")) {
      return Status::User(
          "Format cannot define a quote character and disabled quote character at the same time.");
    }
    read.quote = -1;
  } else {
    ASSIGN_OR_RETURN(const char quote,
                     OneCharacter("quote-character", options.String("quote-character")));
    read.quote = quote;
  }
  if (const auto escape = options.Find("escape-character")) {
    ASSIGN_OR_RETURN(const char character, OneCharacter("escape-character", *escape));
    read.escape = character;
  }
  read.array_delimiter = options.String("array-element-delimiter");
  ASSIGN_OR_RETURN(const char between, OneCharacter("array-element-delimiter", read.array_delimiter));
  read.array_delimiter = between;
  read.allow_comments = options.Bool("allow-comments");
  read.ignore_parse_errors = options.Bool("ignore-parse-errors");
  read.null_literal = options.Find("null-literal");
  read.scientific_decimals = options.Bool("write-bigdecimal-in-scientific-notation");
  read.trim_spaces = options.Bool("trim-spaces");
  read.ignore_trailing_unmappable = options.Bool("ignore-trailing-unmappable");
  read.allow_trailing_comma = options.Bool("allow-trailing-comma");
  read.fail_on_missing_columns = options.Bool("fail-on-missing-columns");
  read.empty_string_as_null = options.Bool("empty-string-as-null");
  return read;
}

Status CheckCsvType(const std::string& column, const LogicalType& type) {
  switch (type.kind()) {
    case TypeKind::kMap:
    case TypeKind::kMultiset:
      return Status::User("Unsupported type: " + type.ToString() + ", of column " + column +
                          ": CSV has no maps");
    case TypeKind::kTime:
      if (type.precision() > 3) {
        return Status::User("Csv does not support TIME type with precision: " +
                            std::to_string(type.precision()) +
                            ", it only supports precision 0 ~ 3. Column: " + column);
      }
      return Status::Ok();
    case TypeKind::kArray:
    case TypeKind::kRow:
      for (const runtime::Field& child : type.children()) {
        RETURN_IF_ERROR(CheckSimple(column, child.type));
      }
      return Status::Ok();
    default: return Status::Ok();
  }
}

const FormatFactory& CsvFormat() {
  static const FormatFactory format = {"csv", kOptions, MakeDecoderOf, MakeEncoderOf};
  return format;
}

}  // namespace millrace::connectors
