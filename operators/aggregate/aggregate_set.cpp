#include "operators/aggregate/aggregate_set.h"

#include <utility>

namespace millrace::operators {

using runtime::LogicalType;
using runtime::Result;
using runtime::RowLayout;
using runtime::RowType;
using runtime::TypeKind;

RowType DistinctView::fields() const {
  RowType fields;
  const size_t count = retracts ? calls.size() : (calls.size() + 63) / 64;
  for (size_t i = 0; i < count; ++i) {
    fields.push_back({"f" + std::to_string(i), LogicalType(TypeKind::kBigInt, false)});
  }
  return fields;
}

DistinctMarker::DistinctMarker(const std::vector<AggregateCall>& calls, DistinctView view)
    : view_(std::move(view)),
      layout_(view_.fields()),
      readers_(view_.calls.size()),
      use_(view_.calls.size()),
      actions_(view_.calls.size()) {
  filtered_ = true;
  for (int call : view_.calls) {
    filters_.push_back(calls[static_cast<size_t>(call)].filter);
    filtered_ &= filters_.back() >= 0;
  }
}

void DistinctMarker::Mark(const RowRange& rows, uint8_t* const* entries, const uint8_t* actions) {
  for (size_t k = 0; k < filters_.size(); ++k) {
    const Lanes filter = readers_[k].Read(rows, -1, filters_[k]);
    use_[k].resize(static_cast<size_t>(rows.count) + 1);
    uint8_t* use = use_[k].data();
    const uint32_t offset = layout_.OffsetOf(static_cast<int>(view_.retracts ? k : k / 64));
    const uint64_t bit = uint64_t{1} << (k % 64);
    for (int32_t i = 0; i < rows.count; ++i) {
      const uint8_t action = actions == nullptr ? uint8_t{kPlain} : actions[i];
      use[i] = 0;
      if ((action & kIgnore) != 0 || (filter.use != nullptr && filter.use[i] == 0)) continue;
      const auto value = RowLayout::Load<uint64_t>(entries[i], offset);
      if (!view_.retracts) {
        use[i] = (value & bit) == 0;
        RowLayout::Store(entries[i], offset, value | bit);
      } else if ((action & kRetract) != 0) {
        use[i] = value == 1;
        RowLayout::Store(entries[i], offset, value - 1);
      } else {
        use[i] = value == 0;
        RowLayout::Store(entries[i], offset, value + 1);
      }
    }
  }
}

void DistinctMarker::Merge(uint8_t* const* entries, const uint8_t* const* others, int32_t count) {
  for (size_t k = 0; k < filters_.size(); ++k) {
    use_[k].resize(static_cast<size_t>(count) + 1);
    actions_[k].assign(static_cast<size_t>(count) + 1, kPlain);
    uint8_t* use = use_[k].data();
    const uint32_t offset = layout_.OffsetOf(static_cast<int>(view_.retracts ? k : k / 64));
    const uint64_t bit = uint64_t{1} << (k % 64);
    for (int32_t i = 0; i < count; ++i) {
      if (!view_.retracts) {
        const auto mine = RowLayout::Load<uint64_t>(entries[i], offset);
        const uint64_t other = RowLayout::Load<uint64_t>(others[i], offset) & bit;
        use[i] = other != 0 && (mine & bit) == 0;
        RowLayout::Store(entries[i], offset, mine | other);
        continue;
      }
      const auto mine = RowLayout::Load<int64_t>(entries[i], offset);
      const int64_t sum = mine + RowLayout::Load<int64_t>(others[i], offset);
      use[i] = (mine > 0) != (sum > 0);
      if (sum <= 0) actions_[k][static_cast<size_t>(i)] = kRetract;
      RowLayout::Store(entries[i], offset, sum);
    }
  }
}

bool DistinctMarker::IsEmpty(const uint8_t* entry) const {
  for (const RowLayout::Slot& slot : layout_.slots()) {
    if (RowLayout::Load<uint64_t>(entry, slot.offset) != 0) return false;
  }
  return true;
}

Result<AggregateSet> AggregateSet::Make(std::vector<AggregateCall> calls, const RowType& input,
                                        bool counts_rows, bool distinct_retracts) {
  AggregateSet set;
  set.calls_ = std::move(calls);
  std::vector<AggregateCall> all = set.calls_;
  if (counts_rows) {
    for (size_t i = 0; i < all.size(); ++i) {
      if (all[i].is_count_star()) set.count_star_ = static_cast<int>(i);
    }
    if (set.count_star_ < 0) {
      set.count_star_ = static_cast<int>(all.size());
      AggregateCall& added = all.emplace_back();
      added.name = "count1";
      added.type = LogicalType(TypeKind::kBigInt, false);
    }
  }
  for (size_t i = 0; i < all.size(); ++i) {
    const AggregateCall& call = all[i];
    const LogicalType argument =
        call.arguments.empty() ? LogicalType() : input[static_cast<size_t>(call.arguments[0])].type;
    auto function = MakeAggregateFunction(call, argument);
    if (!function.ok()) return function.status();
    set.first_fields_.push_back(static_cast<int>(set.fields_.size()));
    for (runtime::Field& field : (*function)->fields()) {
      field.name += "$" + std::to_string(i);
      set.fields_.push_back(std::move(field));
    }
    set.functions_.push_back(std::move(function).value());
    set.is_distinct_.push_back(call.distinct && !call.arguments.empty());
    if (!set.is_distinct_.back()) continue;
    DistinctView* view = nullptr;
    for (DistinctView& known : set.views_) {
      if (known.arguments == call.arguments) view = &known;
    }
    if (view == nullptr) {
      view = &set.views_.emplace_back();
      view->arguments = call.arguments;
      view->retracts = distinct_retracts;
    }
    view->calls.push_back(static_cast<int>(i));
  }
  return set;
}

int AggregateSet::num_fields(int index) const {
  const size_t next = static_cast<size_t>(index) + 1;
  const int end =
      next < first_fields_.size() ? first_fields_[next] : static_cast<int>(fields_.size());
  return end - first_fields_[static_cast<size_t>(index)];
}

void AggregateSet::Bind(const RowLayout& layout, int first_field) {
  for (size_t i = 0; i < functions_.size(); ++i) {
    functions_[i]->Bind(layout, first_field + first_fields_[i]);
  }
}

void AggregateSet::Initialize(uint8_t* const* rows, int32_t count) const {
  for (const auto& function : functions_) function->Initialize(rows, count);
}

void AggregateSet::MergeRows(uint8_t* const* rows, const uint8_t* const* others, int32_t count,
                             runtime::StateArena* arena) const {
  for (size_t i = 0; i < functions_.size(); ++i) {
    if (!is_distinct_[i]) functions_[i]->MergeRows(rows, others, count, arena);
  }
}

Accumulation::Accumulation(const AggregateSet* set)
    : set_(set),
      readers_(static_cast<size_t>(set->num_functions())),
      view_of_call_(static_cast<size_t>(set->num_functions()), {-1, 0}) {
  for (const DistinctView& view : set->views()) {
    for (size_t k = 0; k < view.calls.size(); ++k) {
      view_of_call_[static_cast<size_t>(view.calls[k])] = {static_cast<int>(markers_.size()), k};
    }
    markers_.emplace_back(set->calls(), view);
  }
}

Lanes Accumulation::LanesOf(int call, const RowRange& rows) {
  const auto index = static_cast<size_t>(call);
  if (index >= set_->calls().size()) return {};  // the added COUNT(*)
  const AggregateCall& of = set_->calls()[index];
  const auto [view, position] = view_of_call_[index];
  if (view < 0) {
    const int column = of.arguments.empty() ? -1 : of.arguments[0];
    Lanes lanes = readers_[index].Read(rows, column, of.filter);
    if (of.kind == AggregateKind::kCount) lanes.values = nullptr;
    return lanes;
  }
  uint8_t* use = markers_[static_cast<size_t>(view)].use(position);
  Lanes lanes;
  for (int column : of.arguments) MaskNulls(rows, rows.batch->column(column), use);
  if (of.kind != AggregateKind::kCount) {
    lanes.values = readers_[index].ReadValues(rows, rows.batch->column(of.arguments[0]));
  }
  lanes.use = use;
  return lanes;
}

void Accumulation::MergeView(size_t view, int32_t count, uint8_t* const* accumulators,
                             uint8_t* const* entries, const uint8_t* const* others,
                             const runtime::Vector* values, runtime::StateArena* arena) {
  DistinctMarker& marker = markers_[view];
  marker.Merge(entries, others, count);
  // The values as rows of a batch, so that they are read as arguments are.
  const runtime::Batch batch({std::make_shared<runtime::Vector>(*values)}, count);
  const RowRange rows{&batch, 0, count};
  UpdateRows update;
  update.accumulators = accumulators;
  update.count = count;
  update.arena = arena;
  for (size_t k = 0; k < marker.view().calls.size(); ++k) {
    const int call = marker.view().calls[k];
    uint8_t* use = marker.use(k);
    MaskNulls(rows, *values, use);
    update.lanes.use = use;
    update.lanes.values = nullptr;
    if (set_->calls()[static_cast<size_t>(call)].kind != AggregateKind::kCount) {
      update.lanes.values = readers_[static_cast<size_t>(call)].ReadValues(rows, *values);
    }
    update.actions = marker.view().retracts ? marker.actions(k) : nullptr;
    set_->function(call).Update(update);
  }
}

void Accumulation::Add(const RowRange& rows, uint8_t* const* accumulators, const uint8_t* actions,
                       runtime::StateArena* arena) {
  UpdateRows update;
  update.accumulators = accumulators;
  update.count = rows.count;
  update.actions = actions;
  update.arena = arena;
  for (int i = 0; i < set_->num_functions(); ++i) {
    update.lanes = LanesOf(i, rows);
    set_->function(i).Update(update);
  }
}

}  // namespace millrace::operators
