#include "operators/drop_update_before.h"

namespace millrace::operators {

using runtime::Batch;
using runtime::BatchPtr;
using runtime::Progress;
using runtime::Result;
using runtime::RowKind;

Result<std::unique_ptr<runtime::Operator>> DropUpdateBefore::Make(const runtime::OperatorSpec&,
                                                                  const runtime::JobSettings&) {
  return std::unique_ptr<runtime::Operator>(std::make_unique<DropUpdateBefore>());
}

Result<Progress> DropUpdateBefore::Process(int, const BatchPtr& batch, runtime::Output& out) {
  if (batch->row_kinds() == nullptr) {
    out.Emit(batch);
    return Progress::kNeedInput;
  }
  const int32_t count = batch->num_rows();
  runtime::BufferPtr kept =
      context_->pool().Allocate(static_cast<size_t>(count) * sizeof(int32_t) + 64);
  auto* rows = static_cast<int32_t*>(static_cast<void*>(kept->data()));
  int32_t found = 0;
  for (int32_t i = 0; i < count; ++i) {
    const int32_t row = batch->PhysicalRow(i);
    rows[found] = row;
    found += batch->row_kinds()[row] != RowKind::kUpdateBefore;
  }
  if (found == count) {
    out.Emit(batch);
  } else if (found > 0) {
    auto result = std::make_shared<Batch>(*batch);
    result->SetSelection(std::move(kept), found);
    out.Emit(std::move(result));
  }
  return Progress::kNeedInput;
}

}  // namespace millrace::operators
