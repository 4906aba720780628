#include "connectors/formats/json_encoder.h"

#include <cmath>

#include "connectors/formats/json_text.h"
#include "connectors/formats/scalar_text.h"
#include "runtime/net/base64.h"
#include "runtime/types/text/value_text.h"

namespace millrace::connectors {
namespace {

using runtime::Batch;
using runtime::Field;
using runtime::ListRange;
using runtime::LogicalType;
using runtime::Result;
using runtime::RowType;
using runtime::Status;
using runtime::StringRef;
using runtime::TypeKind;
using runtime::Vector;

class JsonEncoder final : public Encoder {
 public:
  JsonEncoder(const EncoderSpec& spec, const JsonOptions& options)
      : row_(spec.record), columns_(spec.columns), options_(options) {
    for (const Field& field : row_) names_.push_back(Quoted(field.name));
  }

  Status Encode(const Batch& batch, int32_t first, int32_t count, std::string* bytes,
                std::vector<uint32_t>* ends) override {
    for (int32_t row = first; row < first + count; ++row) {
      const size_t before = bytes->size();
      const Status status = AppendRow(batch, batch.PhysicalRow(row), bytes);
      if (!status.ok()) {
        bytes->resize(before);
        return status.Within("Could not serialize row " + std::to_string(row) + " of the batch");
      }
      ends->push_back(static_cast<uint32_t>(bytes->size()));
    }
    return Status::Ok();
  }

 private:
  static std::string Quoted(const std::string& name) {
    std::string quoted;
    AppendJsonString(name, &quoted);
    return quoted + ":";
  }

  Status AppendRow(const Batch& batch, int32_t row, std::string* to) {
    to->push_back('{');
    bool any = false;
    for (size_t i = 0; i < row_.size(); ++i) {
      const Vector& column = batch.column(columns_[i]);
      if (options_.ignore_null_fields && column.IsNull(row)) continue;
      if (any) to->push_back(',');
      any = true;
      to->append(names_[i]);
      const Status status = AppendValue(row_[i].type, column, row, to);
      if (!status.ok()) return status.Within("Fail to serialize at field: " + row_[i].name);
    }
    to->push_back('}');
    return Status::Ok();
  }

  Status AppendValue(const LogicalType& type, const Vector& vector, int32_t row, std::string* to) {
    if (vector.IsNull(row)) {
      to->append("null");
      return Status::Ok();
    }
    switch (type.kind()) {
      case TypeKind::kNull: to->append("null"); return Status::Ok();
      case TypeKind::kChar:
      case TypeKind::kVarChar:
        AppendJsonString(vector.At<StringRef>(row).view(), to);
        return Status::Ok();
      case TypeKind::kBinary:
      case TypeKind::kVarBinary:
        to->push_back('"');
        to->append(runtime::Base64Encode(vector.At<StringRef>(row).view()));
        to->push_back('"');
        return Status::Ok();
      case TypeKind::kDecimal: {
        const auto append = options_.plain_decimals ? AppendPlainDecimal : AppendStrippedDecimal;
        append(runtime::DecimalAt(vector, row), type.scale(), to);
        return Status::Ok();
      }
      case TypeKind::kFloat: return AppendFloating(type, vector, row, vector.At<float>(row), to);
      case TypeKind::kDouble: return AppendFloating(type, vector, row, vector.At<double>(row), to);
      case TypeKind::kDate:
      case TypeKind::kTime:
      case TypeKind::kTimestamp:
      case TypeKind::kTimestampLtz:
        to->push_back('"');
        AppendScalarText(type, vector, row, time_text(), to);
        to->push_back('"');
        return Status::Ok();
      case TypeKind::kArray: return AppendArray(type, vector, row, to);
      case TypeKind::kMap:
      case TypeKind::kMultiset: return AppendMap(type, vector, row, to);
      case TypeKind::kRow: return AppendNestedRow(type, vector, row, to);
      default: AppendScalarText(type, vector, row, time_text(), to); return Status::Ok();
    }
  }

  // Numbers that JSON has no form for are strings ("NaN"), as Jackson's.
  Status AppendFloating(const LogicalType& type, const Vector& vector, int32_t row, double value,
                        std::string* to) {
    const bool quoted = !std::isfinite(value);
    if (quoted) to->push_back('"');
    AppendScalarText(type, vector, row, time_text(), to);
    if (quoted) to->push_back('"');
    return Status::Ok();
  }

  Status AppendArray(const LogicalType& type, const Vector& vector, int32_t row, std::string* to) {
    const ListRange range = vector.At<ListRange>(row);
    to->push_back('[');
    for (uint32_t i = 0; i < range.length; ++i) {
      if (i > 0) to->push_back(',');
      RETURN_IF_ERROR(AppendValue(type.children()[0].type, *vector.children()[0],
                                  static_cast<int32_t>(range.offset + i), to));
    }
    to->push_back(']');
    return Status::Ok();
  }

  Status AppendMap(const LogicalType& type, const Vector& vector, int32_t row, std::string* to) {
    const ListRange range = vector.At<ListRange>(row);
    const Vector& keys = *vector.children()[0];
    to->push_back('{');
    bool any = false;
    for (uint32_t i = 0; i < range.length; ++i) {
      const auto at = static_cast<int32_t>(range.offset + i);
      const bool null_key = keys.IsNull(at);
      if (null_key && options_.null_map_keys == NullMapKeys::kDrop) continue;
      if (null_key && options_.null_map_keys == NullMapKeys::kFail) {
        return Status::User(
            "JSON format doesn't support to serialize map data with null keys. You can drop null "
            "key entries or encode null in literals by specifying map-null-key.mode option.");
      }
      if (any) to->push_back(',');
      any = true;
      if (null_key) {
        AppendJsonString(options_.null_map_key_literal, to);
      } else {
        AppendJsonString(keys.At<StringRef>(at).view(), to);
      }
      to->push_back(':');
      RETURN_IF_ERROR(AppendValue(type.children()[1].type, *vector.children()[1], at, to));
    }
    to->push_back('}');
    return Status::Ok();
  }

  Status AppendNestedRow(const LogicalType& type, const Vector& vector, int32_t row,
                         std::string* to) {
    const int32_t at = vector.PositionOf(row);
    to->push_back('{');
    bool any = false;
    for (size_t i = 0; i < type.children().size(); ++i) {
      const Field& field = type.children()[i];
      const Vector& column = *vector.children()[i];
      if (options_.ignore_null_fields && column.IsNull(at)) continue;
      if (any) to->push_back(',');
      any = true;
      AppendJsonString(field.name, to);
      to->push_back(':');
      const Status status = AppendValue(field.type, column, at, to);
      if (!status.ok()) return status.Within("Fail to serialize at field: " + field.name);
    }
    to->push_back('}');
    return Status::Ok();
  }

  TimeText time_text() const { return options_.iso_timestamps ? TimeText::kIso : TimeText::kSql; }

  const RowType row_;
  const std::vector<int> columns_;
  const JsonOptions options_;
  std::vector<std::string> names_;
};

}  // namespace

Result<std::unique_ptr<Encoder>> MakeJsonEncoder(const EncoderSpec& spec,
                                                 const JsonOptions& options) {
  return std::unique_ptr<Encoder>(std::make_unique<JsonEncoder>(spec, options));
}

}  // namespace millrace::connectors
