#pragma once

#include <memory>

#include "operators/expression/expression.h"
#include "runtime/api/operator.h"

namespace millrace::operators {

// Filters rows and computes columns, keeping row kinds and order.
// Config: {"projection": [expression, ...], "condition": expression or null}, expressions as in
// compiled plans. A batch of which no row is kept gives no output.
class Calc : public runtime::Operator {
 public:
  static runtime::Result<std::unique_ptr<runtime::Operator>> Make(
      const runtime::OperatorSpec& spec, const runtime::JobSettings& settings);
  explicit Calc(std::unique_ptr<Evaluator> evaluator) : evaluator_(std::move(evaluator)) {}

  runtime::Status Open(runtime::OperatorContext& context) override {
    context_ = &context;
    return runtime::Status::Ok();
  }
  runtime::Result<runtime::Progress> Process(int input, const runtime::BatchPtr& batch,
                                             runtime::Output& out) override;

 private:
  std::unique_ptr<Evaluator> evaluator_;
  runtime::OperatorContext* context_ = nullptr;
};

}  // namespace millrace::operators
