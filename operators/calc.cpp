#include "operators/calc.h"

#include <nlohmann/json.hpp>

namespace millrace::operators {

using runtime::BatchPtr;
using runtime::JobSettings;
using runtime::Operator;
using runtime::OperatorSpec;
using runtime::Output;
using runtime::Progress;
using runtime::Result;
using runtime::Status;

Result<std::unique_ptr<Operator>> Calc::Make(const OperatorSpec& spec,
                                             const JobSettings& settings) {
  if (spec.inputs.size() != 1) return Status::Internal("calc has one input");
  const nlohmann::json config = nlohmann::json::parse(spec.config, nullptr, false);
  if (!config.is_object() || !config.contains("projection")) {
    return Status::User("calc needs a config with \"projection\": " + spec.config);
  }
  const nlohmann::json condition = config.value("condition", nlohmann::json());
  ASSIGN_OR_RETURN(
      std::unique_ptr<Evaluator> evaluator,
      Evaluator::Make(config["projection"].dump(), condition.is_null() ? "" : condition.dump(),
                      spec.inputs[0], settings));
  const runtime::RowType computed = evaluator->OutputTypes();
  if (computed.size() != spec.output.size()) {
    return Status::User("calc computes " + std::to_string(computed.size()) +
                        " columns, its output has " + std::to_string(spec.output.size()));
  }
  for (size_t i = 0; i < computed.size(); ++i) {
    if (computed[i].type.physical() != spec.output[i].type.physical()) {
      return Status::User("calc computes " + computed[i].type.ToString() + " for column " +
                          spec.output[i].name + " of type " + spec.output[i].type.ToString());
    }
  }
  return std::unique_ptr<Operator>(std::make_unique<Calc>(std::move(evaluator), spec.output));
}

namespace {

// What Flink's generated code has in a field before it is set.
void AppendUnset(runtime::VectorBuilder* to) {
  using runtime::PhysicalType;
  switch (to->type().physical()) {
    case PhysicalType::kBool:
      return to->Append<uint8_t>(0);
    case PhysicalType::kInt8:
      return to->Append<int8_t>(-1);
    case PhysicalType::kInt16:
      return to->Append<int16_t>(-1);
    case PhysicalType::kInt32:
      return to->Append<int32_t>(-1);
    case PhysicalType::kFloat:
      return to->Append<float>(-1);
    case PhysicalType::kDouble:
      return to->Append<double>(-1);
    case PhysicalType::kString:
      return to->AppendString("");
    case PhysicalType::kInt64:
      if (to->type().kind() == runtime::TypeKind::kBigInt) return to->Append<int64_t>(-1);
      [[fallthrough]];
    default:
      return to->AppendNull();
  }
}

bool HasNull(const runtime::Batch& batch, int column) {
  const runtime::Vector& values = batch.column(column);
  if (!values.may_have_nulls()) return false;
  for (int32_t i = 0; i < batch.num_rows(); ++i) {
    if (values.IsNull(batch.PhysicalRow(i))) return true;
  }
  return false;
}

}  // namespace

Calc::Calc(std::unique_ptr<Evaluator> evaluator, const runtime::RowType& output)
    : evaluator_(std::move(evaluator)), output_(output) {
  for (size_t c = 0; c < output.size(); ++c) {
    if (!output[c].type.nullable()) not_null_.push_back(static_cast<int>(c));
  }
}

BatchPtr Calc::FillNotNull(BatchPtr batch) const {
  std::vector<runtime::VectorPtr> columns;
  for (const int c : not_null_) {
    if (!HasNull(*batch, c)) continue;
    if (columns.empty()) {
      for (int all = 0; all < batch->num_columns(); ++all) {
        columns.push_back(batch->shared_column(all));
      }
    }
    const runtime::Vector& values = batch->column(c);
    runtime::VectorBuilder builder(context_->pool(), output_[static_cast<size_t>(c)].type,
                                   batch->physical_rows());
    for (int32_t row = 0; row < batch->physical_rows(); ++row) {
      if (values.IsNull(row)) {
        AppendUnset(&builder);
      } else {
        builder.AppendFrom(values, row);
      }
    }
    columns[static_cast<size_t>(c)] = builder.Finish();
  }
  return columns.empty() ? batch : WithColumns(*batch, std::move(columns), true);
}

Result<Progress> Calc::Process(int, const BatchPtr& batch, Output& out) {
  EvaluationContext context{&context_->pool(), context_->now_ms(), context_->watermark()};
  ASSIGN_OR_RETURN(BatchPtr result, evaluator_->Project(context, batch));
  // Only deletes by key have NULLs there.
  if (result != nullptr && result->row_kinds() != nullptr) result = FillNotNull(std::move(result));
  if (result != nullptr) out.Emit(std::move(result));
  return Progress::kNeedInput;
}

}  // namespace millrace::operators
