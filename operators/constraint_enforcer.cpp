#include "operators/constraint_enforcer.h"

#include <algorithm>
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

ConstraintEnforcer::Rules ConstraintEnforcer::ReadRules(const nlohmann::json& configuration) {
  const auto option = [&](const char* name, const char* otherwise) {
    return configuration.value(name, std::string(otherwise));
  };
  Rules rules;
  rules.drop = option("table.exec.sink.not-null-enforcer", "ERROR") == "DROP";
  const std::string lengths = option("table.exec.sink.type-length-enforcer", "IGNORE");
  rules.lengths = lengths == "TRIM_PAD" ? Lengths::kTrimPad
                  : lengths == "ERROR"  ? Lengths::kError
                                        : Lengths::kIgnore;
  const std::string nested = option("table.exec.sink.nested-constraint-enforcer", "IGNORE");
  rules.nested = nested == "ROWS"                   ? Nested::kRows
                 : nested == "ROWS_AND_COLLECTIONS" ? Nested::kCollections
                                                    : Nested::kIgnore;
  return rules;
}

bool ConstraintEnforcer::Rules::Enters(const LogicalType& type) const {
  switch (type.kind()) {
    case TypeKind::kRow:
      return nested != Nested::kIgnore;
    case TypeKind::kArray:
    case TypeKind::kMap:
    case TypeKind::kMultiset:
      return nested == Nested::kCollections;
    default:
      return false;
  }
}

bool ConstraintEnforcer::Rules::LimitsLength(const LogicalType& type) const {
  if (lengths == Lengths::kIgnore) return false;
  if (IsLimited(type)) return true;
  return Enters(type) &&
         std::any_of(type.children().begin(), type.children().end(),
                     [this](const runtime::Field& field) { return LimitsLength(field.type); });
}

bool ConstraintEnforcer::Rules::ForbidsNullWithin(const LogicalType& type) const {
  return Enters(type) && std::any_of(type.children().begin(), type.children().end(),
                                     [this](const runtime::Field& field) {
                                       return !field.type.nullable() ||
                                              ForbidsNullWithin(field.type);
                                     });
}

bool ConstraintEnforcer::IsNeeded(const runtime::RowType& input, const runtime::RowType& table,
                                  const nlohmann::json& configuration) {
  const Rules rules = ReadRules(configuration);
  for (size_t i = 0; i < table.size(); ++i) {
    if (!table[i].type.nullable() && input[i].type.nullable()) return true;
    if (rules.LimitsLength(table[i].type) || rules.ForbidsNullWithin(table[i].type)) return true;
  }
  return false;
}

Result<std::unique_ptr<runtime::Operator>> ConstraintEnforcer::Make(
    const runtime::OperatorSpec& spec, const runtime::JobSettings&) {
  auto enforcer = std::make_unique<ConstraintEnforcer>();
  const auto config = nlohmann::json::parse(spec.config, nullptr, false);
  if (!config.is_object()) return Status::Internal("constraint-enforcer: config is no object");
  enforcer->rules_ = ReadRules(config.value("configuration", nlohmann::json::object()));
  enforcer->table_ = spec.output;
  enforcer->table_name_ = config.value("table", std::string());
  for (size_t i = 0; i < spec.output.size(); ++i) {
    const LogicalType& type = spec.output[i].type;
    if (!type.nullable() || enforcer->rules_.ForbidsNullWithin(type)) {
      enforcer->not_null_.push_back(static_cast<int>(i));
    }
    if (enforcer->rules_.LimitsLength(type)) enforcer->limited_.push_back(static_cast<int>(i));
  }
  return std::unique_ptr<runtime::Operator>(std::move(enforcer));
}

Status ConstraintEnforcer::Open(runtime::OperatorContext& context) {
  context_ = &context;
  return Status::Ok();
}

