#include "connectors/formats/csv_decoder.h"

#include <cstring>

#include "connectors/formats/format_factory.h"
#include "connectors/formats/scalar_text.h"
#include "runtime/types/text/number_text.h"

namespace millrace::connectors {
namespace {

using runtime::Field;
using runtime::LogicalType;
using runtime::Result;
using runtime::Status;
using runtime::TypeKind;
using runtime::VectorBuilder;

class CsvDecoder final : public Decoder {
 public:
  CsvDecoder(const DecoderSpec& spec, const CsvOptions& options)
      : record_(spec.record), columns_(spec.columns), options_(options) {
    for (const std::vector<int>& path : spec.projection) positions_.push_back(path[0]);
  }

  Status Decode(std::span<const std::string_view> records, runtime::BatchBuilder& rows,
                std::vector<int32_t>* record_of_row) override {
    for (size_t i = 0; i < records.size(); ++i) {
      const std::string_view record = records[i];
      if (record.empty() || (options_.allow_comments && record[0] == '#')) continue;
      where_.clear();
      std::string wrong = Split(record);
      if (wrong.empty()) wrong = AppendRow(rows);
      if (!wrong.empty()) {
        // Also where no row was begun: a list that was given up left elements in its child.
        for (const int column : columns_) rows.column(column).Truncate(rows.num_rows());
        if (options_.ignore_parse_errors) continue;
        failed_record_ = i;
        std::string message = "Failed to deserialize CSV row '" + ShownRecord(record) +
                              "'. Record " + std::to_string(i) + " of those given: ";
        if (!where_.empty()) message += "Fail to deserialize at field: " + where_ + ": ";
        return Status::User(message + wrong);
      }
      rows.EndRow();
      if (record_of_row != nullptr) record_of_row->push_back(static_cast<int32_t>(i));
    }
    return Status::Ok();
  }
  size_t failed_record() const override { return failed_record_; }

  // Lines, but a line's end within quotes belongs to the value.
  size_t Cut(std::string_view bytes, bool at_end, size_t max_records,
             std::vector<std::string_view>* records) const override {
    if (options_.quote < 0) return Decoder::Cut(bytes, at_end, max_records, records);
    size_t taken = 0;
    for (size_t count = 0; count < max_records && taken < bytes.size(); ++count) {
      const size_t end = FindEnd(bytes, taken);
      if (end == std::string_view::npos && !at_end) break;
      std::string_view record = bytes.substr(taken, end == std::string_view::npos
                                                        ? std::string_view::npos : end - taken);
      taken += record.size() + (end == std::string_view::npos ? 0 : 1);
      if (record.ends_with('\r')) record.remove_suffix(1);
      records->push_back(record);
    }
    return taken;
  }

 private:
  // Position of the line end of the record that begins at `at`; npos: not in `bytes`.
  size_t FindEnd(std::string_view bytes, size_t at) const {
    // Most lines have no quote: look for the line end first, for a quote before it next.
    const size_t line_end = bytes.find('\n', at);
    const std::string_view line = bytes.substr(at, line_end - at);
    const char quote = static_cast<char>(options_.quote);
    if (line.find(quote) == std::string_view::npos) return line_end;
    if (options_.allow_comments && bytes[at] == '#') return line_end;
    bool in_quotes = false;
    bool at_start = true;
    for (size_t i = at; i < bytes.size(); ++i) {
      const char c = bytes[i];
      if (options_.escape >= 0 && c == options_.escape) {
        ++i;
      } else if (in_quotes) {
        // A doubled quote closes and opens again.
        if (c == quote) in_quotes = i + 1 < bytes.size() && bytes[i + 1] == quote ? (++i, true) : false;
      } else if (c == quote && at_start) {
        in_quotes = true;
      } else if (c == '\n') {
        return i;
      }
      at_start = !in_quotes && (c == options_.delimiter ||
                                (at_start && options_.trim_spaces && c == ' '));
    }
    return std::string_view::npos;
  }

