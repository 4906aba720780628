#pragma once

#include <memory>

#include "runtime/api/operator.h"

namespace millrace::operators {

// Drops -U rows, for consumers that need only the new row of an update. No config.
class DropUpdateBefore : public runtime::Operator {
 public:
  static runtime::Result<std::unique_ptr<runtime::Operator>> Make(
      const runtime::OperatorSpec& spec, const runtime::JobSettings& settings);

  runtime::Status Open(runtime::OperatorContext& context) override {
    context_ = &context;
    return runtime::Status::Ok();
  }
  runtime::Result<runtime::Progress> Process(int input, const runtime::BatchPtr& batch,
                                             runtime::Output& out) override;

 private:
  runtime::OperatorContext* context_ = nullptr;
};

}  // namespace millrace::operators
