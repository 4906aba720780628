#pragma once

#include <memory>
#include <vector>

#include "operators/aggregate/aggregate_set.h"
#include "operators/aggregate/group_table.h"
#include "operators/slicing.h"
#include "runtime/api/operator.h"

namespace millrace::operators {

// Aggregates by key and slice before the exchange (stream-exec-local-window-aggregate), so that a
// global window aggregate gets one row a key and slice instead of all. Config as of
// WindowAggregate. Output: grouping columns, accumulator fields of AggregateSet, one MAP<value,
// BIGINT> a distinct view, the end of the slice or window as BIGINT; all +I.
//
// Holds its partials in memory and gives them away when a watermark may fire one of their windows,
// before a barrier, at the end, and when there are kMostGroups of them: it has no state.
class LocalWindowAggregate : public runtime::Operator {
 public:
  static constexpr int32_t kMostGroups = 128 * 1024;

  static runtime::Result<std::unique_ptr<runtime::Operator>> Make(
      const runtime::OperatorSpec& spec, const runtime::JobSettings& settings);

  runtime::Status Open(runtime::OperatorContext& context) override;
  runtime::Result<runtime::Progress> Process(int input, const runtime::BatchPtr& batch,
                                             runtime::Output& out) override;
  runtime::Result<runtime::Progress> OnWatermark(runtime::Timestamp time,
                                                 runtime::Output& out) override;
  runtime::Result<runtime::Progress> PrepareBarrier(int64_t checkpoint_id,
                                                    runtime::Output& out) override;
  runtime::Result<runtime::Progress> Finish(int input, runtime::Output& out) override;

 private:
  LocalWindowAggregate(std::vector<int> grouping, AggregateSet aggregates, SliceClock clock,
                       runtime::OperatorSpec spec);

  void AddRows(const RowRange& rows);
  // Emits the next part of all partials; kMore while there is more.
  runtime::Progress Flush(runtime::Output& out);
  void AppendMaps(size_t view, int32_t count, runtime::VectorBuilder* out);

  std::vector<int> grouping_;
  AggregateSet aggregates_;
  SliceClock clock_;
  runtime::OperatorSpec spec_;
  Accumulation accumulation_;
  GroupTable groups_;
  std::vector<GroupTable>
      view_tables_;  // values of a distinct view; beside them the group's number
  runtime::OperatorContext* context_ = nullptr;
  int64_t lowest_slice_ = INT64_MAX;
  bool added_ = false;   // the batch in Process is in groups_
  int32_t flushed_ = 0;  // groups that a Flush has emitted

  std::vector<int64_t> slices_;
  std::vector<int32_t> ids_;
  std::vector<uint8_t*> accumulators_;
  std::vector<uint8_t> actions_;
  std::vector<std::vector<uint8_t*>> entries_;             // by view
  std::vector<std::vector<std::vector<int32_t>>> sorted_;  // by view and group, while flushing
};

}  // namespace millrace::operators
