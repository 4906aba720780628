#include <algorithm>

#include "operators/expression/expression.h"
#include "operators/expression/rex.h"
#include "operators/functions/function_table.h"

namespace millrace::operators {

using runtime::Batch;
using runtime::BatchPtr;
using runtime::JobSettings;
using runtime::LogicalType;
using runtime::Result;
using runtime::RowType;
using runtime::Status;
using runtime::TypeKind;
using runtime::VectorPtr;

Program::Program(RowType input, JobSettings settings)
    : input_(std::move(input)), settings_(std::move(settings)) {}
Program::~Program() = default;
Program::Program(Program&&) noexcept = default;

int Program::AddStep(Step step, const std::string& key) {
  steps_.push_back(std::move(step));
  const int index = static_cast<int>(steps_.size()) - 1;
  if (!key.empty()) shared_.emplace_back(key, index);
  return index;
}

Result<int> Program::Add(const Rex& rex) {
  switch (rex.kind) {
    case Rex::Kind::kInput: {
      const std::string key = "#" + std::to_string(rex.input);
      for (const auto& [known, step] : shared_) {
        if (known == key) return step;
      }
      Step step;
      step.kind = Step::Kind::kInput;
      step.input = rex.input;
      step.type = rex.type;
      step.text = ToText(rex, input_);
      return AddStep(std::move(step), key);
    }
    case Rex::Kind::kLiteral: {
      Step step;
      step.kind = Step::Kind::kConstant;
      step.constant = ConstantFrom(*rex.literal, 0, 1);
      step.type = rex.type;
      step.text = ToText(rex, input_);
      std::string key;
      if (rex.ranges == nullptr) key = "'" + step.text + ":" + rex.type.ToString();
      for (const auto& [known, index] : shared_) {
        if (!key.empty() && known == key) return index;
      }
      return AddStep(std::move(step), key);
    }
    case Rex::Kind::kField: {
      ASSIGN_OR_RETURN(const int record, Add(rex.operands[0]));
      Step step;
      step.kind = Step::Kind::kField;
      step.input = rex.field;
      step.type = rex.type;
      step.operands = {record};
      step.dense = steps_[static_cast<size_t>(record)].dense;
      step.deterministic = steps_[static_cast<size_t>(record)].deterministic;
      step.text = ToText(rex, input_);
      const std::string key =
          step.deterministic ? "." + std::to_string(rex.field) + "," + std::to_string(record) : "";
      for (const auto& [known, index] : shared_) {
        if (!key.empty() && known == key) return index;
      }
      return AddStep(std::move(step), key);
    }
    case Rex::Kind::kCall:
      break;
  }
  CallShape call;
  call.name = rex.name;
  call.type = rex.type;
  call.text = ToText(rex, input_);
  call.settings = &settings_;
  std::vector<int> operands;
  for (const Rex& operand : rex.operands) {
    ASSIGN_OR_RETURN(const int step, Add(operand));
    operands.push_back(step);
    const Step& added = steps_[static_cast<size_t>(step)];
    call.operands.push_back({added.type,
                             added.kind == Step::Kind::kConstant ? added.constant : nullptr,
                             operand.symbol, operand.ranges});
  }
  return AddCall(std::move(call), std::move(operands));
}

Result<int> Program::AddCast(int step, const LogicalType& type) {
  const Step& source = steps_[static_cast<size_t>(step)];
  if (source.type.SameExceptNull(type)) return step;
  CallShape call;
  call.name = "CAST";
  call.type = type.AsNullable(source.type.nullable());
  call.text = "CAST(" + source.text + " AS " + type.AsNullable().ToString() + ")";
  call.settings = &settings_;
  call.operands.push_back(
      {source.type, source.kind == Step::Kind::kConstant ? source.constant : nullptr, "", nullptr});
  return AddCall(std::move(call), {step});
}

Result<int> Program::AddCall(CallShape call, std::vector<int> operands) {
  ASSIGN_OR_RETURN(BoundCall bound, BindCall(call));
  if (bound.same_as_operand >= 0 || bound.cast_of_operand >= 0) {
    if (bound.cast_of_operand >= 0) {
      return AddCast(operands[static_cast<size_t>(bound.cast_of_operand)], call.type);
    }
    const int same = operands[static_cast<size_t>(bound.same_as_operand)];
    return same;
  }
  for (size_t i = 0; i < bound.operand_types.size() && i < operands.size(); ++i) {
    if (bound.operand_types[i].kind() == TypeKind::kNull) continue;
    ASSIGN_OR_RETURN(operands[i], AddCast(operands[i], bound.operand_types[i]));
  }
  Step step;
  step.kind = Step::Kind::kCall;
  const bool computes_other = bound.computed_type.kind() != TypeKind::kNull;
  step.type = computes_other ? bound.computed_type.AsNullable(call.type.nullable()) : call.type;
  step.kernel = std::move(bound.kernel);
  step.control = bound.control;
  step.strict = bound.strict;
  step.can_fail = bound.can_fail;
  step.deterministic = bound.deterministic;
  step.dense = !bound.can_fail && !bound.costly;
  step.text = call.text;
  bool all_constant = !bound.per_batch && bound.deterministic;
  std::string key = call.name + ":" + step.type.ToString();
  for (const int operand : operands) {
    const Step& argument = steps_[static_cast<size_t>(operand)];
    step.dense = step.dense && argument.dense;
    step.deterministic = step.deterministic && argument.deterministic;
    all_constant = all_constant && argument.kind == Step::Kind::kConstant;
    key += "," + std::to_string(operand);
  }
  if (!step.deterministic) key.clear();
  step.operands = std::move(operands);
  int index = -1;
  for (const auto& [known, at] : shared_) {
    if (!key.empty() && known == key) index = at;
  }
  if (index < 0) {
    if (all_constant) RETURN_IF_ERROR(Fold(&step));
    index = AddStep(std::move(step), key);
  }
  return computes_other ? AddCast(index, call.type) : Result<int>(index);
}

// Computes a call of constants now. An error is left to the rows, since they may never come.
Status Program::Fold(Step* step) {
  const RowSet one = RowSet::All(1);
  EvaluationContext context;
  std::vector<VectorPtr> arguments;
  if (step->control != Control::kKernel) return Status::Ok();  // their operands were folded
  for (const int operand : step->operands) {
    const Step& argument = steps_[static_cast<size_t>(operand)];
    if (step->strict && argument.constant->IsNull(0)) {
      step->kind = Step::Kind::kConstant;
      step->constant = runtime::MakeNulls(runtime::ProcessPool(), step->type, 1);
      step->operands.clear();
      return Status::Ok();
    }
    arguments.push_back(Flatten(*context.pool, argument.type, argument.constant));
  }
  Result<VectorPtr> value = step->kernel->Evaluate(context, one, arguments);
  if (!value.ok()) return Status::Ok();
  step->constant = ConstantFrom(**value, 0, 1);
  step->kind = Step::Kind::kConstant;
  step->kernel = nullptr;
  step->dense = true;
  step->operands.clear();
  return Status::Ok();
}

}  // namespace millrace::operators
