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
    bundle.builders = ResultBuilders(2 * bundle.num_rows);
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
    Update({held.batch.get(), held.begin, held.count}, states_, Emission::kBoth, bundle.builders);
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

// Groups [begin, begin + count): at most two rows each. Null: they emit nothing.
BatchPtr GroupAggregate::MakeBundleOutput(int32_t begin, int32_t count) {
  Bundle& bundle = *bundle_;
  std::vector<int32_t> before(static_cast<size_t>(count)), after(before);
  for (int32_t i = 0; i < count; ++i) {
    const RowGroups::Group& group = bundle.groups[begin + i];
    before[static_cast<size_t>(i)] = 2 * group.first;
    after[static_cast<size_t>(i)] = 2 * group.last + 1;
  }
  // State that expires is renewed by each update: those that change nothing are emitted too.
  const bool all_change = config_.ttl_ms > 0 || (count_shown_ && !any_retract_);
  changed_.assign(static_cast<size_t>(count) + 1, all_change);
  for (size_t c = 0; c < bundle.results.size() && !all_change; ++c) {
    MarkChanges(*bundle.results[c], before.data(), after.data(), count, changed_.data());
  }
  BufferPtr kinds_buffer =
      context_->pool().Allocate(2 * static_cast<size_t>(count) + Vector::kPaddingBytes);
  auto* kinds = reinterpret_cast<RowKind*>(kinds_buffer->data());
  std::vector<int32_t> rows(2 * static_cast<size_t>(count));  // of the results
  std::vector<int32_t> inputs(rows.size());                   // rows of the bundle, for their keys
  int32_t emitted = 0;
  const auto emit = [&](int32_t result, int32_t input, RowKind kind) {
    rows[static_cast<size_t>(emitted)] = result;
    inputs[static_cast<size_t>(emitted)] = input;
    kinds[emitted++] = kind;
  };
  for (int32_t i = 0; i < count; ++i) {
    const RowGroups::Group& group = bundle.groups[begin + i];
    const auto at = static_cast<size_t>(i);
    if (!group.existed) {
      if (group.exists) emit(after[at], group.first, RowKind::kInsert);
    } else if (!group.exists) {
      emit(before[at], group.first, RowKind::kDelete);
    } else if (changed_[at] != 0) {
      if (config_.update_before) emit(before[at], group.first, RowKind::kUpdateBefore);
      emit(after[at], group.first, RowKind::kUpdateAfter);
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
    while (inputs[static_cast<size_t>(from)] >= held->first + held->count) ++held;
    int32_t to = from;
    key_rows_.clear();
    for (; to < emitted && inputs[static_cast<size_t>(to)] < held->first + held->count; ++to) {
      key_rows_.push_back(
          held->batch->PhysicalRow(held->begin + inputs[static_cast<size_t>(to)] - held->first));
    }
    for (size_t c = 0; c < config_.grouping.size(); ++c) {
      builders[c].AppendRows(held->batch->column(config_.grouping[c]), key_rows_.data(), to - from,
                             VectorBuilder::Strings::kKeep);
    }
    from = to;
  }
  std::vector<VectorPtr> columns;
  for (size_t c = 0; c < builders.size(); ++c) {
    if (c >= config_.grouping.size()) {
      builders[c].AppendRows(*bundle.results[c - config_.grouping.size()], rows.data(), emitted,
                             VectorBuilder::Strings::kKeep);
    }
    columns.push_back(builders[c].Finish());
  }
  auto batch = std::make_shared<Batch>(std::move(columns), emitted);
  batch->SetRowKinds(std::move(kinds_buffer));
  return batch;
}

}  // namespace millrace::operators
