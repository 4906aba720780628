#pragma once

#include <memory>
#include <vector>

#include "operators/slicing.h"
#include "runtime/api/operator.h"

namespace millrace::operators {

// Gives each row once for each window that it lies in (TUMBLE, HOP and CUMULATE table functions,
// stream-exec-window-table-function). Config: {"windowing": {..}} of the plan node. Output: the
// input's columns, then window_start, window_end and window_time; row kinds stay. HOP gives the
// latest window first, CUMULATE the shortest. A row without event time is dropped and counted in
// numNullRowTimeRecordsDropped. Has no state.
class WindowTableFunction : public runtime::Operator {
 public:
  static runtime::Result<std::unique_ptr<runtime::Operator>> Make(
      const runtime::OperatorSpec& spec, const runtime::JobSettings& settings);

  runtime::Status Open(runtime::OperatorContext& context) override;
  runtime::Result<runtime::Progress> Process(int input, const runtime::BatchPtr& batch,
                                             runtime::Output& out) override;

 private:
  WindowTableFunction(SliceClock clock, runtime::OperatorSpec spec);

  // Leaves rows without event time out. Null: none is left.
  runtime::BatchPtr DropNulls(const runtime::BatchPtr& batch);
  runtime::BatchPtr EmitTumbling(const runtime::BatchPtr& batch);
  runtime::BatchPtr EmitSome();

  SliceClock clock_;
  runtime::OperatorSpec spec_;
  runtime::OperatorContext* context_ = nullptr;
  runtime::Counter* null_rows_ = nullptr;
  runtime::BatchPtr kept_;  // the batch in work
  int32_t row_ = 0;         // cursor: next row of kept_, and of its windows
  int64_t window_ = 0;
  std::vector<int64_t> slices_;  // end of each row's first slice
};

}  // namespace millrace::operators
