#include "connectors/formats/csv_encoder.h"

#include <algorithm>

#include "connectors/formats/scalar_text.h"
#include "runtime/net/base64.h"
#include "runtime/types/text/utf8.h"
#include "runtime/types/text/value_text.h"

namespace millrace::connectors {
namespace {

using runtime::ListRange;
using runtime::LogicalType;
using runtime::Result;
using runtime::Status;
using runtime::StringRef;
using runtime::TypeKind;
using runtime::Vector;

constexpr size_t kMostCheckedCharacters = 24;  // Jackson quotes longer ones without a look

// Jackson writes these without a look at quotes.
bool IsBare(TypeKind kind) {
  return kind == TypeKind::kBoolean || (kind >= TypeKind::kTinyInt && kind <= TypeKind::kDecimal) ||
         kind == TypeKind::kIntervalYearMonth || kind == TypeKind::kIntervalDayTime;
}

class CsvEncoder final : public Encoder {
 public:
  CsvEncoder(const EncoderSpec& spec, const CsvOptions& options)
      : row_(spec.record),
        columns_(spec.columns),
        options_(options),
        null_text_(options.null_literal.value_or("")),
        least_safe_(std::max<int>({static_cast<unsigned char>(options.delimiter), options.quote,
                                   '\n'}) + 1) {}

  Status Encode(const runtime::Batch& batch, int32_t first, int32_t count, std::string* bytes,
                std::vector<uint32_t>* ends) override {
    for (int32_t row = first; row < first + count; ++row) {
      const int32_t at = batch.PhysicalRow(row);
      for (size_t i = 0; i < row_.size(); ++i) {
        if (i > 0) bytes->push_back(options_.delimiter);
        AppendField(row_[i].type, batch.column(columns_[i]), at, bytes);
      }
      ends->push_back(static_cast<uint32_t>(bytes->size()));
    }
    return Status::Ok();
  }

 private:
  void AppendField(const LogicalType& type, const Vector& vector, int32_t row, std::string* to) {
    if (vector.IsNull(row)) {
      to->append(null_text_);
      return;
    }
    if (IsBare(type.kind())) {
      AppendPlain(type, vector, row, to);
      return;
    }
    text_.clear();
    if (type.kind() == TypeKind::kArray) {
      const ListRange range = vector.At<ListRange>(row);
      for (uint32_t i = 0; i < range.length; ++i) {
        if (i > 0) text_ += options_.array_delimiter;
        AppendElement(type.children()[0].type, *vector.children()[0],
                      static_cast<int32_t>(range.offset + i));
      }
    } else if (type.kind() == TypeKind::kRow) {
      const int32_t at = vector.PositionOf(row);
      for (size_t i = 0; i < type.children().size(); ++i) {
        if (i > 0) text_ += options_.array_delimiter;
        AppendElement(type.children()[i].type, *vector.children()[i], at);
      }
    } else {
      AppendPlain(type, vector, row, &text_);
    }
    AppendQuoted(to);
  }

  void AppendElement(const LogicalType& type, const Vector& vector, int32_t row) {
    if (vector.IsNull(row)) {
      text_ += null_text_;
    } else {
      AppendPlain(type, vector, row, &text_);
    }
  }

  void AppendPlain(const LogicalType& type, const Vector& vector, int32_t row, std::string* to) {
    switch (type.kind()) {
      case TypeKind::kDecimal: {
        const auto append =
            options_.scientific_decimals ? AppendStrippedDecimal : AppendPlainDecimal;
        append(runtime::DecimalAt(vector, row), type.scale(), to);
        break;
      }
      case TypeKind::kBinary:
      case TypeKind::kVarBinary: to->append(runtime::Base64Encode(vector.At<StringRef>(row).view())); break;
      case TypeKind::kChar:
      case TypeKind::kVarChar: {
        const StringRef& text = vector.At<StringRef>(row);
        if (runtime::IsAscii(text.view())) {
          to->append(text.view());
        } else {
          runtime::AppendWellFormed(text.view(), to);
        }
        break;
      }
      case TypeKind::kNull: to->append(null_text_); break;
      default: AppendScalarText(type, vector, row, TimeText::kCsv, to);
    }
  }

  bool NeedsQuotes() const {
    if (options_.quote < 0) return false;
    if (text_.size() > kMostCheckedCharacters &&
        static_cast<size_t>(runtime::CountCodePoints(text_)) > kMostCheckedCharacters) {
      return true;
    }
    return std::any_of(text_.begin(), text_.end(), [&](char c) {
      return static_cast<unsigned char>(c) < least_safe_ || c == '\\' || c == options_.escape;
    });
  }

  // Appends text_, in quotes if it needs them.
  void AppendQuoted(std::string* to) {
    if (!NeedsQuotes()) {
      to->append(text_);
      return;
    }
    const char quote = static_cast<char>(options_.quote);
    to->push_back(quote);
    for (const char c : text_) {
      if (c == quote) {
        to->push_back(quote);
      } else if (options_.escape >= 0 && c == options_.escape) {
        to->push_back(c);
      }
      to->push_back(c);
    }
    to->push_back(quote);
  }

  const runtime::RowType row_;
  const std::vector<int> columns_;
  const CsvOptions options_;
  const std::string null_text_;
  const int least_safe_;
  std::string text_;
};

}  // namespace

Result<std::unique_ptr<Encoder>> MakeCsvEncoder(const EncoderSpec& spec,
                                                const CsvOptions& options) {
  return std::unique_ptr<Encoder>(std::make_unique<CsvEncoder>(spec, options));
}

}  // namespace millrace::connectors
