#include "operators/window_table_function.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "operators/aggregate/plan_fields.h"

namespace millrace::operators {

using nlohmann::json;
using runtime::Batch;
using runtime::BatchPtr;
using runtime::BufferPtr;
using runtime::Output;
using runtime::PhysicalType;
using runtime::Progress;
using runtime::Result;
using runtime::RowKind;
using runtime::Status;
using runtime::Vector;
using runtime::VectorBuilder;
using runtime::VectorPtr;

Result<std::unique_ptr<runtime::Operator>> WindowTableFunction::Make(
    const runtime::OperatorSpec& spec, const runtime::JobSettings& settings) {
  if (spec.inputs.size() != 1) return Status::Internal("window table function has one input");
  ASSIGN_OR_RETURN(const json node, ParsePlanObject(spec.config));
  ASSIGN_OR_RETURN(const Windowing windowing,
                   ReadWindowing(node.value("windowing", json()), spec.inputs[0]));
  if (windowing.strategy != WindowingStrategy::kTimeAttribute) {
    return Status::User("windowing of a window table function is not by a time attribute");
  }
  ASSIGN_OR_RETURN(SliceClock clock, SliceClock::Make(windowing, settings.time_zone));
  if (spec.output.size() != spec.inputs[0].size() + 3) {
    return Status::User("output of a window table function has " +
                        std::to_string(spec.output.size()) +
                        " columns instead of the input's and three");
  }
  return std::unique_ptr<runtime::Operator>(new WindowTableFunction(std::move(clock), spec));
}

WindowTableFunction::WindowTableFunction(SliceClock clock, runtime::OperatorSpec spec)
    : clock_(std::move(clock)), spec_(std::move(spec)) {}

Status WindowTableFunction::Open(runtime::OperatorContext& context) {
  context_ = &context;
  null_rows_ = &context.metrics().counter("numNullRowTimeRecordsDropped");
  return Status::Ok();
}

BatchPtr WindowTableFunction::DropNulls(const BatchPtr& batch) {
  const int column = clock_.windowing().time_column;
  if (column < 0 || !batch->column(column).may_have_nulls()) return batch;
  const Vector& times = batch->column(column);
  BufferPtr selection = context_->pool().Allocate(
      static_cast<size_t>(batch->num_rows()) * sizeof(int32_t) + Vector::kPaddingBytes);
  auto* rows = reinterpret_cast<int32_t*>(selection->data());
  int32_t count = 0;
  for (int32_t i = 0; i < batch->num_rows(); ++i) {
    const int32_t row = batch->PhysicalRow(i);
    if (!times.IsNull(row)) rows[count++] = row;
  }
  if (count == batch->num_rows()) return batch;
  null_rows_->Add(batch->num_rows() - count);
  if (count == 0) return nullptr;
  auto kept = std::make_shared<Batch>(*batch);
  kept->SetSelection(std::move(selection), count);
  return kept;
}

BatchPtr WindowTableFunction::EmitTumbling(const BatchPtr& batch) {
  const int32_t physical = batch->physical_rows();
  std::vector<VectorPtr> columns = batch->columns();
  int64_t* values[3];
  for (auto& to : values) {
    auto vector =
        std::make_shared<Vector>(PhysicalType::kInt64, runtime::Encoding::kFlat, physical);
    BufferPtr buffer = runtime::AllocateValues(context_->pool(), PhysicalType::kInt64, physical);
    to = reinterpret_cast<int64_t*>(buffer->data());
    vector->SetValues(std::move(buffer));
    columns.push_back(std::move(vector));
  }
  if (batch->selection() != nullptr) {
    for (int64_t* to : values) std::fill_n(to, physical, 0);
  }
  int64_t known_end = INT64_MIN;
  int64_t known_time = 0;
  for (int32_t i = 0; i < batch->num_rows(); ++i) {
    const int32_t row = batch->PhysicalRow(i);
    const int64_t end = slices_[static_cast<size_t>(i)];
    if (end != known_end) {
      known_end = end;
      known_time = clock_.ToEpoch(end - 1);
    }
    values[0][row] = clock_.windowing().slicing.WindowStart(end);
    values[1][row] = end;
    values[2][row] = known_time;
  }
  return runtime::WithColumns(*batch, std::move(columns), /*keep_key_groups=*/true);
}

BatchPtr WindowTableFunction::EmitSome() {
  const WindowSlicing& slicing = clock_.windowing().slicing;
  const int32_t most = context_->settings().batch_rows;
  std::vector<int32_t> rows;
  std::vector<int64_t> ends;
  while (row_ < kept_->num_rows() && static_cast<int32_t>(rows.size()) < most) {
    const int64_t slice = slices_[static_cast<size_t>(row_)];
    const int64_t last = slicing.LastWindowEnd(slice);
    const int64_t count = (last - slice) / slicing.step_ms + 1;
    rows.push_back(kept_->PhysicalRow(row_));
    ends.push_back(slicing.kind == WindowKind::kHop ? last - window_ * slicing.step_ms
                                                    : slice + window_ * slicing.step_ms);
    if (++window_ == count) {
      window_ = 0;
      ++row_;
    }
  }
  const auto count = static_cast<int32_t>(rows.size());
  std::vector<VectorPtr> columns;
  for (int c = 0; c < kept_->num_columns(); ++c) {
    VectorBuilder builder(context_->pool(), spec_.output[static_cast<size_t>(c)].type, count);
    builder.AppendRows(kept_->column(c), rows.data(), count, VectorBuilder::Strings::kKeep);
    columns.push_back(builder.Finish());
  }
  const auto append = [&](auto value_of) {
    VectorBuilder builder(context_->pool(), spec_.output[columns.size()].type, count);
    for (int64_t end : ends) builder.Append<int64_t>(value_of(end));
    columns.push_back(builder.Finish());
  };
  append([&](int64_t end) { return slicing.WindowStart(end); });
  append([&](int64_t end) { return end; });
  append([&](int64_t end) { return clock_.ToEpoch(end - 1); });
  auto batch = std::make_shared<Batch>(std::move(columns), count);
  if (kept_->row_kinds() != nullptr) {
    BufferPtr kinds = context_->pool().Allocate(rows.size() + Vector::kPaddingBytes);
    auto* to = reinterpret_cast<RowKind*>(kinds->data());
    for (size_t i = 0; i < rows.size(); ++i) to[i] = kept_->row_kinds()[rows[i]];
    batch->SetRowKinds(std::move(kinds));
  }
  return batch;
}

Result<Progress> WindowTableFunction::Process(int, const BatchPtr& batch, Output& out) {
  if (kept_ == nullptr) {
    kept_ = DropNulls(batch);
    if (kept_ == nullptr) return Progress::kNeedInput;
    row_ = 0;
    window_ = 0;
    const Status assigned =
        clock_.Assign({kept_.get(), 0, kept_->num_rows()}, context_->now_ms(), &slices_);
    if (!assigned.ok()) return assigned;
    if (!clock_.windowing().slicing.is_shared() &&
        kept_->num_rows() <= context_->settings().batch_rows) {
      out.Emit(EmitTumbling(kept_));
      kept_ = nullptr;
      return Progress::kNeedInput;
    }
  }
  out.Emit(EmitSome());
  if (row_ < kept_->num_rows()) return Progress::kMore;
  kept_ = nullptr;
  return Progress::kNeedInput;
}

}  // namespace millrace::operators
