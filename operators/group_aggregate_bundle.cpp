// GroupAggregate with a mini-batch.
#include <algorithm>
#include <utility>

#include "operators/aggregate/result_changes.h"
#include "operators/group_aggregate.h"

namespace millrace::operators {

using runtime::Batch;
using runtime::BatchPtr;
using runtime::BufferPtr;
using runtime::Output;
using runtime::Progress;
using runtime::Result;
using runtime::RowKind;
using runtime::Vector;
using runtime::VectorBuilder;
using runtime::VectorPtr;

namespace {

// A selection that keeps less than this share of a batch is compacted before it is held back: it
// would hold memory that nobody needs.
constexpr int32_t kSparse = 4;
// Held batches that one call works into state: about half a millisecond.
constexpr int kApplied = 8;

}  // namespace

Result<Progress> GroupAggregate::ProcessBundle(const BatchPtr& batch, Output& out) {
  while (cursor_ < batch->num_rows() || bundle_->flushing) {
    if (bundle_->flushing) {
      ASSIGN_OR_RETURN(const Progress progress, FlushBundle(out));
      if (progress != Progress::kNeedInput) return progress;
      if (!out.empty()) return Progress::kMore;
      continue;
    }
    // A bundle ends at its row, wherever batches are cut.
    const auto room = config_.mini_batch_rows - bundle_->num_rows;
    const auto count = static_cast<int32_t>(
        std::min<int64_t>({room, batch->num_rows() - cursor_, runtime::kDefaultBatchRows}));
    Held held{batch, cursor_, count, bundle_->num_rows};
    if (batch->physical_rows() > kSparse * batch->num_rows()) {
      held.batch = Compact(context_->pool(), spec_.inputs[0],
                           SliceRows(context_->pool(), batch, cursor_, count));
      held.begin = 0;
    }
    bundle_->held.push_back(std::move(held));
    bundle_->num_rows += count;
    cursor_ += count;
    bundle_->flushing = bundle_->num_rows >= config_.mini_batch_rows;
  }
  cursor_ = 0;
  return Progress::kNeedInput;
}

Result<bool> GroupAggregate::ResolveHeld(const Held& held) {
  Bundle& bundle = *bundle_;
  const Batch& batch = *held.batch;
  runtime::KeyNames names;
  names.rows = batch.selection();
  if (names.rows != nullptr) {
    names.rows += held.begin;
  } else if (held.begin > 0) {
    key_rows_.resize(static_cast<size_t>(held.count));
    for (int32_t i = 0; i < held.count; ++i) key_rows_[static_cast<size_t>(i)] = held.begin + i;
    names.rows = key_rows_.data();
  }
  names.count = held.count;
  names.key_groups = batch.key_groups();
  for (; bundle.resolved < num_states(); ++bundle.resolved) {
    std::vector<const Vector*> columns = KeyColumns(batch);
    if (bundle.resolved > 0) {
      const DistinctView& view = aggregates_.views()[static_cast<size_t>(bundle.resolved - 1)];
      for (int column : view.arguments) columns.push_back(&batch.column(column));
    }
    names.columns = columns;
    std::vector<uint8_t*>& rows = bundle.state_rows[static_cast<size_t>(bundle.resolved)];
    ASSIGN_OR_RETURN(const runtime::Readiness ready,
                     context_->keyed(bundle.resolved)
                         .Resolve(names, runtime::Access::kUpsert, rows.data() + held.first));
    if (ready == runtime::Readiness::kPending) return false;
  }
  bundle.resolved = 0;
  return true;
}

Result<Progress> GroupAggregate::FlushBundle(Output& out) {
  Bundle& bundle = *bundle_;
  if (bundle.held.empty()) {
    bundle.flushing = false;
    return Progress::kNeedInput;
  }
  if (bundle.applied == 0 && bundle.resolved == 0) {
    for (auto& rows : bundle.state_rows) rows.resize(static_cast<size_t>(bundle.num_rows));
    bundle.builders =
        ResultBuilders(bundle.num_rows * (bundle.emission == Emission::kBoth ? 2 : 1));
    bundle.groups.Begin(bundle.num_rows);
    any_retract_ = false;
  }
  for (int applied = 0; bundle.applied < bundle.held.size(); ++applied) {
    if (applied == kApplied) return Progress::kMore;
    const Held& held = bundle.held[bundle.applied];
    ASSIGN_OR_RETURN(const bool ready, ResolveHeld(held));
    if (!ready) return Progress::kBlocked;
    states_.clear();
    for (const auto& rows : bundle.state_rows) states_.push_back(rows.data() + held.first);
    Update({held.batch.get(), held.begin, held.count}, states_, bundle.emission, bundle.builders);
    bundle.groups.Add(states_[0], held.count, has_actions_ ? actions_.data() : nullptr);
    if (++bundle.applied == bundle.held.size()) {
      for (VectorBuilder& builder : bundle.builders) bundle.results.push_back(builder.Finish());
    }
  }
  while (pending_ == nullptr && bundle.emitted < bundle.groups.size()) {
    const int32_t count = std::min(bundle.groups.size() - bundle.emitted,
                                   std::max(1, context_->settings().batch_rows / 2));
    pending_ = MakeBundleOutput(bundle.emitted, count);
    bundle.emitted += count;
  }
  EmitPending(out);
  if (pending_ != nullptr || bundle.emitted < bundle.groups.size()) return Progress::kMore;
  states_.clear();
  for (const auto& rows : bundle.state_rows) states_.push_back(rows.data());
  EraseEmpty(states_, bundle.num_rows);
  bundle.held.clear();
  bundle.results.clear();
  bundle.builders.clear();
  bundle.num_rows = bundle.emitted = 0;
  bundle.applied = 0;
  bundle.flushing = false;
  return Progress::kNeedInput;
}

// Sets changed_[i] where the results of group begin + i before and after the bundle differ.
void GroupAggregate::MarkChangedGroups(int32_t begin, int32_t count) {
  result_rows_.resize(2 * static_cast<size_t>(count));
  int32_t* const before = result_rows_.data();
  int32_t* const after = before + count;
  for (int32_t i = 0; i < count; ++i) {
    before[i] = BeforeOf(bundle_->groups[begin + i]);
    after[i] = AfterOf(bundle_->groups[begin + i]);
  }
  changed_.assign(static_cast<size_t>(count) + 1, 0);
  for (const VectorPtr& result : bundle_->results) {
    MarkChanges(*result, before, after, count, changed_.data());
  }
}

// Groups [begin, begin + count): at most two rows each. Null: they emit nothing.
BatchPtr GroupAggregate::MakeBundleOutput(int32_t begin, int32_t count) {
  Bundle& bundle = *bundle_;
  // State that expires is renewed by each update: those that change nothing are emitted too.
  const bool all_change = config_.ttl_ms > 0 || (count_shown_ && !any_retract_);
  if (!all_change) MarkChangedGroups(begin, count);
  BufferPtr kinds_buffer =
      context_->pool().Allocate(2 * static_cast<size_t>(count) + Vector::kPaddingBytes);
  auto* kinds = reinterpret_cast<RowKind*>(kinds_buffer->data());
  result_rows_.resize(2 * static_cast<size_t>(count));
  input_rows_.resize(result_rows_.size());
  int32_t* const results = result_rows_.data();
  int32_t* const inputs = input_rows_.data();
  int32_t emitted = 0;
  for (int32_t i = 0; i < count; ++i) {
    const RowGroups::Group& group = bundle.groups[begin + i];
    const int32_t first = group.first();
    const bool changed = all_change || changed_[static_cast<size_t>(i)] != 0;
    const bool both = group.existed() && group.exists();
    if (group.existed() && (both ? changed && config_.update_before : true)) {
      results[emitted] = BeforeOf(group);
      inputs[emitted] = first;
      kinds[emitted++] = both ? RowKind::kUpdateBefore : RowKind::kDelete;
    }
    if (group.exists() && (both ? changed : true)) {
      results[emitted] = AfterOf(group);
      inputs[emitted] = first;
      kinds[emitted++] = both ? RowKind::kUpdateAfter : RowKind::kInsert;
    }
  }
  if (emitted == 0) return nullptr;
  std::vector<VectorBuilder> builders;
  for (const runtime::Field& field : spec_.output) {
    builders.emplace_back(context_->pool(), field.type, emitted);
  }
  // Keys: input rows ascend, so those of one held batch stand together.
  auto held =
      std::upper_bound(bundle.held.begin(), bundle.held.end(), inputs[0],
                       [](int32_t row, const Held& one) { return row < one.first + one.count; });
  for (int32_t from = 0; from < emitted;) {
    while (inputs[from] >= held->first + held->count) ++held;
    int32_t to = from;
    const int32_t end = held->first + held->count, shift = held->begin - held->first;
    for (; to < emitted && inputs[to] < end; ++to) {
      inputs[to] = held->batch->PhysicalRow(inputs[to] + shift);
    }
    for (size_t c = 0; c < config_.grouping.size(); ++c) {
      builders[c].AppendRows(held->batch->column(config_.grouping[c]), inputs + from, to - from,
                             VectorBuilder::Strings::kKeep);
    }
    from = to;
  }
  std::vector<VectorPtr> columns;
  for (size_t c = 0; c < builders.size(); ++c) {
    if (c >= config_.grouping.size()) {
      builders[c].AppendRows(*bundle.results[c - config_.grouping.size()], results, emitted,
                             VectorBuilder::Strings::kKeep);
    }
    columns.push_back(builders[c].Finish());
  }
  auto batch = std::make_shared<Batch>(std::move(columns), emitted);
  batch->SetRowKinds(std::move(kinds_buffer));
  return batch;
}

}  // namespace millrace::operators
