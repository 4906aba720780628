#include "operators/slice_merger.h"

#include <algorithm>
#include <utility>

namespace millrace::operators {

using runtime::LogicalType;
using runtime::OperatorContext;
using runtime::Readiness;
using runtime::Result;
using runtime::Vector;
using runtime::VectorBuilder;
using runtime::VectorPtr;

namespace {

constexpr size_t kPieceRows = 1024;

}  // namespace

SliceMerger::SliceMerger(const AggregateSet* aggregates, Accumulation* accumulation,
                         std::vector<LogicalType> key_types, runtime::RowType state_row,
                         int exists_field, const runtime::RowType& input, int first_state)
    : aggregates_(aggregates),
      accumulation_(accumulation),
      exists_field_(exists_field),
      first_state_(first_state),
      key_types_(key_types),
      groups_(std::move(key_types), state_row) {
  for (const DistinctView& view : aggregates->views()) {
    std::vector<LogicalType>& types = argument_types_.emplace_back();
    for (int column : view.arguments) types.push_back(input[static_cast<size_t>(column)].type);
    view_tables_.emplace_back(types, view.fields());
  }
}

void SliceMerger::ClearGroups() {
  groups_.Clear();
  for (GroupTable& table : view_tables_) table.Clear();
}

Result<Readiness> SliceMerger::FindAccumulators(OperatorContext& context,
                                                std::span<const Vector* const> keys, int32_t count,
                                                std::optional<int64_t> into) {
  accumulators_.resize(static_cast<size_t>(count));
  if (into) {
    slices_.assign(static_cast<size_t>(count), *into);
    runtime::KeyNames names;
    names.columns = keys;
    names.count = count;
    names.slices = slices_.data();
    ASSIGN_OR_RETURN(
        const Readiness ready,
        context.keyed(first_state_).Resolve(names, runtime::Access::kUpsert, accumulators_.data()));
    if (ready == Readiness::kPending) return ready;
  } else {
    ids_.resize(static_cast<size_t>(count));
    groups_.FindOrAdd(keys, nullptr, count, nullptr, ids_.data());
    for (size_t i = 0; i < ids_.size(); ++i) accumulators_[i] = groups_.row(ids_[i]);
  }
  if (exists_field_ >= 0) {
    const uint32_t offset = groups_.layout().OffsetOf(exists_field_);
    for (uint8_t* row : accumulators_) {
      if (row[offset] == 0) aggregates_->Initialize(&row, 1);
      row[offset] = 1;
    }
  }
  return Readiness::kReady;
}

Result<Readiness> SliceMerger::MergePiece(OperatorContext& context, std::optional<int64_t> into) {
  const size_t piece = std::min(kPieceRows, scanned_.size() - merged_);
  const auto count = static_cast<int32_t>(piece);
  const std::span<uint8_t* const> from(scanned_.data() + merged_, piece);
  runtime::KeyedTable& table = context.keyed(first_state_ + static_cast<int>(table_));
  std::vector<VectorBuilder> builders;
  std::vector<VectorBuilder*> columns;
  for (const LogicalType& type : table.spec().key_types) {
    builders.emplace_back(context.pool(), type, count);
  }
  for (VectorBuilder& builder : builders) columns.push_back(&builder);
  table.ReadKeys(from, columns);
  std::vector<VectorPtr> read;
  std::vector<const Vector*> keys;
  for (VectorBuilder& builder : builders) {
    read.push_back(builder.Finish());
    keys.push_back(read.back().get());
  }
  const std::span<const Vector* const> group_keys(keys.data(), key_types_.size());
  ASSIGN_OR_RETURN(const Readiness found, FindAccumulators(context, group_keys, count, into));
  if (found == Readiness::kPending) return found;
  runtime::StateArena& arena = into ? context.keyed(first_state_).arena() : groups_.arena();
  if (table_ == 0) {
    aggregates_->MergeRows(accumulators_.data(), from.data(), count, &arena);
  } else {
    const size_t view = table_ - 1;
    entries_.resize(piece);
    if (into) {
      runtime::KeyNames names;
      names.columns = keys;
      names.count = count;
      names.slices = slices_.data();
      ASSIGN_OR_RETURN(const Readiness ready,
                       table.Resolve(names, runtime::Access::kUpsert, entries_.data()));
      if (ready == Readiness::kPending) return ready;
    } else {
      const std::span<const Vector* const> values(keys.data() + key_types_.size(),
                                                  keys.size() - key_types_.size());
      const std::vector<int64_t> groups(ids_.begin(), ids_.end());
      view_tables_[view].FindOrAdd(values, nullptr, count, groups.data(), ids_.data());
      for (size_t i = 0; i < piece; ++i) entries_[i] = view_tables_[view].row(ids_[i]);
    }
    accumulation_->MergeView(view, count, accumulators_.data(), entries_.data(), from.data(),
                             keys[key_types_.size()], &arena);
  }
  merged_ += piece;
  return Readiness::kReady;
}

Result<Readiness> SliceMerger::Step(OperatorContext& context, int64_t slice,
                                    std::optional<int64_t> into, bool* done) {
  *done = false;
  // All rows are found before any is added, which might disturb the scan.
  if (!scanned_all_) {
    const size_t begin = scanned_.size();
    scanned_.resize(begin + kPieceRows);
    int32_t count = 0;
    ASSIGN_OR_RETURN(const Readiness ready,
                     context.keyed(first_state_ + static_cast<int>(table_))
                         .Scan(&cursor_, slice, std::span(scanned_).subspan(begin), &count));
    if (ready == Readiness::kPending) {
      scanned_.resize(begin);
      return ready;
    }
    scanned_.resize(begin + static_cast<size_t>(count));
    scanned_all_ = cursor_.done;
    return ready;
  }
  if (merged_ < scanned_.size()) {
    ASSIGN_OR_RETURN(const Readiness ready, MergePiece(context, into));
    if (ready == Readiness::kPending) return ready;
  }
  if (merged_ < scanned_.size()) return Readiness::kReady;
  scanned_.clear();
  merged_ = 0;
  scanned_all_ = false;
  cursor_ = {};
  ++table_;
  if (table_ > aggregates_->views().size()) {
    table_ = 0;
    *done = true;
  }
  return Readiness::kReady;
}

}  // namespace millrace::operators
