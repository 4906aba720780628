#include "operators/constraint_enforcer.h"

#include <nlohmann/json.hpp>

#include "runtime/types/text/utf8.h"

namespace millrace::operators {

using runtime::Batch;
using runtime::BatchPtr;
using runtime::LogicalType;
using runtime::Progress;
using runtime::Result;
using runtime::Status;
using runtime::StringRef;
using runtime::TypeKind;
using runtime::VectorPtr;

namespace {

bool IsLimited(const LogicalType& type) {
  return (type.is_string() || type.is_binary()) && type.length() < LogicalType::kMaxLength;
}
bool IsFixed(const LogicalType& type) {
  return type.kind() == TypeKind::kChar || type.kind() == TypeKind::kBinary;
}

// Length in the unit of the type: characters or bytes.
int64_t LengthOf(const LogicalType& type, std::string_view text) {
  return type.is_string() ? runtime::CountCodePoints(text) : static_cast<int64_t>(text.size());
}

}  // namespace

bool ConstraintEnforcer::IsNeeded(const runtime::RowType& input, const runtime::RowType& table,
                                  bool enforce_lengths) {
  for (size_t i = 0; i < table.size(); ++i) {
    if (!table[i].type.nullable() && input[i].type.nullable()) return true;
    if (enforce_lengths && IsLimited(table[i].type)) return true;
  }
  return false;
}

Result<std::unique_ptr<runtime::Operator>> ConstraintEnforcer::Make(
    const runtime::OperatorSpec& spec, const runtime::JobSettings&) {
  auto enforcer = std::make_unique<ConstraintEnforcer>();
  const auto config = nlohmann::json::parse(spec.config, nullptr, false);
  if (!config.is_object()) return Status::Internal("constraint-enforcer: config is no object");
  const auto configuration = config.value("configuration", nlohmann::json::object());
  enforcer->drop_ =
      configuration.value("table.exec.sink.not-null-enforcer", std::string("ERROR")) == "DROP";
  const std::string lengths =
      configuration.value("table.exec.sink.type-length-enforcer", std::string("IGNORE"));
  enforcer->lengths_ = lengths == "TRIM_PAD" ? Lengths::kTrimPad
                       : lengths == "ERROR"  ? Lengths::kError
                                             : Lengths::kIgnore;
  enforcer->table_ = spec.output;
  enforcer->table_name_ = config.value("table", std::string());
  for (size_t i = 0; i < spec.output.size(); ++i) {
    if (!spec.output[i].type.nullable()) enforcer->not_null_.push_back(static_cast<int>(i));
    if (enforcer->lengths_ != Lengths::kIgnore && IsLimited(spec.output[i].type)) {
      enforcer->limited_.push_back(static_cast<int>(i));
    }
  }
  return std::unique_ptr<runtime::Operator>(std::move(enforcer));
}

Status ConstraintEnforcer::Open(runtime::OperatorContext& context) {
  context_ = &context;
  return Status::Ok();
}

// A column over the same physical rows whose values fit.
Result<VectorPtr> ConstraintEnforcer::FitLengths(const Batch& batch, int column) {
  const runtime::Vector& values = batch.column(column);
  const runtime::Field& field = table_[static_cast<size_t>(column)];
  const int64_t limit = field.type.length();
  runtime::VectorBuilder fitted(context_->pool(), field.type, batch.physical_rows());
  std::string padded;
  for (int32_t row = 0; row < batch.physical_rows(); ++row) {
    if (values.IsNull(row)) {
      fitted.AppendNull();
      continue;
    }
    const StringRef& ref = values.At<StringRef>(row);
    const std::string_view text = ref.view();
    const int64_t length = LengthOf(field.type, text);
    const bool fits = IsFixed(field.type) ? length == limit : length <= limit;
    if (fits) {
      fitted.AppendString(text);
      continue;
    }
    if (lengths_ == Lengths::kError) {
      return Status::User("Column '" + field.name + "' is " + field.type.AsNullable().ToString() +
                          ", however, a string of length " + std::to_string(length) +
                          " is being written into it. You can set job configuration "
                          "'table.exec.sink.type-length-enforcer' to 'TRIM_PAD' to trim and pad "
                          "values silently: table " + table_name_);
    }
    if (length > limit) {
      fitted.AppendString(field.type.is_string()
                              ? runtime::TakeCodePoints(text, limit)
                              : text.substr(0, static_cast<size_t>(limit)));
    } else {
      padded.assign(text);
      padded.append(static_cast<size_t>(limit - length), field.type.is_string() ? ' ' : '\0');
      fitted.AppendString(padded);
    }
  }
  return fitted.Finish();
}

Result<Progress> ConstraintEnforcer::Process(int, const BatchPtr& batch, runtime::Output& out) {
  BatchPtr kept = batch;
  for (int column : not_null_) {
    const runtime::Vector& values = kept->column(column);
    if (!values.may_have_nulls()) continue;
    const int32_t count = kept->num_rows();
    runtime::BufferPtr buffer =
        context_->pool().Allocate(static_cast<size_t>(count) * sizeof(int32_t) + 64);
    auto* rows = reinterpret_cast<int32_t*>(buffer->data());
    int32_t found = 0;
    for (int32_t i = 0; i < count; ++i) {
      const int32_t row = kept->PhysicalRow(i);
      rows[found] = row;
      found += !values.IsNull(row);
    }
    if (found == count) continue;
    if (!drop_) {
      return Status::User("Column '" + table_[static_cast<size_t>(column)].name +
                          "' is NOT NULL, however, a null value is being written into it. You can "
                          "set job configuration 'table.exec.sink.not-null-enforcer'='DROP' to "
                          "suppress this exception and drop such records silently: table " +
                          table_name_);
    }
    if (found == 0) return Progress::kNeedInput;
    auto fewer = std::make_shared<Batch>(*kept);
    fewer->SetSelection(std::move(buffer), found);
    kept = std::move(fewer);
  }
  if (!limited_.empty()) {
    std::vector<VectorPtr> columns = kept->columns();
    for (int column : limited_) {
      ASSIGN_OR_RETURN(columns[static_cast<size_t>(column)], FitLengths(*kept, column));
    }
    kept = WithColumns(*kept, std::move(columns), true);
  }
  out.Emit(std::move(kept));
  return Progress::kNeedInput;
}

}  // namespace millrace::operators
