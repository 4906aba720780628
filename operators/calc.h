#pragma once

#include <memory>
#include <vector>

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
  Calc(std::unique_ptr<Evaluator> evaluator, const runtime::RowType& output);

  runtime::Status Open(runtime::OperatorContext& context) override {
    context_ = &context;
    return runtime::Status::Ok();
  }
  runtime::Result<runtime::Progress> Process(int input, const runtime::BatchPtr& batch,
                                             runtime::Output& out) override;

 private:
  // Gives NULLs of NOT NULL columns, which deletes by key have, the values that Flink's code leaves.
  runtime::BatchPtr FillNotNull(runtime::BatchPtr batch) const;

  std::unique_ptr<Evaluator> evaluator_;
  const runtime::RowType output_;
  std::vector<int> not_null_;  // columns of the output
  runtime::OperatorContext* context_ = nullptr;
};

}  // namespace millrace::operators
