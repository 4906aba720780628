#include "operators/window_aggregate.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "operators/aggregate/plan_fields.h"

namespace millrace::operators {

using nlohmann::json;
using runtime::Batch;
using runtime::BatchPtr;
using runtime::BufferPtr;
using runtime::LogicalType;
using runtime::Output;
using runtime::Progress;
using runtime::Readiness;
using runtime::Result;
using runtime::RowLayout;
using runtime::RowType;
using runtime::StateKind;
using runtime::StateSpec;
using runtime::Status;
using runtime::TypeKind;
using runtime::Vector;
using runtime::VectorBuilder;
using runtime::VectorPtr;

namespace {

constexpr int kWatermark = 0;
constexpr int kAccumulators = 1;
constexpr int kFirstView = 2;

Result<std::vector<WindowProperty>> ReadProperties(const json& node) {
  std::vector<WindowProperty> properties;
  const auto list = node.find("namedWindowProperties");
  if (list == node.end() || !list->is_array()) return properties;
  for (const json& named : *list) {
    const auto property = named.find("property");
    if (property == named.end()) return Status::User("window property has no kind");
    ASSIGN_OR_RETURN(const std::string kind, ReadString(*property, "kind", ""));
    if (kind == "WindowStart") {
      properties.push_back(WindowProperty::kStart);
    } else if (kind == "WindowEnd") {
      properties.push_back(WindowProperty::kEnd);
    } else if (kind == "Rowtime") {
      properties.push_back(WindowProperty::kRowtime);
    } else if (kind == "Proctime") {
      properties.push_back(WindowProperty::kProctime);
    } else {
      return Status::User("window property is not supported: '" + kind + "'");
    }
  }
  return properties;
}

}  // namespace

Result<std::unique_ptr<runtime::Operator>> WindowAggregate::Make(
    const runtime::OperatorSpec& spec, const runtime::JobSettings& settings) {
  if (spec.inputs.size() != 1) return Status::Internal("window aggregate has one input");
  const RowType& input = spec.inputs[0];
  ASSIGN_OR_RETURN(const json node, ParsePlanObject(spec.config));
  Config config;
  ASSIGN_OR_RETURN(config.grouping, ReadIntegers(node, "grouping"));
  for (int column : config.grouping) {
    if (column < 0 || column >= static_cast<int>(input.size())) {
      return Status::User("grouping column is no input column: " + std::to_string(column));
    }
  }
  ASSIGN_OR_RETURN(config.properties, ReadProperties(node));
  ASSIGN_OR_RETURN(const Windowing windowing,
                   ReadWindowing(node.value("windowing", json()), input));
  ASSIGN_OR_RETURN(SliceClock clock, SliceClock::Make(windowing, settings.time_zone));
  ASSIGN_OR_RETURN(const bool retracts, ReadBoolean(node, "needRetraction", false));
  RowType row = input;
  const auto local = node.find("localAggInputRowType");
  config.is_global = local != node.end() && !local->is_null();
  if (config.is_global) {
    ASSIGN_OR_RETURN(row, ReadRowType(*local));
  }
  ASSIGN_OR_RETURN(std::vector<AggregateCall> calls,
                   ReadAggregateCalls(node.value("aggCalls", json()), row));
  for (AggregateCall& call : calls) call.retracts = retracts;
  if (spec.output.size() != config.grouping.size() + calls.size() + config.properties.size()) {
    return Status::User("output of a window aggregate has " + std::to_string(spec.output.size()) +
                        " columns instead of its groupings, aggregates and window properties");
  }
  // HOP needs to know when a window is empty; so does everything that retracts.
  const bool counts_rows = retracts || windowing.slicing.kind == WindowKind::kHop;
  ASSIGN_OR_RETURN(AggregateSet aggregates,
                   AggregateSet::Make(std::move(calls), row, counts_rows, retracts));
  if (config.is_global) {
    const size_t wanted =
        config.grouping.size() + aggregates.fields().size() + aggregates.views().size() + 1;
    if (input.size() != wanted) {
      return Status::User("input of a global window aggregate has " + std::to_string(input.size()) +
                          " columns instead of " + std::to_string(wanted));
    }
    for (size_t i = 0; i < aggregates.fields().size(); ++i) {
      const LogicalType& have = input[config.grouping.size() + i].type;
      if (have.physical() != aggregates.fields()[i].type.physical()) {
        return Status::User("accumulator column of a global window aggregate has another type: " +
                            have.ToString() + ", " + aggregates.fields()[i].type.ToString());
      }
    }
    for (size_t v = 0; v < aggregates.views().size(); ++v) {
      const DistinctView& view = aggregates.views()[v];
      const LogicalType& have = input[config.grouping.size() + aggregates.fields().size() + v].type;
      if (view.arguments.size() != 1 || view.fields().size() != 1) {
        return Status::User(
            "DISTINCT of several columns, of more than 64 calls on one column, or "
            "of several with retraction is not supported in two phases");
      }
      const LogicalType& argument = row[static_cast<size_t>(view.arguments[0])].type;
      if (have.kind() != TypeKind::kMap ||
          have.children()[0].type.physical() != argument.physical() ||
          have.children()[1].type.physical() != runtime::PhysicalType::kInt64) {
        return Status::User("distinct column of a global window aggregate is no MAP<" +
                            argument.ToString() + ", BIGINT>: " + have.ToString());
      }
    }
  }
  return std::unique_ptr<runtime::Operator>(new WindowAggregate(
      std::move(config), std::move(row), std::move(aggregates), std::move(clock), spec));
}

WindowAggregate::WindowAggregate(Config config, RowType row, AggregateSet aggregates,
                                 SliceClock clock, runtime::OperatorSpec spec)
    : config_(std::move(config)),
      row_(std::move(row)),
      aggregates_(std::move(aggregates)),
      clock_(std::move(clock)),
      spec_(std::move(spec)),
      accumulation_(&aggregates_),
      partial_readers_(2 * aggregates_.fields().size()),
      map_entries_(aggregates_.views().size()) {
  // If zeros are every function's value of no input, new rows need no care.
  state_row_ = aggregates_.fields();
  const RowLayout layout(state_row_);
  aggregates_.Bind(layout, 0);
  std::vector<uint64_t> words(layout.size_bytes() / 8 + 1, 0);
  auto* zeros = reinterpret_cast<uint8_t*>(words.data());
  aggregates_.Initialize(&zeros, 1);
  if (std::any_of(words.begin(), words.end(), [](uint64_t word) { return word != 0; })) {
    exists_field_ = static_cast<int>(state_row_.size());
    state_row_.push_back({"exists", LogicalType(TypeKind::kBoolean, false)});
  }
  if (clock_.windowing().is_shared()) {
    merger_.emplace(&aggregates_, &accumulation_, KeyTypes(), state_row_, exists_field_, row_,
                    kAccumulators);
  }
}

std::vector<LogicalType> WindowAggregate::KeyTypes() const {
  std::vector<LogicalType> types;
  for (int column : config_.grouping) {
    types.push_back(spec_.inputs[0][static_cast<size_t>(column)].type);
  }
  return types;
}

std::vector<StateSpec> WindowAggregate::States() const {
  std::vector<StateSpec> specs(2);
  specs[kWatermark].name = "watermark";
  specs[kWatermark].kind = StateKind::kUnionList;
  specs[kAccumulators].name = "window-aggs";
  specs[kAccumulators].kind = StateKind::kSliced;
  specs[kAccumulators].key_types = KeyTypes();
  specs[kAccumulators].value = state_row_;
  for (size_t v = 0; v < aggregates_.views().size(); ++v) {
    const DistinctView& view = aggregates_.views()[v];
    StateSpec& spec = specs.emplace_back();
    spec.name = "distinctAcc_" + std::to_string(v);
    spec.kind = StateKind::kSliced;
    spec.key_types = KeyTypes();
    for (int column : view.arguments) {
      spec.key_types.push_back(row_[static_cast<size_t>(column)].type);
    }
    spec.key_group_columns = static_cast<int>(config_.grouping.size());
    spec.value = view.fields();
  }
  return specs;
}

Status WindowAggregate::Open(runtime::OperatorContext& context) {
  context_ = &context;
  late_rows_ = &context.metrics().counter("numLateRecordsDropped");
  aggregates_.Bind(context.keyed(kAccumulators).layout(), 0);
  for (size_t v = 0; v < accumulation_.num_views(); ++v) {
    accumulation_.marker(v).Bind(context.keyed(kFirstView + static_cast<int>(v)).layout());
  }
  RETURN_IF_ERROR(
      progress_.Restore(context.list(kWatermark), context, clock_.windowing().is_rowtime));
  SetTimer();
  return Status::Ok();
}

Status WindowAggregate::NameKeys(int, const Batch& batch, runtime::KeyRequests& requests) {
  active_ = &batch;
  kept_ = nullptr;
  const RowRange all{&batch, 0, batch.num_rows()};
  // Processing time may not go back behind what has fired.
  const int64_t now_ms =
      progress_.highest() == runtime::kMinTimestamp || clock_.windowing().is_rowtime
          ? context_->now_ms()
          : std::max(context_->now_ms(), progress_.highest() + 1);
  RETURN_IF_ERROR(clock_.Assign(all, now_ms, &slices_));
  const Windowing& windowing = clock_.windowing();
  const int64_t lowest = slices_.empty() ? 0 : *std::min_element(slices_.begin(), slices_.end());
  if (windowing.is_rowtime && clock_.IsFired(lowest, progress_.lowest())) {
    // Some rows are late: leave those out whose last window has fired.
    BufferPtr selection =
        context_->pool().Allocate(slices_.size() * sizeof(int32_t) + Vector::kPaddingBytes);
    auto* rows = reinterpret_cast<int32_t*>(selection->data());
    int32_t count = 0;
    for (int32_t i = 0; i < batch.num_rows(); ++i) {
      int64_t slice = slices_[static_cast<size_t>(i)];
      if (clock_.IsFired(slice, progress_.lowest())) {
        if (clock_.IsFired(windowing.LastWindowEnd(slice), progress_.lowest())) continue;
        // CUMULATE has merged this slice into the first one already.
        if (windowing.is_shared() && windowing.slicing.kind == WindowKind::kCumulate) {
          slice = windowing.slicing.FirstSliceEnd(slice);
        }
      }
      slices_[static_cast<size_t>(count)] = slice;
      rows[count++] = batch.PhysicalRow(i);
    }
    late_rows_->Add(batch.num_rows() - count);
    auto kept = std::make_shared<Batch>(batch);
    kept->SetSelection(std::move(selection), count);
    kept_ = std::move(kept);
    active_ = kept_.get();
  }
  std::vector<const Vector*> columns;
  for (int column : config_.grouping) columns.push_back(&active_->column(column));
  runtime::KeyNames names;
  names.columns = columns;
  names.rows = active_->selection();
  names.count = active_->num_rows();
  names.key_groups = active_->key_groups();
  names.slices = slices_.data();
  requests.Add(kAccumulators, runtime::Access::kUpsert, names);
  for (int v = 0; v < static_cast<int>(aggregates_.views().size()); ++v) {
    if (config_.is_global) {
      NameMapEntries(v, requests);
      continue;
    }
    std::vector<const Vector*> with_value = columns;
    for (int column : aggregates_.views()[static_cast<size_t>(v)].arguments) {
      with_value.push_back(&active_->column(column));
    }
    names.columns = with_value;
    requests.Add(kFirstView + v, runtime::Access::kUpsert, names);
  }
  return Status::Ok();
}

void WindowAggregate::NameMapEntries(int view, runtime::KeyRequests& requests) {
  MapEntries& entries = map_entries_[static_cast<size_t>(view)];
  entries = {};
  const auto column =
      static_cast<int>(config_.grouping.size() + aggregates_.fields().size()) + view;
  const Vector& maps = active_->column(column);
  const Vector& values = *maps.children()[0];
  const Vector& counts = *maps.children()[1];
  std::vector<int32_t> physical;  // of the map's row
  std::vector<int32_t> elements;
  for (int32_t i = 0; i < active_->num_rows(); ++i) {
    const int32_t row = active_->PhysicalRow(i);
    if (maps.IsNull(row)) continue;
    const auto range = maps.At<runtime::ListRange>(row);
    for (uint32_t k = 0; k < range.length; ++k) {
      const auto element = static_cast<int32_t>(range.offset + k);
      physical.push_back(row);
      elements.push_back(element);
      entries.parents.push_back(i);
      entries.slices.push_back(slices_[static_cast<size_t>(i)]);
      entries.counts.push_back(counts.At<int64_t>(element));
    }
  }
  const auto count = static_cast<int32_t>(elements.size());
  const auto gather = [&](const Vector& from, const LogicalType& type,
                          const std::vector<int32_t>& rows) {
    VectorBuilder builder(context_->pool(), type, count);
    builder.AppendRows(from, rows.data(), count, VectorBuilder::Strings::kKeep);
    entries.keys.push_back(builder.Finish());
    entries.columns.push_back(entries.keys.back().get());
  };
  for (int key : config_.grouping) {
    gather(active_->column(key), spec_.inputs[0][static_cast<size_t>(key)].type, physical);
  }
  const int argument = aggregates_.views()[static_cast<size_t>(view)].arguments[0];
  gather(values, row_[static_cast<size_t>(argument)].type, elements);
  runtime::KeyNames names;
  names.columns = entries.columns;
  names.count = count;
  names.slices = entries.slices.data();
  requests.Add(kFirstView + view, runtime::Access::kUpsert, names);
}

void WindowAggregate::AddMapEntries(int view, uint8_t* const* accumulators) {
  const MapEntries& entries = map_entries_[static_cast<size_t>(view)];
  const size_t count = entries.parents.size();
  const RowLayout& layout = context_->keyed(kFirstView + view).layout();
  const size_t words = layout.size_bytes() / 8;
  entry_words_.assign(count * words, 0);
  entry_rows_.resize(count);
  entry_accumulators_.resize(count);
  for (size_t i = 0; i < count; ++i) {
    auto* row = reinterpret_cast<uint8_t*>(entry_words_.data() + i * words);
    RowLayout::Store(row, layout.OffsetOf(0), entries.counts[i]);
    entry_rows_[i] = row;
    entry_accumulators_[i] = accumulators[entries.parents[i]];
  }
  accumulation_.MergeView(static_cast<size_t>(view), static_cast<int32_t>(count),
                          entry_accumulators_.data(), context_->rows(kFirstView + view),
                          entry_rows_.data(), entries.columns.back(),
                          &context_->keyed(kAccumulators).arena());
}

const uint8_t* WindowAggregate::ActionsFor(const RowRange& rows, uint8_t* const* accumulators) {
  const runtime::RowKind* kinds = config_.is_global ? nullptr : rows.batch->row_kinds();
  if (exists_field_ < 0 && kinds == nullptr) return nullptr;
  actions_.assign(static_cast<size_t>(rows.count) + 1, kPlain);
  uint8_t any = 0;
  if (exists_field_ >= 0) {
    const uint32_t offset = context_->keyed(kAccumulators).layout().OffsetOf(exists_field_);
    for (int32_t i = 0; i < rows.count; ++i) {
      const uint8_t is_new = accumulators[i][offset] == 0;
      accumulators[i][offset] = 1;
      actions_[static_cast<size_t>(i)] = is_new;
      any |= is_new;
    }
    static_assert(kFirst == 1);
  }
  for (int32_t i = 0; kinds != nullptr && i < rows.count; ++i) {
    if (!runtime::IsRetraction(kinds[rows.PhysicalRow(i)])) continue;
    actions_[static_cast<size_t>(i)] |= kRetract;
    any = 1;
  }
  return any == 0 ? nullptr : actions_.data();
}

void WindowAggregate::AddPartials(const RowRange& rows, uint8_t* const* accumulators) {
  if (const uint8_t* actions = ActionsFor(rows, accumulators)) {
    for (int32_t i = 0; i < rows.count; ++i) {
      uint8_t* row = accumulators[i];
      if ((actions[i] & kFirst) != 0) aggregates_.Initialize(&row, 1);
    }
  }
  PartialColumns partials;
  for (int f = 0; f < aggregates_.num_functions(); ++f) {
    if (aggregates_.is_distinct(f)) continue;
    partials.values.clear();
    partials.valid.clear();
    for (int k = 0; k < aggregates_.num_fields(f); ++k) {
      const auto field = static_cast<size_t>(aggregates_.first_field(f) + k);
      const Vector& column = rows.batch->column(static_cast<int>(config_.grouping.size() + field));
      partials.values.push_back(partial_readers_[2 * field].ReadValues(rows, column));
      partials.valid.push_back(partial_readers_[2 * field + 1].ReadValidity(rows, column));
    }
    aggregates_.function(f).MergeColumns(accumulators, partials, rows.count,
                                         &context_->keyed(kAccumulators).arena());
  }
  for (int v = 0; v < static_cast<int>(aggregates_.views().size()); ++v) {
    AddMapEntries(v, accumulators);
  }
}

Result<Progress> WindowAggregate::Process(int, const BatchPtr&, Output&) {
  const RowRange rows{active_, 0, active_->num_rows()};
  if (rows.count > 0) {
    uint8_t* const* accumulators = context_->rows(kAccumulators);
    if (config_.is_global) {
      AddPartials(rows, accumulators);
    } else {
      const uint8_t* actions = ActionsFor(rows, accumulators);
      for (size_t v = 0; v < accumulation_.num_views(); ++v) {
        accumulation_.marker(v).Mark(rows, context_->rows(kFirstView + static_cast<int>(v)),
                                     actions);
      }
      accumulation_.Add(rows, accumulators, actions, &context_->keyed(kAccumulators).arena());
    }
    if (!clock_.windowing().is_rowtime) {
      context_->SetProcessingTimer(clock_.TriggerTime(slices_[0]) + 1);
    }
  }
  active_ = nullptr;
  kept_ = nullptr;
  return Progress::kNeedInput;
}

void WindowAggregate::SetTimer() {
  if (clock_.windowing().is_rowtime) return;
  int64_t window_end = 0;
  NextWindow(INT64_MAX, &window_end);
  if (window_end != INT64_MAX) context_->SetProcessingTimer(clock_.TriggerTime(window_end) + 1);
}

int64_t WindowAggregate::FirstUnfired() {
  const int64_t step = clock_.windowing().slicing.step_ms;
  int64_t first = INT64_MIN;
  const int64_t progress = progress_.lowest();
  if (progress == runtime::kMaxTimestamp) return INT64_MAX;
  if (progress != runtime::kMinTimestamp) {
    first = clock_.windowing().slicing.SliceEnd(clock_.ToLocal(progress));
    while (clock_.IsFired(first, progress)) first += step;
    while (!clock_.IsFired(first - step, progress)) first -= step;
  }
  return fired_end_ == INT64_MIN ? first : std::max(first, fired_end_ + step);
}

bool WindowAggregate::NextWindow(int64_t progress, int64_t* window_end) {
  *window_end = INT64_MAX;
  const std::vector<int64_t> slices = context_->keyed(kAccumulators).Slices();
  if (slices.empty()) return false;
  const Windowing& windowing = clock_.windowing();
  if (!windowing.is_shared()) {
    *window_end = slices[0];
  } else {
    const int64_t unfired = FirstUnfired();
    for (int64_t slice : slices) {
      const int64_t end = std::max(slice, unfired);
      if (end <= windowing.LastWindowEnd(slice)) *window_end = std::min(*window_end, end);
    }
  }
  return clock_.IsFired(*window_end, progress);
}

void WindowAggregate::BeginWindow(int64_t window_end) {
  Firing& firing = *firing_;
  const Windowing& windowing = clock_.windowing();
  const WindowSlicing& slicing = windowing.slicing;
  firing.window_end = window_end;
  firing.to_merge.clear();
  firing.merged = 0;
  firing.merge_into.reset();
  firing.emitted_slice = window_end;
  firing.cursor = {};
  firing.emitted = 0;
  firing.step = Firing::Step::kEmit;
  if (!windowing.is_shared()) return;
  const std::vector<int64_t> slices = context_->keyed(kAccumulators).Slices();
  if (slicing.kind == WindowKind::kCumulate) {
    const int64_t first = slicing.FirstSliceEnd(window_end);
    firing.emitted_slice = first;
    if (first == window_end || !std::binary_search(slices.begin(), slices.end(), window_end))
      return;
    firing.merge_into = first;
    firing.to_merge.push_back(window_end);
  } else {
    const int64_t start = slicing.WindowStart(window_end);
    for (int64_t slice : slices) {
      if (slice > start && slice <= window_end) firing.to_merge.push_back(slice);
    }
    if (firing.to_merge.size() <= 1) {
      // A lone slice is emitted as it lies.
      if (!firing.to_merge.empty()) firing.emitted_slice = firing.to_merge[0];
      return;
    }
    firing.emitted_slice.reset();
  }
  firing.step = Firing::Step::kMerge;
}

Result<Readiness> WindowAggregate::MergeSome(bool* done) {
  bool slice_done = false;
  ASSIGN_OR_RETURN(const Readiness ready,
                   merger_->Step(*context_, firing_->to_merge[firing_->merged], firing_->merge_into,
                                 &slice_done));
  if (slice_done) ++firing_->merged;
  *done = firing_->merged == firing_->to_merge.size();
  return ready;
}

void WindowAggregate::EmitRows(std::vector<uint8_t*> rows, const std::vector<int32_t>* ids,
                               Output& out) {
  std::vector<int32_t> kept_ids;
  if (aggregates_.count_star() >= 0) {
    // Windows whose rows were all taken back are empty.
    const uint32_t offset = context_->keyed(kAccumulators)
                                .layout()
                                .OffsetOf(aggregates_.first_field(aggregates_.count_star()));
    size_t kept = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (RowLayout::Load<int64_t>(rows[i], offset) == 0) continue;
      if (ids != nullptr) kept_ids.push_back((*ids)[i]);
      rows[kept++] = rows[i];
    }
    rows.resize(kept);
  } else if (ids != nullptr) {
    kept_ids = *ids;
  }
  if (rows.empty()) return;
  const auto count = static_cast<int32_t>(rows.size());
  std::vector<VectorPtr> columns;
  std::vector<VectorBuilder> builders;
  std::vector<VectorBuilder*> key_builders;
  const size_t num_keys = config_.grouping.size();
  for (size_t c = 0; c < num_keys + aggregates_.calls().size(); ++c) {
    builders.emplace_back(context_->pool(), spec_.output[c].type, count);
  }
  for (size_t c = 0; c < num_keys; ++c) key_builders.push_back(&builders[c]);
  if (ids != nullptr) {
    merger_->groups().AppendKeys(kept_ids, key_builders);
  } else {
    context_->keyed(kAccumulators).ReadKeys(rows, key_builders);
  }
  for (size_t f = 0; f < aggregates_.calls().size(); ++f) {
    aggregates_.function(static_cast<int>(f))
        .AppendResults(rows.data(), count, &builders[num_keys + f]);
  }
  for (VectorBuilder& builder : builders) columns.push_back(builder.Finish());
  const int64_t end = firing_->window_end;
  for (WindowProperty property : config_.properties) {
    int64_t value = 0;
    switch (property) {
      case WindowProperty::kStart:
        value = clock_.windowing().slicing.WindowStart(end);
        break;
      case WindowProperty::kEnd:
        value = end;
        break;
      case WindowProperty::kRowtime:
        value = clock_.ToEpoch(end - 1);
        break;
      case WindowProperty::kProctime:
        value = context_->now_ms();
        break;
    }
    auto constant = std::make_shared<Vector>(runtime::PhysicalType::kInt64,
                                             runtime::Encoding::kConstant, count);
    BufferPtr buffer = runtime::AllocateValues(context_->pool(), runtime::PhysicalType::kInt64, 1);
    std::memcpy(buffer->data(), &value, sizeof(value));
    constant->SetValues(std::move(buffer));
    columns.push_back(std::move(constant));
  }
  auto batch = std::make_shared<Batch>(std::move(columns), count);
  if (progress_.differs()) {
    if (BatchPtr unfired = WithoutFired(std::move(batch))) out.Emit(std::move(unfired));
    return;
  }
  out.Emit(std::move(batch));
}

