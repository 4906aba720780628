#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "operators/aggregate/aggregate_set.h"
#include "operators/aggregate/group_table.h"
#include "runtime/api/operator.h"

namespace millrace::operators {

// Merges the accumulators of a slice, distinct views included, into another slice of the same state
// (CUMULATE) or into memory (HOP, whose windows overlap). Works in pieces. Not thread-safe.
class SliceMerger {
 public:
  // States of the operator: accumulators in `first_state`, the views behind it. `exists_field`:
  // BOOLEAN that says that an accumulator row holds a value; -1: zeros are one.
  SliceMerger(const AggregateSet* aggregates, Accumulation* accumulation,
              std::vector<runtime::LogicalType> key_types, runtime::RowType state_row,
              int exists_field, const runtime::RowType& input, int first_state);

  // Does the next piece of merging `slice` into slice `into`, none: groups(). Sets *done after the
  // last one. On kPending repeat the call after a wake-up.
  runtime::Result<runtime::Readiness> Step(runtime::OperatorContext& context, int64_t slice,
                                           std::optional<int64_t> into, bool* done);
  // What was merged in memory: rows as in the accumulators' state.
  GroupTable& groups() { return groups_; }
  void ClearGroups();

 private:
  // Gives the accumulator rows of the keys of the piece, new ones started.
  runtime::Result<runtime::Readiness> FindAccumulators(runtime::OperatorContext& context,
                                                       std::span<const runtime::Vector* const> keys,
                                                       int32_t count, std::optional<int64_t> into);
  runtime::Result<runtime::Readiness> MergePiece(runtime::OperatorContext& context,
                                                 std::optional<int64_t> into);

  const AggregateSet* aggregates_;
  Accumulation* accumulation_;
  int exists_field_;
  int first_state_;
  std::vector<runtime::LogicalType> key_types_;
  std::vector<std::vector<runtime::LogicalType>> argument_types_;  // by view
  GroupTable groups_;
  std::vector<GroupTable> view_tables_;  // beside the value: the group's number

  // Progress through the tables: 0 the accumulators, then the views.
  size_t table_ = 0;
  bool scanned_all_ = false;
  runtime::ScanCursor cursor_;
  std::vector<uint8_t*> scanned_;
  size_t merged_ = 0;
  std::vector<uint8_t*> accumulators_;
  std::vector<uint8_t*> entries_;
  std::vector<int32_t> ids_;
  std::vector<int64_t> slices_;
};

}  // namespace millrace::operators