  // Cuts a record into fields_; returns what is wrong with it, or nothing.
  std::string Split(std::string_view record) {
    fields_.clear();
    unescaped_.clear();
    unescaped_.reserve(record.size());  // views into it stay valid
    size_t at = 0;
    while (true) {
      if (options_.trim_spaces) {
        while (at < record.size() && record[at] == ' ') ++at;
      }
      std::string_view field;
      if (at < record.size() && options_.quote >= 0 && record[at] == options_.quote) {
        const std::string wrong = TakeQuoted(record, &at, &field);
        if (!wrong.empty()) return wrong;
      } else {
        const std::string wrong = TakeBare(record, &at, &field);
        if (!wrong.empty()) return wrong;
      }
      fields_.push_back(field);
      if (at >= record.size() || IsLineEnd(record[at])) break;  // a record is one line
      ++at;                                                      // the delimiter
    }
    if (fields_.size() <= record_.size() || options_.ignore_trailing_unmappable) return {};
    if (fields_.size() == record_.size() + 1 && fields_.back().empty() &&
        options_.allow_trailing_comma) {
      fields_.pop_back();
      return {};
    }
    return "Too many entries: expected at most " + std::to_string(record_.size()) + " (value #" +
           std::to_string(record_.size()) + " (" +
           std::to_string(fields_[record_.size()].size()) + " chars) \"" +
           std::string(fields_[record_.size()]) + "\")";
  }

  std::string TakeBare(std::string_view record, size_t* at, std::string_view* field) {
    const size_t begin = *at;
    size_t end = begin;
    bool escaped = false;
    for (; end < record.size() && record[end] != options_.delimiter && !IsLineEnd(record[end]);
         ++end) {
      if (record[end] != options_.escape) continue;
      escaped = true;
      ++end;
    }
    if (end > record.size()) return "Unexpected EOF in escaped character";
    *at = end;
    *field = record.substr(begin, end - begin);
    if (escaped) {
      const size_t from = unescaped_.size();
      for (size_t i = begin; i < end; ++i) AppendPossiblyEscaped(record, &i);
      *field = std::string_view(unescaped_).substr(from);
    }
    if (options_.trim_spaces) *field = runtime::TrimJava(*field);
    return {};
  }

  std::string TakeQuoted(std::string_view record, size_t* at, std::string_view* field) {
    const char quote = static_cast<char>(options_.quote);
    const size_t from = unescaped_.size();
    size_t i = *at + 1;
    for (;; ++i) {
      if (i >= record.size()) {
        return "Missing closing quote for value";
      }
      if (record[i] != quote) {
        AppendPossiblyEscaped(record, &i);
      } else if (i + 1 < record.size() && record[i + 1] == quote) {
        unescaped_.push_back(quote);
        ++i;
      } else {
        break;
      }
    }
    *field = std::string_view(unescaped_).substr(from);
    for (++i; i < record.size() && record[i] == ' ';) ++i;
    if (i < record.size() && record[i] != options_.delimiter && !IsLineEnd(record[i])) {
      return std::string("Expected column separator character ('") + options_.delimiter +
             "') or end-of-line behind a quoted value, but found '" + record[i] + "'";
    }
    *at = i;
    return {};
  }

  // Appends the character at *i, or what an escape there stands for; *i is then its last byte.
  void AppendPossiblyEscaped(std::string_view record, size_t* i) {
    char c = record[*i];
    if (options_.escape >= 0 && c == options_.escape && *i + 1 < record.size()) {
      c = record[++*i];
      c = c == '0' ? '\0' : c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c;
    }
    unescaped_.push_back(c);
  }

  static bool IsLineEnd(char c) { return c == '\n' || c == '\r'; }

  bool IsNull(std::string_view text) const {
    return (options_.null_literal.has_value() && text == *options_.null_literal) ||
           (options_.empty_string_as_null && text.empty());
  }

  // Returns what is wrong, or nothing.
  std::string AppendRow(runtime::BatchBuilder& rows) {
    const size_t expected = options_.fail_on_missing_columns ? record_.size() : columns_.size();
    if (fields_.size() < expected && !options_.ignore_parse_errors) {
      return "Row length mismatch. " + std::to_string(expected) + " fields expected but was " +
             std::to_string(fields_.size()) + ".";
    }
    if (fields_.size() < record_.size() && options_.fail_on_missing_columns) {
      return "Not enough column values: expected " + std::to_string(record_.size()) + ", found " +
             std::to_string(fields_.size());
    }
    for (size_t i = 0; i < columns_.size(); ++i) {
      const auto position = static_cast<size_t>(positions_[i]);
      VectorBuilder& builder = rows.column(columns_[i]);
      if (position >= fields_.size()) {
        AppendNullTo(&builder);
        continue;
      }
      std::string wrong = AppendField(fields_[position], builder);
      if (wrong.empty()) continue;
      if (!options_.ignore_parse_errors) {
        where_ = record_[position].name;
        return wrong;
      }
      builder.Truncate(rows.num_rows());
      AppendNullTo(&builder);
    }
    return {};
  }

