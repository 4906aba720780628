#include "connectors/formats/json_decoder.h"

#include <simdjson.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "connectors/formats/format_factory.h"
#include "connectors/formats/json_row_plan.h"
#include "connectors/formats/json_text.h"
#include "connectors/formats/scalar_text.h"
#include "runtime/types/text/number_text.h"

namespace millrace::connectors {
namespace {

using runtime::BatchBuilder;
using runtime::Result;
using runtime::Status;
using runtime::TypeKind;
using runtime::VectorBuilder;
namespace ondemand = simdjson::ondemand;

// What reading one value came to.
enum class Outcome : uint8_t {
  kOk,
  kNotTheType,  // well-formed, but no value of the column: may become NULL
  kBroken,      // not JSON: the record is lost
};

constexpr int kMostDepth = 1000;     // of nesting, as Jackson's
constexpr size_t kShownValueBytes = 100;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool StartsNumber(char c) { return c == '-' || (c >= '0' && c <= '9'); }

std::string_view TrimmedToken(std::string_view token) {
  while (!token.empty() && IsBlank(token.back())) token.remove_suffix(1);
  return token;
}

class JsonDecoder final : public Decoder {
 public:
  JsonDecoder(JsonRowPlan plan, std::vector<int> columns, const JsonOptions& options)
      : plan_(std::move(plan)),
        columns_(std::move(columns)),
        options_(options),
        time_text_(options.iso_timestamps ? TimeText::kIso : TimeText::kSql) {}

  Status Decode(std::span<const std::string_view> records, BatchBuilder& rows,
                std::vector<int32_t>* record_of_row) override {
    targets_.clear();
    for (const int column : columns_) targets_.push_back(&rows.column(column));
    for (size_t i = 0; i < records.size(); ++i) {
      complete_ = 0;
      const int32_t base = rows.num_rows();
      path_.clear();
      const Outcome outcome = ReadRecord(records[i], base);
      if (outcome != Outcome::kOk) {
        if (!options_.ignore_parse_errors) {
          Truncate(base);
          failed_record_ = i;
          return Explain(records[i], i);
        }
        Truncate(base + complete_);
      }
      rows.EndRows(complete_, nullptr);
      if (record_of_row != nullptr) {
        record_of_row->insert(record_of_row->end(), static_cast<size_t>(complete_),
                              static_cast<int32_t>(i));
      }
    }
    return Status::Ok();
  }
  size_t failed_record() const override { return failed_record_; }

 private:
  // Reads the rows of a record, of which complete_ are whole. Row i is at base + i.
  Outcome ReadRecord(std::string_view record, int32_t base) {
    if (record.empty()) return Outcome::kOk;
    if (record.starts_with(kByteOrderMark)) record.remove_prefix(kByteOrderMark.size());
    Load(record);
    ondemand::document document;
    simdjson::error_code error = Iterate(&document);
    if (error == simdjson::UNESCAPED_CHARS) {  // which Flink's parser takes
      EscapeControls(record);
      error = Iterate(&document);
    }
    if (error != simdjson::SUCCESS) return Broken(error);
    const char* first = buffer_.get();
    while (IsBlank(*first)) ++first;
    if (*first == '{') {
      ondemand::object object;
      error = document.get_object().get(object);
      if (error != simdjson::SUCCESS) return Broken(error);
      return ReadTop(object, base);
    }
    if (*first != '[') return NotThe("the record is no JSON object", {});
    ondemand::array array;
    error = document.get_array().get(array);
    if (error != simdjson::SUCCESS) return Broken(error);
    for (auto element : array) {
      ondemand::value value;
      error = element.get(value);
      if (error != simdjson::SUCCESS) return Broken(error);
      const std::string_view token = TrimmedToken(value.raw_json_token());
      if (token == "null") continue;
      ondemand::object object;
      if (value.get_object().get(object) != simdjson::SUCCESS) {
        const Outcome outcome = NotThe("an element of the record's array is no JSON object", token);
        if (options_.ignore_parse_errors) continue;
        return outcome;
      }
      const Outcome outcome = ReadTop(object, base + complete_);
      if (outcome != Outcome::kOk) return outcome;
    }
    return Outcome::kOk;
  }

