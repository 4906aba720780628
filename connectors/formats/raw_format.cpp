#include <bit>
#include <cstring>

#include "connectors/formats/format_factory.h"
#include "runtime/types/text/utf8.h"

namespace millrace::connectors {
namespace {

using runtime::LogicalType;
using runtime::Options;
using runtime::OptionSpec;
using runtime::OptionType;
using runtime::PhysicalType;
using runtime::Result;
using runtime::Status;
using runtime::TypeKind;
using runtime::Vector;
using runtime::VectorBuilder;

constexpr OptionSpec kOptions[] = {
    {"charset", OptionType::kString, "UTF-8", "How texts are written. Only UTF-8 is supported."},
    {"endianness", OptionType::kEnum, "big-endian", "The order of the bytes of numbers.",
     "big-endian,little-endian"},
};

bool IsText(const LogicalType& type) { return type.is_string() || type.is_binary(); }

// The one column of the format: its bytes are the record.
struct RawColumn {
  LogicalType type;
  bool swap_bytes = false;  // the machine's order is not the record's

  static Result<RawColumn> From(const runtime::RowType& row, const Options& options) {
    if (row.size() != 1) {
      return Status::User(
          "The 'raw' format only supports single physical column. However the defined schema "
          "contains multiple physical columns: " + std::to_string(row.size()));
    }
    RawColumn column;
    column.type = row[0].type;
    switch (column.type.kind()) {
      case TypeKind::kBoolean:
      case TypeKind::kTinyInt:
      case TypeKind::kSmallInt:
      case TypeKind::kInt:
      case TypeKind::kBigInt:
      case TypeKind::kFloat:
      case TypeKind::kDouble: break;
      default:
        if (!IsText(column.type)) {
          return Status::User("The 'raw' format doesn't supports '" + column.type.ToString() +
                              "' as column type, of column " + row[0].name);
        }
    }
    std::string charset = options.String("charset");
    for (char& c : charset) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
    if (charset != "UTF-8" && charset != "UTF8") {
      return Status::User("Unsupported 'raw.charset' name: " + options.String("charset") +
                          ". Supported is: UTF-8");
    }
    const bool little = options.String("endianness").starts_with("l");
    column.swap_bytes = little != (std::endian::native == std::endian::little);
    return column;
  }
};

class RawDecoder final : public Decoder {
 public:
  RawDecoder(RawColumn column, std::vector<int> columns)
      : column_(std::move(column)), columns_(std::move(columns)) {}

  Status Decode(std::span<const std::string_view> records, runtime::BatchBuilder& rows,
                std::vector<int32_t>* record_of_row) override {
    for (size_t i = 0; i < records.size(); ++i) {
      if (!columns_.empty()) {
        RETURN_IF_ERROR(Append(records[i], i, &rows.column(columns_[0])));
      }
      rows.EndRow();
      if (record_of_row != nullptr) record_of_row->push_back(static_cast<int32_t>(i));
    }
    return Status::Ok();
  }
  size_t failed_record() const override { return failed_record_; }

 private:
  Status Append(std::string_view record, size_t index, VectorBuilder* builder) {
    if (column_.type.is_string()) {
      if (runtime::IsAscii(record)) {
        builder->AppendString(record);
      } else {
        text_.clear();
        runtime::AppendWellFormed(record, &text_);
        builder->AppendString(text_);
      }
      return Status::Ok();
    }
    if (column_.type.is_binary()) {
      builder->AppendString(record);
      return Status::Ok();
    }
    const size_t width = runtime::WidthOf(column_.type.physical());
    if (record.size() != width) {
      failed_record_ = index;
      return Status::User("Failed to deserialize raw record " + std::to_string(index) +
                          " of those given: Size of data received for deserializing " +
                          column_.type.ToString() + " type is not " + std::to_string(width) +
                          ", but " + std::to_string(record.size()));
    }
    char bytes[8];
    for (size_t i = 0; i < width; ++i) {
      bytes[i] = record[column_.swap_bytes ? width - 1 - i : i];
    }
    switch (column_.type.physical()) {
      case PhysicalType::kBool: builder->Append(static_cast<uint8_t>(bytes[0] != 0)); break;
      case PhysicalType::kInt8: builder->Append(static_cast<int8_t>(bytes[0])); break;
      case PhysicalType::kInt16: AppendAs<int16_t>(bytes, builder); break;
      case PhysicalType::kInt32: AppendAs<int32_t>(bytes, builder); break;
      case PhysicalType::kInt64: AppendAs<int64_t>(bytes, builder); break;
      case PhysicalType::kFloat: AppendAs<float>(bytes, builder); break;
      case PhysicalType::kDouble: AppendAs<double>(bytes, builder); break;
      default: CHECK_THAT_HOLDS(false && "a type of the raw format");
    }
    return Status::Ok();
  }

  template <typename T>
  static void AppendAs(const char* bytes, VectorBuilder* builder) {
    T value;
    std::memcpy(&value, bytes, sizeof(value));
    builder->Append(value);
  }

  const RawColumn column_;
  const std::vector<int> columns_;
  std::string text_;
  size_t failed_record_ = 0;
};

// NULL is an empty record.
class RawEncoder final : public Encoder {
 public:
  RawEncoder(RawColumn column, int from) : column_(std::move(column)), from_(from) {}

  Status Encode(const runtime::Batch& batch, int32_t first, int32_t count, std::string* bytes,
                std::vector<uint32_t>* ends) override {
    const Vector& vector = batch.column(from_);
    const size_t width = runtime::WidthOf(column_.type.physical());
    for (int32_t row = first; row < first + count; ++row) {
      const int32_t at = batch.PhysicalRow(row);
      if (vector.IsNull(at)) {
        // nothing
      } else if (IsText(column_.type)) {
        bytes->append(vector.At<runtime::StringRef>(at).view());
      } else {
        const char* value =
            vector.raw_values() + static_cast<size_t>(vector.PositionOf(at)) * width;
        for (size_t i = 0; i < width; ++i) {
          bytes->push_back(value[column_.swap_bytes ? width - 1 - i : i]);
        }
      }
      ends->push_back(static_cast<uint32_t>(bytes->size()));
    }
    return Status::Ok();
  }

 private:
  const RawColumn column_;
  const int from_;
};

Result<std::unique_ptr<Decoder>> MakeRawDecoder(const DecoderSpec& spec, const Options& options) {
  ASSIGN_OR_RETURN(RawColumn column, RawColumn::From(spec.record, options));
  return std::unique_ptr<Decoder>(std::make_unique<RawDecoder>(std::move(column), spec.columns));
}

Result<std::unique_ptr<Encoder>> MakeRawEncoder(const EncoderSpec& spec, const Options& options) {
  ASSIGN_OR_RETURN(RawColumn column, RawColumn::From(spec.record, options));
  return std::unique_ptr<Encoder>(
      std::make_unique<RawEncoder>(std::move(column), spec.columns[0]));
}

}  // namespace

const FormatFactory& RawFormat() {
  static const FormatFactory format = {"raw", kOptions, MakeRawDecoder, MakeRawEncoder};
  return format;
}

}  // namespace millrace::connectors