  std::string AppendField(std::string_view text, VectorBuilder& builder) {
    if (builder.type().kind() == TypeKind::kArray) {
      SplitElements(text);
      for (const std::string_view element : elements_) {
        std::string wrong = AppendElement(element, builder.child(0));
        if (!wrong.empty()) return wrong;
      }
      builder.AppendList(static_cast<uint32_t>(elements_.size()));
      return {};
    }
    if (builder.type().kind() != TypeKind::kRow) {
      if (!IsNull(text)) return AppendScalar(text, builder);
      AppendNullTo(&builder);
      return {};
    }
    SplitElements(text);
    const size_t expected = builder.type().children().size();
    if (elements_.empty()) {
      AppendNullTo(&builder);
      return {};
    }
    if (elements_.size() < expected && !options_.ignore_parse_errors) {
      return "Row length mismatch. " + std::to_string(expected) + " fields expected but was " +
             std::to_string(elements_.size()) + ".";
    }
    for (size_t i = 0; i < expected; ++i) {
      VectorBuilder& child = builder.child(static_cast<int>(i));
      if (i >= elements_.size()) {
        AppendNullTo(&child);
        continue;
      }
      std::string wrong = AppendElement(elements_[i], child);
      if (!wrong.empty()) return wrong;
    }
    builder.AppendRow();
    return {};
  }

  std::string AppendElement(std::string_view text, VectorBuilder& builder) {
    if (options_.null_literal.has_value() && text == *options_.null_literal) {
      AppendNullTo(&builder);
      return {};
    }
    std::string wrong = AppendScalar(text, builder);
    if (!wrong.empty() && options_.ignore_parse_errors) {
      AppendNullTo(&builder);
      return {};
    }
    return wrong;
  }

  std::string AppendScalar(std::string_view text, VectorBuilder& builder) const {
    const char* wrong = AppendFromText(text, TimeText::kCsv, &builder);
    if (wrong == nullptr) return {};
    return "'" + ShownRecord(text) + "' " + wrong + Hint(text);
  }

  // What to do about a field that can't be read. An option that is set already is no help.
  std::string Hint(std::string_view text) const {
    std::string hint = ". ";
    if (!options_.null_literal.has_value()) {
      hint += text.empty() ? "If an empty field stands for NULL, set 'csv.null-literal' = ''. "
                           : "If it stands for NULL, set 'csv.null-literal' = '" +
                                 ShownRecord(text) + "'. ";
    }
    return hint + "To read what can't be parsed as NULL, set 'csv.ignore-parse-errors' = 'true'.";
  }

  // Jackson's: a text of blanks has no elements.
  void SplitElements(std::string_view text) {
    elements_.clear();
    size_t at = 0;
    while (true) {
      const size_t end = text.find(options_.array_delimiter, at);
      if (end == std::string_view::npos && at == 0 && runtime::TrimJava(text).empty()) return;
      std::string_view element = text.substr(at, end == std::string_view::npos ? end : end - at);
      if (options_.trim_spaces) element = runtime::TrimJava(element);
      elements_.push_back(element);
      if (end == std::string_view::npos) return;
      at = end + options_.array_delimiter.size();
    }
  }

  const runtime::RowType record_;
  const std::vector<int> columns_;
  const CsvOptions options_;
  std::vector<int> positions_;  // of the field of each column

  std::vector<std::string_view> fields_;
  std::vector<std::string_view> elements_;
  std::string unescaped_;  // bytes of fields that had quotes or escapes
  std::string where_;
  size_t failed_record_ = 0;
};

}  // namespace

Result<std::unique_ptr<Decoder>> MakeCsvDecoder(const DecoderSpec& spec,
                                                const CsvOptions& options) {
  for (const std::vector<int>& path : spec.projection) {
    if (path.size() != 1) {
      return Status::Internal("the csv format takes no projection into nested fields");
    }
  }
  return std::unique_ptr<Decoder>(std::make_unique<CsvDecoder>(spec, options));
}

}  // namespace millrace::connectors
