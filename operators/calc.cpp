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
  return std::unique_ptr<Operator>(std::make_unique<Calc>(std::move(evaluator)));
}

Result<Progress> Calc::Process(int, const BatchPtr& batch, Output& out) {
  EvaluationContext context{&context_->pool(), context_->now_ms(), context_->watermark()};
  ASSIGN_OR_RETURN(BatchPtr result, evaluator_->Project(context, batch));
  if (result != nullptr) out.Emit(std::move(result));
  return Progress::kNeedInput;
}

}  // namespace millrace::operators