  Outcome ReadTop(ondemand::object& object, int32_t base) {
    const Outcome outcome = ReadFields(object, plan_, nullptr, base);
    if (outcome != Outcome::kOk) return outcome;
    for (VectorBuilder* target : targets_) {
      if (target->length() == base) AppendNullTo(target);
    }
    ++complete_;
    return Outcome::kOk;
  }

  // Reads the wanted fields of an object into the children of `parent`, null: into the targets.
  // `base` is the row's position in them.
  Outcome ReadFields(ondemand::object& object, const JsonRowPlan& plan, VectorBuilder* parent,
                     int32_t base) {
    const size_t wanted = plan.fields.size();
    size_t found = 0;
    size_t guess = 0;
    for (auto entry : object) {
      ondemand::field field;
      const simdjson::error_code error = std::move(entry).get(field);
      if (error != simdjson::SUCCESS) return Broken(error);
      // What comes behind the last wanted field is only checked for its form, as in Flink.
      if (found >= wanted) continue;
      int index = -1;
      if (!FindField(field, plan, guess, &index)) return Broken(simdjson::STRING_ERROR);
      if (index < 0) continue;
      guess = static_cast<size_t>(index) + 1;
      ++found;
      const JsonFieldPlan& known = plan.fields[static_cast<size_t>(index)];
      Outcome outcome;
      if (known.within != nullptr) {
        outcome = ReadWithin(field.value(), *known.within, parent, base);
      } else {
        VectorBuilder& target =
            parent == nullptr ? *targets_[static_cast<size_t>(known.target)]
                              : parent->child(known.target);
        if (target.length() > base) target.Truncate(base);  // named twice: the later one counts
        outcome = ReadNullable(field.value(), known.value, target);
      }
      if (outcome != Outcome::kOk) {
        path_.insert(0, path_.empty() ? known.name : known.name + ".");
        return outcome;
      }
    }
    if (found < wanted && options_.fail_on_missing_field) {
      return NotThe("Some field is missing in the JSON data.", {});
    }
    return Outcome::kOk;
  }

  Outcome ReadWithin(ondemand::value& value, const JsonRowPlan& plan, VectorBuilder* parent,
                     int32_t base) {
    const std::string_view token = TrimmedToken(value.raw_json_token());
    if (token == "null") return Outcome::kOk;
    ondemand::object object;
    if (value.get_object().get(object) != simdjson::SUCCESS) {
      const Outcome outcome = NotThe("is no JSON object", token);
      return options_.ignore_parse_errors ? Outcome::kOk : outcome;
    }
    return ReadFields(object, plan, parent, base);
  }

  // False: the name is malformed.
  bool FindField(ondemand::field& field, const JsonRowPlan& plan, size_t guess, int* index) {
    const char* raw = field.key().raw();
    if (guess < plan.fields.size()) {
      const JsonFieldPlan& next = plan.fields[guess];
      const size_t size = next.name.size();
      if (next.plain_name && raw + size < buffer_.get() + capacity_ && raw[size] == '"' &&
          std::memcmp(raw, next.name.data(), size) == 0) {
        *index = static_cast<int>(guess);
        return true;
      }
    }
    const char* end = raw;
    while (*end != '"' && *end != '\\') ++end;
    if (*end == '"') {
      *index = plan.Find({raw, static_cast<size_t>(end - raw)});
      return true;
    }
    std::string_view name;
    if (field.unescaped_key().get(name) != simdjson::SUCCESS) return false;
    *index = plan.Find(name);
    return true;
  }

  Outcome ReadNullable(ondemand::value& value, const JsonValuePlan& plan, VectorBuilder& builder) {
    const int32_t base = builder.length();
    const Outcome outcome = ReadValue(value, plan, builder);
    if (outcome != Outcome::kNotTheType || !options_.ignore_parse_errors) return outcome;
    path_.clear();
    builder.Truncate(base);
    AppendNullTo(&builder);
    return Outcome::kOk;
  }