Result<VectorPtr> ConstraintEnforcer::FitLengths(const LogicalType& type, const std::string& name,
                                                 const runtime::Vector& values) {
  if (!type.children().empty()) {
    auto fitted =
        std::make_shared<runtime::Vector>(values.physical(), values.encoding(), values.length());
    if (values.values_buffer()) fitted->SetValues(values.values_buffer());
    fitted->SetValidity(values.validity_buffer());
    for (size_t i = 0; i < type.children().size(); ++i) {
      const runtime::Field& field = type.children()[i];
      VectorPtr child = values.children()[i];
      if (rules_.LimitsLength(field.type)) {
        ASSIGN_OR_RETURN(child, FitLengths(field.type, name + "." + field.name, *child));
      }
      fitted->AddChild(std::move(child));
    }
    return VectorPtr(std::move(fitted));
  }
  const int64_t limit = type.length();
  const int32_t count = values.length();
  runtime::VectorBuilder fitted(context_->pool(), type, count);
  std::string padded;
  for (int32_t row = 0; row < count; ++row) {
    if (values.IsNull(row)) {
      fitted.AppendNull();
      continue;
    }
    const StringRef& ref = values.At<StringRef>(row);
    const std::string_view text = ref.view();
    const int64_t length = LengthOf(type, text);
    const bool fits = IsFixed(type) ? length == limit : length <= limit;
    if (fits) {
      fitted.AppendString(text);
      continue;
    }
    if (rules_.lengths == Lengths::kError) {
      return Status::User("Column '" + name + "' is " + type.AsNullable().ToString() +
                          ", however, a string of length " + std::to_string(length) +
                          " is being written into it. You can set job configuration "
                          "'table.exec.sink.type-length-enforcer' to 'TRIM_PAD' to trim and pad "
                          "values silently: table " +
                          table_name_);
    }
    if (length > limit) {
      fitted.AppendString(type.is_string() ? runtime::TakeCodePoints(text, limit)
                                           : text.substr(0, static_cast<size_t>(limit)));
    } else {
      padded.assign(text);
      padded.append(static_cast<size_t>(limit - length), type.is_string() ? ' ' : '\0');
      fitted.AppendString(padded);
    }
  }
  return fitted.Finish();
}

bool ConstraintEnforcer::HasNullWithin(const LogicalType& type, const runtime::Vector& values,
                                       int32_t row) const {
  const auto breaks = [&](const runtime::Field& field, const runtime::Vector& child, int32_t at) {
    if (child.IsNull(at)) return !field.type.nullable();
    return rules_.Enters(field.type) && HasNullWithin(field.type, child, at);
  };
  for (size_t i = 0; i < type.children().size(); ++i) {
    const runtime::Vector& child = *values.children()[i];
    if (type.kind() == TypeKind::kRow) {
      const int32_t at = values.encoding() == runtime::Encoding::kConstant ? 0 : row;
      if (breaks(type.children()[i], child, at)) return true;
      continue;
    }
    const auto range = values.At<runtime::ListRange>(row);
    for (uint32_t k = 0; k < range.length; ++k) {
      if (breaks(type.children()[i], child, static_cast<int32_t>(range.offset + k))) return true;
    }
  }
  return false;
}

Result<Progress> ConstraintEnforcer::Process(int, const BatchPtr& batch, runtime::Output& out) {
  BatchPtr kept = batch;
  for (int column : not_null_) {
    const runtime::Vector& values = kept->column(column);
    const LogicalType& type = table_[static_cast<size_t>(column)].type;
    const bool within = rules_.ForbidsNullWithin(type);
    if (!values.may_have_nulls() && !within) continue;
    const int32_t count = kept->num_rows();
    runtime::BufferPtr buffer =
        context_->pool().Allocate(static_cast<size_t>(count) * sizeof(int32_t) + 64);
    auto* rows = reinterpret_cast<int32_t*>(buffer->data());
    int32_t found = 0;
    for (int32_t i = 0; i < count; ++i) {
      const int32_t row = kept->PhysicalRow(i);
      rows[found] = row;
      const bool is_null = values.IsNull(row);
      const bool breaks = is_null ? !type.nullable() : within && HasNullWithin(type, values, row);
      found += !breaks;
    }
    if (found == count) continue;
    if (!rules_.drop) {
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
      const runtime::Field& field = table_[static_cast<size_t>(column)];
      ASSIGN_OR_RETURN(columns[static_cast<size_t>(column)],
                       FitLengths(field.type, field.name, kept->column(column)));
    }
    kept = WithColumns(*kept, std::move(columns), true);
  }
  out.Emit(std::move(kept));
  return Progress::kNeedInput;
}

}  // namespace millrace::operators
