#include "operators/group_aggregate.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "operators/aggregate/plan_fields.h"
#include "operators/aggregate/result_changes.h"

namespace millrace::operators {

using nlohmann::json;
using runtime::Batch;
using runtime::BatchPtr;
using runtime::BufferPtr;
using runtime::LogicalType;
using runtime::Output;
using runtime::Progress;
using runtime::Result;
using runtime::RowKind;
using runtime::RowLayout;
using runtime::StateSpec;
using runtime::Status;
using runtime::TypeKind;
using runtime::Vector;
using runtime::VectorBuilder;
using runtime::VectorPtr;

namespace {

// State 0 are the accumulators, behind it the distinct views.
constexpr int kAccumulators = 0;
constexpr int kFirstView = 1;

}  // namespace

Result<std::unique_ptr<runtime::Operator>> GroupAggregate::Make(
    const runtime::OperatorSpec& spec, const runtime::JobSettings& settings) {
  if (spec.inputs.size() != 1) return Status::Internal("group-aggregate has one input");
  const runtime::RowType& input = spec.inputs[0];
  ASSIGN_OR_RETURN(const json node, ParsePlanObject(spec.config));
  Config config;
  ASSIGN_OR_RETURN(config.grouping, ReadIntegers(node, "grouping"));
  ASSIGN_OR_RETURN(config.update_before, ReadBoolean(node, "generateUpdateBefore", false));
  ASSIGN_OR_RETURN(config.ttl_ms, ReadInteger(node, "stateTtlMs", 0));
  ASSIGN_OR_RETURN(const bool needs_retraction, ReadBoolean(node, "needRetraction", false));
  config.retracts = needs_retraction;
  if (const auto bundle = node.find("miniBatch"); bundle != node.end() && bundle->is_object()) {
    ASSIGN_OR_RETURN(config.mini_batch, ReadBoolean(*bundle, "enabled", false));
    ASSIGN_OR_RETURN(config.mini_batch_rows, ReadInteger(*bundle, "size", -1));
    if (config.mini_batch && config.mini_batch_rows <= 0) {
      return Status::User("mini-batch of a group aggregate has no size");
    }
  }
  for (int column : config.grouping) {
    if (column < 0 || column >= static_cast<int>(input.size())) {
      return Status::User("grouping column is no input column: " + std::to_string(column));
    }
  }
  ASSIGN_OR_RETURN(std::vector<AggregateCall> calls,
                   ReadAggregateCalls(node.value("aggCalls", json()), input));
  if (const auto list = node.find("aggCallNeedRetractions"); list != node.end()) {
    if (!list->is_array()) return Status::User("aggCallNeedRetractions is not a list");
    for (size_t i = 0; i < calls.size() && i < list->size(); ++i) {
      calls[i].retracts = (*list)[i].is_boolean() && (*list)[i].get<bool>();
    }
  }
  if (spec.output.size() != config.grouping.size() + calls.size()) {
    return Status::User("output of a group aggregate has " + std::to_string(spec.output.size()) +
                        " columns instead of its groupings and aggregates");
  }
  for (size_t i = 0; i < calls.size(); ++i) {
    const LogicalType& type = spec.output[config.grouping.size() + i].type;
    if (type.physical() != calls[i].type.physical()) {
      return Status::User("aggregate has another type than its output column: " +
                          calls[i].type.ToString() + ", " + type.ToString());
    }
  }
  ASSIGN_OR_RETURN(AggregateSet aggregates,
                   AggregateSet::Make(std::move(calls), input, needs_retraction, needs_retraction));
  return std::unique_ptr<runtime::Operator>(
      new GroupAggregate(std::move(config), std::move(aggregates), spec));
}

GroupAggregate::GroupAggregate(Config config, AggregateSet aggregates, runtime::OperatorSpec spec)
    : config_(std::move(config)),
      aggregates_(std::move(aggregates)),
      spec_(std::move(spec)),
      accumulation_(&aggregates_) {
  state_row_ = aggregates_.fields();
  // A plain COUNT(*) among append-only calls also tells whether the group exists.
  int count_star = aggregates_.count_star();
  for (size_t i = 0; count_star < 0 && i < aggregates_.calls().size(); ++i) {
    if (aggregates_.calls()[i].is_count_star()) count_star = static_cast<int>(i);
  }
  if (count_star >= 0) {
    presence_counts_ = true;
    counter_ = count_star;
    presence_field_ = aggregates_.first_field(count_star);
  } else {
    presence_field_ = static_cast<int>(state_row_.size());
    state_row_.push_back({"exists", LogicalType(TypeKind::kBoolean, false)});
  }
  count_shown_ = presence_counts_ && counter_ < static_cast<int>(aggregates_.calls().size());
  may_repeat_ = !count_shown_ && config_.ttl_ms == 0;
  if (config_.mini_batch) {
    bundle_.emplace();
    // What only adds to groups and counts them always changes them: the results before are not
    // read.
    const bool only_after = !config_.update_before && !config_.retracts && !may_repeat_;
    bundle_->emission = only_after ? Emission::kAfter : Emission::kBoth;
    bundle_->state_rows.resize(static_cast<size_t>(num_states()));
  }
}

std::vector<LogicalType> GroupAggregate::KeyTypes() const {
  std::vector<LogicalType> keys;
  for (int column : config_.grouping) {
    keys.push_back(spec_.inputs[0][static_cast<size_t>(column)].type);
  }
  return keys;
}

std::vector<StateSpec> GroupAggregate::States() const {
  const std::vector<LogicalType> keys = KeyTypes();
  std::vector<StateSpec> specs(1);
  specs[0].name = "accState";
  specs[0].key_types = keys;
  specs[0].value = state_row_;
  specs[0].ttl_ms = config_.ttl_ms;
  for (size_t v = 0; v < aggregates_.views().size(); ++v) {
    const DistinctView& view = aggregates_.views()[v];
    StateSpec& spec = specs.emplace_back();
    spec.name = "distinctAcc_" + std::to_string(v);
    spec.key_types = keys;
    for (int column : view.arguments) {
      spec.key_types.push_back(spec_.inputs[0][static_cast<size_t>(column)].type);
    }
    spec.key_group_columns = static_cast<int>(keys.size());
    spec.value = view.fields();
    spec.ttl_ms = config_.ttl_ms;
  }
  return specs;
}

Status GroupAggregate::Open(runtime::OperatorContext& context) {
  context_ = &context;
  aggregates_.Bind(context.keyed(kAccumulators).layout(), 0);
  for (size_t v = 0; v < accumulation_.num_views(); ++v) {
    accumulation_.marker(v).Bind(context.keyed(kFirstView + static_cast<int>(v)).layout());
  }
  return Status::Ok();
}

std::vector<const Vector*> GroupAggregate::KeyColumns(const Batch& batch) const {
  std::vector<const Vector*> columns;
  for (int column : config_.grouping) columns.push_back(&batch.column(column));
  return columns;
}

Status GroupAggregate::NameKeys(int, const Batch& batch, runtime::KeyRequests& requests) {
  if (bundle_) return Status::Ok();  // it resolves them itself, when it is flushed
  std::vector<const Vector*> columns = KeyColumns(batch);
  runtime::KeyNames names;
  names.columns = columns;
  names.rows = batch.selection();
  names.count = batch.num_rows();
  names.key_groups = batch.key_groups();
  requests.Add(kAccumulators, runtime::Access::kUpsert, names);
  for (size_t v = 0; v < accumulation_.num_views(); ++v) {
    std::vector<const Vector*> with_value = columns;
    for (int column : aggregates_.views()[v].arguments) with_value.push_back(&batch.column(column));
    names.columns = with_value;
    requests.Add(kFirstView + static_cast<int>(v), runtime::Access::kUpsert, names);
  }
  return Status::Ok();
}

bool GroupAggregate::Admit(const RowRange& rows, uint8_t* const* accumulators, Emission emission,
                           VectorBuilder* counts) {
  const uint32_t offset = context_->keyed(kAccumulators).layout().OffsetOf(presence_field_);
  const RowKind* kinds = rows.batch->row_kinds();
  actions_.resize(static_cast<size_t>(rows.count) + 1);
  int64_t* to = nullptr;
  const int32_t stride = emission == Emission::kBoth ? 2 : 1;
  if (counts != nullptr) {
    counts->Reserve(rows.count * stride);
    to = counts->tail<int64_t>();
    counts->Advance(rows.count * stride);
  }
  uint8_t any = 0;
  for (int32_t i = 0; i < rows.count; ++i) {
    uint8_t* row = accumulators[i];
    const bool retract = kinds != nullptr && runtime::IsRetraction(kinds[rows.PhysicalRow(i)]);
    const int64_t before = presence_counts_ ? RowLayout::Load<int64_t>(row, offset) : row[offset];
    int64_t after = before;
    uint8_t action = kPlain;
    if (before == 0) {
      action = retract ? kIgnore : kFirst;
      after = retract ? 0 : 1;
    } else if (retract) {
      after = presence_counts_ ? before - 1 : before;
      action = after == 0 ? kRetract | kLast : kRetract;
    } else if (presence_counts_) {
      after = before + 1;
    }
    if (presence_counts_) {
      RowLayout::Store(row, offset, after);
    } else {
      row[offset] = static_cast<uint8_t>(after);
    }
    if (to != nullptr) {
      if (stride == 2) to[2 * i] = before;
      to[stride * i + stride - 1] = (action & kLast) != 0 && stride == 1 ? before : after;
    }
    actions_[static_cast<size_t>(i)] = action;
    any |= action;
  }
  any_empty_ |= (any & (kIgnore | kLast)) != 0;
  any_retract_ |= (any & ~kFirst) != 0;
  return any != 0;
}

std::vector<VectorBuilder> GroupAggregate::ResultBuilders(int32_t rows) const {
  std::vector<VectorBuilder> builders;
  for (size_t call = 0; call < aggregates_.calls().size(); ++call) {
    builders.emplace_back(context_->pool(), spec_.output[config_.grouping.size() + call].type,
                          rows);
  }
  return builders;
}

void GroupAggregate::Update(const RowRange& rows, std::span<uint8_t* const* const> states,
                            Emission emission, std::vector<VectorBuilder>& results) {
  const int num_calls = static_cast<int>(aggregates_.calls().size());
  const bool counts = counter_ >= 0 && counter_ < num_calls;
  has_actions_ = Admit(rows, states[kAccumulators], emission,
                       counts ? &results[static_cast<size_t>(counter_)] : nullptr);
  UpdateRows update;
  update.accumulators = states[kAccumulators];
  update.count = rows.count;
  update.actions = has_actions_ ? actions_.data() : nullptr;
  update.arena = &context_->keyed(kAccumulators).arena();
  update.emission = emission;
  for (size_t v = 0; v < accumulation_.num_views(); ++v) {
    accumulation_.marker(v).Mark(rows, states[kFirstView + v], update.actions);
  }
  for (int call = 0; call < num_calls; ++call) {
    if (call == counter_) continue;
    update.out = &results[static_cast<size_t>(call)];
    update.lanes = accumulation_.LanesOf(call, rows);
    aggregates_.function(call).Update(update);
  }
}

std::vector<VectorPtr> GroupAggregate::KeysOf(const RowRange& rows, Emission emission) {
  const int32_t stride = emission == Emission::kBoth ? 2 : 1;
  key_rows_.resize(static_cast<size_t>(rows.count * stride));
  for (int32_t i = 0; i < rows.count; ++i) {
    const int32_t physical = rows.PhysicalRow(i);
    for (int32_t k = 0; k < stride; ++k) key_rows_[static_cast<size_t>(i * stride + k)] = physical;
  }
  std::vector<VectorPtr> keys;
  for (size_t c = 0; c < config_.grouping.size(); ++c) {
    VectorBuilder out(context_->pool(), spec_.output[c].type, rows.count * stride);
    out.AppendRows(rows.batch->column(config_.grouping[c]), key_rows_.data(), rows.count * stride,
                   VectorBuilder::Strings::kKeep);
    keys.push_back(out.Finish());
  }
  return keys;
}

BatchPtr GroupAggregate::MakeOutput(const RowRange& rows, std::vector<VectorPtr> results,
                                    Emission emission) {
  const bool both = emission == Emission::kBoth;
  const int32_t stride = both ? 2 : 1;
  const uint8_t* changed = nullptr;
  if (may_repeat_) {
    changed_.assign(static_cast<size_t>(rows.count) + 1, 0);
    for (const VectorPtr& result : results) MarkChanges(*result, rows.count, changed_.data());
    changed = changed_.data();
  }
  BufferPtr kinds_buffer =
      context_->pool().Allocate(static_cast<size_t>(rows.count * stride) + Vector::kPaddingBytes);
  auto* kinds = reinterpret_cast<RowKind*>(kinds_buffer->data());
  BufferPtr selection_buffer;
  int32_t emitted = rows.count * stride;
  if (!has_actions_ && changed == nullptr && (!both || config_.update_before)) {
    for (int32_t i = 0; i < rows.count * stride; ++i) {
      kinds[i] = both && i % 2 == 0 ? RowKind::kUpdateBefore : RowKind::kUpdateAfter;
    }
  } else {
    selection_buffer = context_->pool().Allocate(
        static_cast<size_t>(rows.count * stride) * sizeof(int32_t) + Vector::kPaddingBytes);
    auto* selection = reinterpret_cast<int32_t*>(selection_buffer->data());
    emitted = 0;
    for (int32_t i = 0; i < rows.count; ++i) {
      const uint8_t action = has_actions_ ? actions_[static_cast<size_t>(i)] : uint8_t{kPlain};
      const int32_t before = i * stride;
      const int32_t after = before + stride - 1;
      kinds[before] = RowKind::kUpdateBefore;
      kinds[after] = RowKind::kUpdateAfter;
      if ((action & kIgnore) != 0) continue;
      if ((action & kFirst) != 0) {
        kinds[after] = RowKind::kInsert;
        selection[emitted++] = after;
      } else if ((action & kLast) != 0) {
        kinds[before] = RowKind::kDelete;
        selection[emitted++] = before;
      } else if (changed == nullptr || changed[i] != 0) {
        if (config_.update_before) selection[emitted++] = before;
        selection[emitted++] = after;
      }
    }
    if (emitted == 0) return nullptr;
  }
  std::vector<VectorPtr> columns = KeysOf(rows, emission);
  for (VectorPtr& result : results) columns.push_back(std::move(result));
  auto batch = std::make_shared<Batch>(std::move(columns), rows.count * stride);
  batch->SetRowKinds(std::move(kinds_buffer));
  if (emitted != rows.count * stride) batch->SetSelection(std::move(selection_buffer), emitted);
  return batch;
}

bool GroupAggregate::EmitPending(Output& out) {
  if (pending_ == nullptr) return false;
  const int32_t count =
      std::min(pending_->num_rows() - pending_begin_, context_->settings().batch_rows);
  out.Emit(runtime::SliceRows(context_->pool(), pending_, pending_begin_, count));
  pending_begin_ += count;
  if (pending_begin_ == pending_->num_rows()) {
    pending_ = nullptr;
    pending_begin_ = 0;
  }
  return true;
}

void GroupAggregate::EraseEmpty(std::span<uint8_t* const* const> states, int32_t count) {
  const uint32_t offset = context_->keyed(kAccumulators).layout().OffsetOf(presence_field_);
  std::vector<uint8_t*> empty;
  if (any_empty_) {
    uint8_t* const* rows = states[kAccumulators];
    for (int32_t i = 0; i < count; ++i) {
      const bool exists =
          presence_counts_ ? RowLayout::Load<int64_t>(rows[i], offset) != 0 : rows[i][offset] != 0;
      if (!exists) empty.push_back(rows[i]);
    }
    context_->keyed(kAccumulators).Erase(empty);
  }
  for (size_t v = 0; v < accumulation_.num_views(); ++v) {
    const DistinctMarker& marker = accumulation_.marker(v);
    if (!marker.may_leave_empty() && !any_empty_) continue;
    uint8_t* const* rows = states[kFirstView + v];
    empty.clear();
    for (int32_t i = 0; i < count; ++i) {
      if (marker.IsEmpty(rows[i])) empty.push_back(rows[i]);
    }
    context_->keyed(kFirstView + static_cast<int>(v)).Erase(empty);
  }
  any_empty_ = false;
}

Result<Progress> GroupAggregate::Process(int, const BatchPtr& batch, Output& out) {
  if (bundle_) return ProcessBundle(batch, out);
  const bool both = config_.update_before || may_repeat_;
  const bool shows_results = !aggregates_.calls().empty();
  const Emission emission = both && shows_results ? Emission::kBoth : Emission::kAfter;
  const int32_t stride = emission == Emission::kBoth ? 2 : 1;
  const int32_t most_rows = std::max(1, context_->settings().batch_rows / stride);
  const auto states_from = [&](int32_t row) {
    states_.clear();
    for (int s = 0; s < num_states(); ++s) states_.push_back(context_->rows(s) + row);
    return std::span<uint8_t* const* const>(states_);
  };
  while (cursor_ < batch->num_rows() && pending_ == nullptr) {
    const RowRange rows{batch.get(), cursor_, std::min(most_rows, batch->num_rows() - cursor_)};
    std::vector<VectorBuilder> builders = ResultBuilders(rows.count * stride);
    Update(rows, states_from(cursor_), emission, builders);
    std::vector<VectorPtr> results;
    for (VectorBuilder& builder : builders) results.push_back(builder.Finish());
    pending_ = MakeOutput(rows, std::move(results), emission);
    cursor_ += rows.count;
  }
  EmitPending(out);
  if (pending_ != nullptr || cursor_ < batch->num_rows()) return Progress::kMore;
  EraseEmpty(states_from(0), batch->num_rows());
  cursor_ = 0;
  return Progress::kNeedInput;
}

Result<Progress> GroupAggregate::OnWatermark(runtime::Timestamp, Output& out) {
  return bundle_ ? FlushBundle(out) : Progress::kNeedInput;
}

Result<Progress> GroupAggregate::PrepareBarrier(int64_t, Output& out) {
  return bundle_ ? FlushBundle(out) : Progress::kNeedInput;
}

Result<Progress> GroupAggregate::Finish(int, Output& out) {
  return bundle_ ? FlushBundle(out) : Progress::kNeedInput;
}

}  // namespace millrace::operators