  Outcome ReadValue(ondemand::value& value, const JsonValuePlan& plan, VectorBuilder& builder) {
    const std::string_view token = value.raw_json_token();
    if (token.empty()) return Broken(simdjson::TAPE_ERROR);
    const char first = token.front();
    if (first == 'n') {
      if (TrimmedToken(token) != "null") return Broken(simdjson::N_ATOM_ERROR);
      AppendNullTo(&builder);
      return Outcome::kOk;
    }
    switch (plan.kind) {
      case TypeKind::kArray: return ReadArray(value, plan, builder);
      case TypeKind::kMap:
      case TypeKind::kMultiset: return ReadMap(value, plan, builder);
      case TypeKind::kRow: return ReadRow(value, plan, builder);
      case TypeKind::kTinyInt:
        if (StartsNumber(first)) return ReadInteger<int8_t>(value, token, builder);
        break;
      case TypeKind::kSmallInt:
        if (StartsNumber(first)) return ReadInteger<int16_t>(value, token, builder);
        break;
      case TypeKind::kInt:
      case TypeKind::kIntervalYearMonth:
        if (StartsNumber(first)) return ReadInteger<int32_t>(value, token, builder);
        break;
      case TypeKind::kBigInt:
      case TypeKind::kIntervalDayTime:
        if (StartsNumber(first)) return ReadInteger<int64_t>(value, token, builder);
        break;
      case TypeKind::kDouble:
        if (double number = 0;
            StartsNumber(first) && value.get_double().get(number) == simdjson::SUCCESS) {
          builder.Append(number);
          return Outcome::kOk;
        }
        break;
      case TypeKind::kChar:
      case TypeKind::kVarChar:
        if (first == '{' || first == '[') return ReadAsText(value, builder);
        break;
      case TypeKind::kBinary:
      case TypeKind::kVarBinary:
        if (first != '"') return NotThe("is no string of base64", token);
        break;
      case TypeKind::kDecimal:
        if (first == 't' || first == 'f') return NotThe("is no DECIMAL", token);
        break;
      default: break;
    }
    std::string_view text;
    const Outcome outcome = ReadText(value, token, &text);
    if (outcome != Outcome::kOk) return outcome;
    if (plan.kind == TypeKind::kDecimal) text = runtime::TrimJava(text);
    const char* wrong = AppendFromText(text, time_text_, &builder);
    return wrong == nullptr ? Outcome::kOk : NotThe(wrong, text);
  }

  // The text of a string, or of a number or boolean as it stands.
  Outcome ReadText(ondemand::value& value, std::string_view token, std::string_view* text) {
    const char first = token.front();
    if (first == '"') {
      const simdjson::error_code error = value.get_string().get(*text);
      if (error == simdjson::SUCCESS) return Outcome::kOk;
      loose_text_.clear();
      if (!UnescapeJsonLoosely(token, &loose_text_)) return Broken(error);
      *text = loose_text_;
      return Outcome::kOk;
    }
    *text = TrimmedToken(token);
    bool has_fraction = false;
    if (*text == "true" || *text == "false" || IsJsonNumber(*text, &has_fraction)) return Outcome::kOk;
    if (first == '{' || first == '[') return NotThe("is no single value", *text);
    return Broken(simdjson::TAPE_ERROR);
  }

  template <typename T>
  Outcome ReadInteger(ondemand::value& value, std::string_view token, VectorBuilder& builder) {
    int64_t number = 0;
    if (value.get_int64().get(number) == simdjson::SUCCESS) {
      if (number < std::numeric_limits<T>::min() || number > std::numeric_limits<T>::max()) {
        return NotThe("is out of the range of its type", TrimmedToken(token));
      }
      builder.Append(static_cast<T>(number));
      return Outcome::kOk;
    }
    bool has_fraction = false;
    const std::string_view text = TrimmedToken(token);
    if (!IsJsonNumber(text, &has_fraction)) return Broken(simdjson::NUMBER_ERROR);
    double floating = 0;
    // Flink cuts the fraction off for INT and BIGINT; the smaller types refuse it.
    if (sizeof(T) < 4 || !has_fraction || !runtime::ParseJavaDouble(text, &floating)) {
      return NotThe(has_fraction ? "is no whole number" : "is out of the range of its type", text);
    }
    // The bounds are compared as doubles: 2^63 passes there and is capped by Java's cast.
    if (!(floating >= static_cast<double>(std::numeric_limits<T>::min()) &&
          floating <= static_cast<double>(std::numeric_limits<T>::max()))) {
      return NotThe("is out of the range of its type", text);
    }
    builder.Append(floating >= 0x1p63 ? std::numeric_limits<T>::max() : static_cast<T>(floating));
    return Outcome::kOk;
  }