BatchPtr WindowAggregate::WithoutFired(std::shared_ptr<Batch> batch) {
  const int32_t count = batch->num_rows();
  std::vector<const Vector*> keys;
  for (size_t c = 0; c < config_.grouping.size(); ++c) {
    keys.push_back(&batch->column(static_cast<int>(c)));
  }
  std::vector<uint16_t> groups(static_cast<size_t>(count));
  runtime::KeyEncoder(KeyTypes())
      .KeyGroups(keys, nullptr, count, context_->max_parallelism(), groups.data());
  BufferPtr selection = context_->pool().Allocate(static_cast<size_t>(count) * sizeof(int32_t) +
                                                  Vector::kPaddingBytes);
  auto* rows = reinterpret_cast<int32_t*>(selection->data());
  int32_t kept = 0;
  for (int32_t i = 0; i < count; ++i) {
    const int64_t progress = progress_.OfKeyGroup(groups[static_cast<size_t>(i)]);
    if (!clock_.IsFired(firing_->window_end, progress)) rows[kept++] = i;
  }
  if (kept == 0) return nullptr;
  if (kept < count) batch->SetSelection(std::move(selection), kept);
  return batch;
}

Result<Readiness> WindowAggregate::EmitSome(Output& out, bool* done) {
  const int32_t most = context_->settings().batch_rows;
  std::vector<uint8_t*> rows(static_cast<size_t>(most));
  if (!firing_->emitted_slice) {
    GroupTable& groups = merger_->groups();
    const int32_t count = std::min(most, groups.size() - firing_->emitted);
    std::vector<int32_t> ids(static_cast<size_t>(count));
    rows.resize(ids.size());
    for (size_t i = 0; i < ids.size(); ++i) {
      ids[i] = firing_->emitted++;
      rows[i] = groups.row(ids[i]);
    }
    EmitRows(std::move(rows), &ids, out);
    *done = firing_->emitted == groups.size();
    return Readiness::kReady;
  }
  int32_t count = 0;
  ASSIGN_OR_RETURN(
      const Readiness ready,
      context_->keyed(kAccumulators).Scan(&firing_->cursor, *firing_->emitted_slice, rows, &count));
  if (ready == Readiness::kPending) return ready;
  rows.resize(static_cast<size_t>(count));
  EmitRows(std::move(rows), nullptr, out);
  *done = firing_->cursor.done;
  return ready;
}

