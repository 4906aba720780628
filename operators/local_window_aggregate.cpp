#include "operators/local_window_aggregate.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "operators/aggregate/plan_fields.h"

namespace millrace::operators {

using nlohmann::json;
using runtime::BatchPtr;
using runtime::LogicalType;
using runtime::Output;
using runtime::Progress;
using runtime::Result;
using runtime::RowType;
using runtime::Status;
using runtime::Vector;
using runtime::VectorBuilder;
using runtime::VectorPtr;

namespace {

std::vector<LogicalType> TypesOf(const RowType& row, const std::vector<int>& columns) {
  std::vector<LogicalType> types;
  for (int column : columns) types.push_back(row[static_cast<size_t>(column)].type);
  return types;
}

}  // namespace

Result<std::unique_ptr<runtime::Operator>> LocalWindowAggregate::Make(
    const runtime::OperatorSpec& spec, const runtime::JobSettings& settings) {
  if (spec.inputs.size() != 1) return Status::Internal("local window aggregate has one input");
  const RowType& input = spec.inputs[0];
  ASSIGN_OR_RETURN(const json node, ParsePlanObject(spec.config));
  ASSIGN_OR_RETURN(std::vector<int> grouping, ReadIntegers(node, "grouping"));
  for (int column : grouping) {
    if (column < 0 || column >= static_cast<int>(input.size())) {
      return Status::User("grouping column is no input column: " + std::to_string(column));
    }
  }
  ASSIGN_OR_RETURN(const Windowing windowing,
                   ReadWindowing(node.value("windowing", json()), input));
  ASSIGN_OR_RETURN(SliceClock clock, SliceClock::Make(windowing, settings.time_zone));
  ASSIGN_OR_RETURN(const bool retracts, ReadBoolean(node, "needRetraction", false));
  ASSIGN_OR_RETURN(std::vector<AggregateCall> calls,
                   ReadAggregateCalls(node.value("aggCalls", json()), input));
  for (AggregateCall& call : calls) call.retracts = retracts;
  const bool counts_rows = retracts || windowing.slicing.kind == WindowKind::kHop;
  ASSIGN_OR_RETURN(AggregateSet aggregates,
                   AggregateSet::Make(std::move(calls), input, counts_rows, retracts));
  const size_t wanted =
      grouping.size() + aggregates.fields().size() + aggregates.views().size() + 1;
  if (spec.output.size() != wanted) {
    return Status::User("output of a local window aggregate has " +
                        std::to_string(spec.output.size()) + " columns instead of " +
                        std::to_string(wanted));
  }
  for (size_t i = 0; i < aggregates.fields().size(); ++i) {
    const LogicalType& type = spec.output[grouping.size() + i].type;
    if (type.physical() != aggregates.fields()[i].type.physical()) {
      return Status::User("accumulator has another type than its output column: " +
                          aggregates.fields()[i].type.ToString() + ", " + type.ToString());
    }
  }
  for (size_t v = 0; v < aggregates.views().size(); ++v) {
    const DistinctView& view = aggregates.views()[v];
    const LogicalType& have = spec.output[grouping.size() + aggregates.fields().size() + v].type;
    if (view.arguments.size() != 1 || view.fields().size() != 1) {
      return Status::User(
          "DISTINCT of several columns, of more than 64 calls on one column, or of "
          "several with retraction is not supported in two phases");
    }
    const LogicalType& argument = input[static_cast<size_t>(view.arguments[0])].type;
    if (have.kind() != runtime::TypeKind::kMap ||
        have.children()[0].type.physical() != argument.physical() ||
        have.children()[1].type.physical() != runtime::PhysicalType::kInt64) {
      return Status::User("distinct column of a local window aggregate is no MAP<" +
                          argument.ToString() + ", BIGINT>: " + have.ToString());
    }
  }
  return std::unique_ptr<runtime::Operator>(
      new LocalWindowAggregate(std::move(grouping), std::move(aggregates), std::move(clock), spec));
}

LocalWindowAggregate::LocalWindowAggregate(std::vector<int> grouping, AggregateSet aggregates,
                                           SliceClock clock, runtime::OperatorSpec spec)
    : grouping_(std::move(grouping)),
      aggregates_(std::move(aggregates)),
      clock_(std::move(clock)),
      spec_(std::move(spec)),
      accumulation_(&aggregates_),
      groups_(TypesOf(spec_.inputs[0], grouping_), aggregates_.fields()) {
  aggregates_.Bind(groups_.layout(), 0);
  for (size_t v = 0; v < aggregates_.views().size(); ++v) {
    const DistinctView& view = aggregates_.views()[v];
    view_tables_.emplace_back(TypesOf(spec_.inputs[0], view.arguments), view.fields());
    accumulation_.marker(v).Bind(view_tables_.back().layout());
  }
  entries_.resize(view_tables_.size());
}

Status LocalWindowAggregate::Open(runtime::OperatorContext& context) {
  context_ = &context;
  return Status::Ok();
}

void LocalWindowAggregate::AddRows(const RowRange& rows) {
  std::vector<const Vector*> columns;
  for (int column : grouping_) columns.push_back(&rows.batch->column(column));
  ids_.resize(static_cast<size_t>(rows.count));
  const int32_t known = groups_.size();
  groups_.FindOrAdd(columns, rows.batch->selection(), rows.count, slices_.data(), ids_.data());
  accumulators_.resize(static_cast<size_t>(rows.count));
  for (size_t i = 0; i < ids_.size(); ++i) accumulators_[i] = groups_.row(ids_[i]);
  for (int32_t id = known; id < groups_.size(); ++id) {
    uint8_t* row = groups_.row(id);
    aggregates_.Initialize(&row, 1);
    lowest_slice_ = std::min(lowest_slice_, groups_.beside(id));
  }
  const uint8_t* actions = nullptr;
  if (const runtime::RowKind* kinds = rows.batch->row_kinds()) {
    actions_.resize(static_cast<size_t>(rows.count));
    for (int32_t i = 0; i < rows.count; ++i) {
      actions_[static_cast<size_t>(i)] =
          runtime::IsRetraction(kinds[rows.PhysicalRow(i)]) ? kRetract : kPlain;
    }
    actions = actions_.data();
  }
  const std::vector<int64_t> numbers(ids_.begin(), ids_.end());
  for (size_t v = 0; v < view_tables_.size(); ++v) {
    columns.clear();
    for (int column : aggregates_.views()[v].arguments) {
      columns.push_back(&rows.batch->column(column));
    }
    view_tables_[v].FindOrAdd(columns, rows.batch->selection(), rows.count, numbers.data(),
                              ids_.data());
    entries_[v].resize(ids_.size());
    for (size_t i = 0; i < ids_.size(); ++i) entries_[v][i] = view_tables_[v].row(ids_[i]);
    accumulation_.marker(v).Mark(rows, entries_[v].data(), actions);
  }
  accumulation_.Add(rows, accumulators_.data(), actions, &groups_.arena());
}

void LocalWindowAggregate::AppendMaps(size_t view, int32_t count, VectorBuilder* out) {
  const GroupTable& table = view_tables_[view];
  for (int32_t group = flushed_; group < flushed_ + count; ++group) {
    uint32_t length = 0;
    for (int32_t id : sorted_[view][static_cast<size_t>(group)]) {
      const uint8_t* entry = table.row(id);
      if (accumulation_.marker(view).IsEmpty(entry)) continue;
      VectorBuilder* keys[] = {&out->child(0)};
      table.AppendKeys(std::span(&id, 1), keys);
      AppendField(table.layout(), 0, &entry, 1, &out->child(1));
      ++length;
    }
    out->AppendList(length);
  }
}

Progress LocalWindowAggregate::Flush(Output& out) {
  const int32_t count = std::min(groups_.size() - flushed_, context_->settings().batch_rows);
  if (flushed_ == 0) {
    sorted_.assign(view_tables_.size(), {});
    for (size_t v = 0; v < view_tables_.size(); ++v) {
      sorted_[v].resize(static_cast<size_t>(groups_.size()));
      for (int32_t id = 0; id < view_tables_[v].size(); ++id) {
        sorted_[v][static_cast<size_t>(view_tables_[v].beside(id))].push_back(id);
      }
    }
  }
  if (count > 0) {
    std::vector<VectorBuilder> builders;
    for (const runtime::Field& field : spec_.output) {
      builders.emplace_back(context_->pool(), field.type, count);
    }
    std::vector<VectorBuilder*> keys;
    for (size_t c = 0; c < grouping_.size(); ++c) keys.push_back(&builders[c]);
    std::vector<int32_t> ids(static_cast<size_t>(count));
    std::iota(ids.begin(), ids.end(), flushed_);
    groups_.AppendKeys(ids, keys);
    std::vector<const uint8_t*> rows(static_cast<size_t>(count));
    for (int32_t i = 0; i < count; ++i) rows[static_cast<size_t>(i)] = groups_.row(flushed_ + i);
    for (size_t field = 0; field < aggregates_.fields().size(); ++field) {
      AppendField(groups_.layout(), static_cast<int>(field), rows.data(), count,
                  &builders[grouping_.size() + field]);
    }
    for (size_t v = 0; v < view_tables_.size(); ++v) {
      AppendMaps(v, count, &builders[grouping_.size() + aggregates_.fields().size() + v]);
    }
    for (int32_t i = 0; i < count; ++i) builders.back().Append(groups_.beside(flushed_ + i));
    std::vector<VectorPtr> columns;
    for (VectorBuilder& builder : builders) columns.push_back(builder.Finish());
    out.Emit(std::make_shared<runtime::Batch>(std::move(columns), count));
    flushed_ += count;
  }
  if (flushed_ < groups_.size()) return Progress::kMore;
  groups_.Clear();
  for (GroupTable& table : view_tables_) table.Clear();
  sorted_.clear();
  flushed_ = 0;
  lowest_slice_ = INT64_MAX;
  return Progress::kNeedInput;
}

Result<Progress> LocalWindowAggregate::Process(int, const BatchPtr& batch, Output& out) {
  if (!added_) {
    const RowRange rows{batch.get(), 0, batch->num_rows()};
    RETURN_IF_ERROR(clock_.Assign(rows, context_->now_ms(), &slices_));
    AddRows(rows);
    if (groups_.size() < kMostGroups) return Progress::kNeedInput;
    added_ = true;
  }
  const Progress progress = Flush(out);
  if (progress == Progress::kNeedInput) added_ = false;
  return progress;
}

Result<Progress> LocalWindowAggregate::OnWatermark(runtime::Timestamp time, Output& out) {
  if (groups_.size() == 0 || !clock_.IsFired(lowest_slice_, time)) return Progress::kNeedInput;
  return Flush(out);
}

Result<Progress> LocalWindowAggregate::PrepareBarrier(int64_t, Output& out) { return Flush(out); }

Result<Progress> LocalWindowAggregate::Finish(int, Output& out) { return Flush(out); }

}  // namespace millrace::operators