  Outcome ReadArray(ondemand::value& value, const JsonValuePlan& plan, VectorBuilder& builder) {
    ondemand::array array;
    if (value.get_array().get(array) != simdjson::SUCCESS) {
      return NotThe("is no JSON array", TrimmedToken(value.raw_json_token()));
    }
    uint32_t length = 0;
    for (auto entry : array) {
      ondemand::value element;
      const simdjson::error_code error = entry.get(element);
      if (error != simdjson::SUCCESS) return Broken(error);
      const Outcome outcome = ReadNullable(element, *plan.element, builder.child(0));
      if (outcome != Outcome::kOk) return outcome;
      ++length;
    }
    builder.AppendList(length);
    return Outcome::kOk;
  }

  Outcome ReadMap(ondemand::value& value, const JsonValuePlan& plan, VectorBuilder& builder) {
    ondemand::object object;
    if (value.get_object().get(object) != simdjson::SUCCESS) {
      return NotThe("is no JSON object", TrimmedToken(value.raw_json_token()));
    }
    uint32_t length = 0;
    for (auto entry : object) {
      ondemand::field field;
      simdjson::error_code error = std::move(entry).get(field);
      std::string_view key;
      if (error == simdjson::SUCCESS) error = field.unescaped_key().get(key);
      if (error != simdjson::SUCCESS) return Broken(error);
      builder.child(0).AppendString(key);
      const Outcome outcome = ReadNullable(field.value(), *plan.element, builder.child(1));
      if (outcome != Outcome::kOk) return outcome;
      ++length;
    }
    builder.AppendList(length);
    return Outcome::kOk;
  }

  Outcome ReadRow(ondemand::value& value, const JsonValuePlan& plan, VectorBuilder& builder) {
    ondemand::object object;
    if (value.get_object().get(object) != simdjson::SUCCESS) {
      return NotThe("is no JSON object", TrimmedToken(value.raw_json_token()));
    }
    const int32_t base = builder.length();
    const Outcome outcome = ReadFields(object, *plan.row, &builder, base);
    if (outcome != Outcome::kOk) return outcome;
    for (size_t i = 0; i < plan.row->fields.size(); ++i) {
      VectorBuilder& child = builder.child(static_cast<int>(i));
      if (child.length() == base) AppendNullTo(&child);
    }
    builder.AppendRow();
    return Outcome::kOk;
  }

  // An object or array in a column of strings: its JSON without blanks.
  Outcome ReadAsText(ondemand::value& value, VectorBuilder& builder) {
    text_.clear();
    const Outcome outcome = AppendCompact(value, 0);
    if (outcome == Outcome::kOk) builder.AppendString(text_);
    return outcome;
  }

  Outcome AppendCompact(ondemand::value& value, int depth) {
    if (depth > kMostDepth) return Broken(simdjson::DEPTH_ERROR);
    const std::string_view token = value.raw_json_token();
    simdjson::error_code error = simdjson::SUCCESS;
    const char first = token.empty() ? 0 : token.front();
    if (first == '{') {
      ondemand::object object;
      error = value.get_object().get(object);
      if (error != simdjson::SUCCESS) return Broken(error);
      char before = '{';
      for (auto entry : object) {
        ondemand::field field;
        std::string_view key;
        error = std::move(entry).get(field);
        if (error == simdjson::SUCCESS) error = field.unescaped_key().get(key);
        if (error != simdjson::SUCCESS) return Broken(error);
        text_.push_back(before);
        before = ',';
        AppendJsonString(key, &text_);
        text_.push_back(':');
        const Outcome outcome = AppendCompact(field.value(), depth + 1);
        if (outcome != Outcome::kOk) return outcome;
      }
      if (before == '{') text_.push_back('{');
      text_.push_back('}');
      return Outcome::kOk;
    }
    if (first == '[') {
      ondemand::array array;
      error = value.get_array().get(array);
      if (error != simdjson::SUCCESS) return Broken(error);
      char before = '[';
      for (auto entry : array) {
        ondemand::value element;
        error = entry.get(element);
        if (error != simdjson::SUCCESS) return Broken(error);
        text_.push_back(before);
        before = ',';
        const Outcome outcome = AppendCompact(element, depth + 1);
        if (outcome != Outcome::kOk) return outcome;
      }
      if (before == '[') text_.push_back('[');
      text_.push_back(']');
      return Outcome::kOk;
    }
    if (first == 'n' && TrimmedToken(token) == "null") {
      text_ += "null";
      return Outcome::kOk;
    }
    std::string_view text;
    const Outcome outcome = ReadText(value, token, &text);
    if (outcome != Outcome::kOk) return outcome;
    bool has_fraction = false;
    double number = 0;
    if (first == '"') {
      AppendJsonString(text, &text_);
    } else if (IsJsonNumber(text, &has_fraction) && has_fraction &&
               runtime::ParseJavaDouble(text, &number)) {
      if (!std::isfinite(number)) text_.push_back('"');
      runtime::AppendJavaDouble(number, &text_);
      if (!std::isfinite(number)) text_.push_back('"');
    } else {
      text_ += text;
    }
    return Outcome::kOk;
  }