void WindowAggregate::DropSlice(int64_t slice) {
  for (int table = 0; table <= static_cast<int>(aggregates_.views().size()); ++table) {
    context_->keyed(kAccumulators + table).DropSlice(slice);
  }
}

void WindowAggregate::EndWindow() {
  const Windowing& windowing = clock_.windowing();
  const WindowSlicing& slicing = windowing.slicing;
  const int64_t end = firing_->window_end;
  if (!windowing.is_shared()) {
    DropSlice(end);
  } else if (slicing.kind == WindowKind::kHop) {
    // No later window has the first slice.
    DropSlice(slicing.WindowStart(end) + slicing.slice_ms());
    merger_->ClearGroups();
  } else {
    const int64_t first = slicing.FirstSliceEnd(end);
    if (end != first) DropSlice(end);
    if (end == slicing.LastWindowEnd(end)) DropSlice(first);
  }
  fired_end_ = std::max(fired_end_, end);
  firing_->step = Firing::Step::kNone;
}

Result<Progress> WindowAggregate::Fire(int64_t progress, Output& out) {
  if (!firing_) {
    firing_.emplace();
    firing_->progress = progress;
  }
  // Pieces of a merge are as small as a batch: stop after some of them.
  for (int pieces = 0; out.empty() && pieces < 4; ++pieces) {
    if (firing_->step == Firing::Step::kNone) {
      int64_t window_end = 0;
      if (!NextWindow(firing_->progress, &window_end)) {
        progress_.Advance(firing_->progress);
        firing_.reset();
        SetTimer();
        return Progress::kNeedInput;
      }
      BeginWindow(window_end);
    }
    bool done = false;
    const bool merging = firing_->step == Firing::Step::kMerge;
    ASSIGN_OR_RETURN(const Readiness ready, merging ? MergeSome(&done) : EmitSome(out, &done));
    if (ready == Readiness::kPending) return Progress::kBlocked;
    if (!done) continue;
    if (merging) {
      firing_->step = Firing::Step::kEmit;
    } else {
      EndWindow();
    }
  }
  return Progress::kMore;
}

Result<Progress> WindowAggregate::OnWatermark(runtime::Timestamp time, Output& out) {
  if (!clock_.windowing().is_rowtime) return Progress::kNeedInput;
  return Fire(time, out);
}

Result<Progress> WindowAggregate::OnTimer(int64_t now_ms, Output& out) {
  // A window fires when its last millisecond is over, so that no row of it can still come.
  return Fire(now_ms - 1, out);
}

Result<Progress> WindowAggregate::PrepareBarrier(int64_t, Output&) {
  progress_.Store(clock_.windowing().is_rowtime, &context_->list(kWatermark));
  return Progress::kNeedInput;
}

}  // namespace millrace::operators