  // ---- The record's bytes, with room behind them that simdjson may read. ----
  void Load(std::string_view record) {
    Reserve(record.size());
    std::memcpy(buffer_.get(), record.data(), record.size());
    Pad(record.size());
  }
  void Reserve(size_t bytes) {
    if (bytes + simdjson::SIMDJSON_PADDING <= capacity_) return;
    capacity_ = 2 * bytes + simdjson::SIMDJSON_PADDING;
    buffer_ = std::make_unique<char[]>(capacity_);
  }
  void Pad(size_t bytes) {
    size_ = bytes;
    std::memset(buffer_.get() + bytes, 0, simdjson::SIMDJSON_PADDING);
  }
  // Writes control characters within strings, which JSON forbids and Jackson was told to take, as
  // escapes.
  void EscapeControls(std::string_view record) {
    std::string escaped;
    bool in_string = false;
    for (size_t i = 0; i < record.size(); ++i) {
      const char c = record[i];
      if (in_string && static_cast<unsigned char>(c) < 0x20) {
        constexpr char kHex[] = "0123456789abcdef";
        escaped += "\\u00";
        escaped += kHex[c >> 4];
        escaped += kHex[c & 15];
        continue;
      }
      escaped += c;
      if (in_string && c == '\\' && i + 1 < record.size()) {
        escaped += record[++i];
      } else if (c == '"') {
        in_string = !in_string;
      }
    }
    Load(escaped);
  }
  simdjson::error_code Iterate(ondemand::document* document) {
    return parser_.iterate(simdjson::padded_string_view(buffer_.get(), size_, capacity_))
        .get(*document);
  }

  // ---- Errors. ----
  void Truncate(int32_t length) {
    // Also where no row was begun: a list that was given up left elements in its children.
    for (VectorBuilder* target : targets_) target->Truncate(length);
  }
  Outcome Broken(simdjson::error_code error) {
    reason_ = simdjson::error_message(error);
    value_.clear();
    return Outcome::kBroken;
  }
  Outcome NotThe(const char* reason, std::string_view value) {
    reason_ = reason;
    if (!options_.ignore_parse_errors) value_ = value.substr(0, kShownValueBytes);
    return Outcome::kNotTheType;
  }
  Status Explain(std::string_view record, size_t index) {
    std::string message = "Failed to deserialize JSON '" + ShownRecord(record) + "'. Record " +
                          std::to_string(index) + " of those given";
    if (!path_.empty()) message += ": Fail to deserialize at field: " + path_;
    message += ": ";
    if (!value_.empty()) message += "'" + value_ + "' ";
    message += reason_;
    return Status::User(message);
  }

  const JsonRowPlan plan_;
  const std::vector<int> columns_;
  const JsonOptions options_;
  const TimeText time_text_;

  ondemand::parser parser_;
  std::unique_ptr<char[]> buffer_;
  size_t capacity_ = 0;
  size_t size_ = 0;
  std::vector<VectorBuilder*> targets_;
  int32_t complete_ = 0;
  std::string text_;
  std::string loose_text_;

  const char* reason_ = nullptr;  // why the last value could not be read
  std::string value_;
  std::string path_;
  size_t failed_record_ = 0;
};

}  // namespace

Result<std::unique_ptr<Decoder>> MakeJsonDecoder(const DecoderSpec& spec,
                                                 const JsonOptions& options) {
  ASSIGN_OR_RETURN(JsonRowPlan plan, JsonRowPlan::OfProjection(spec.record, spec.projection));
  return std::unique_ptr<Decoder>(
      std::make_unique<JsonDecoder>(std::move(plan), spec.columns, options));
}

}  // namespace millrace::connectors
