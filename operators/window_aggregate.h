#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "operators/aggregate/aggregate_set.h"
#include "operators/fired_progress.h"
#include "operators/slice_merger.h"
#include "operators/slicing.h"
#include "runtime/api/operator.h"

namespace millrace::operators {

// A column that tells something about the window.
enum class WindowProperty : uint8_t { kStart, kEnd, kRowtime, kProctime };

// Aggregates by key and window and emits a window once, when time has passed its end
// (stream-exec-window-aggregate, and stream-exec-global-window-aggregate for accumulators that a
// local one made): Flink's slicing window operator. Config, the plan node's fields:
//   {"grouping": [0], "aggCalls": [..], "windowing": {..}, "namedWindowProperties": [..],
//    "needRetraction": false,
//    "localAggInputRowType": ..}   // global: row type of the local aggregate's input, a SQL string
//                                  // or the plan's object of fields
// Input: hashed on the grouping columns; of a global one: grouping columns, accumulators in the
// order of the calls (fields of AggregateSet), one MAP<value, BIGINT> a distinct view, the end of
// the slice or window as BIGINT. Output: grouping columns, results, window properties; all +I.
//
// A row is late, dropped and counted in numLateRecordsDropped, when the last window of its slice
// has fired. State holds one accumulator row a key and slice. Windows fire in order of their ends:
// of unshared slices the rows are emitted as they lie; HOP merges the window's slices in memory;
// CUMULATE merges each slice into the first one of its window, as Flink does.
class WindowAggregate : public runtime::Operator {
 public:
  static runtime::Result<std::unique_ptr<runtime::Operator>> Make(
      const runtime::OperatorSpec& spec, const runtime::JobSettings& settings);

  std::vector<runtime::StateSpec> States() const override;
  runtime::Status Open(runtime::OperatorContext& context) override;
  runtime::Status NameKeys(int input, const runtime::Batch& batch,
                           runtime::KeyRequests& requests) override;
  runtime::Result<runtime::Progress> Process(int input, const runtime::BatchPtr& batch,
                                             runtime::Output& out) override;
  runtime::Result<runtime::Progress> OnWatermark(runtime::Timestamp time,
                                                 runtime::Output& out) override;
  runtime::Result<runtime::Progress> OnTimer(int64_t now_ms, runtime::Output& out) override;
  runtime::Result<runtime::Progress> PrepareBarrier(int64_t checkpoint_id,
                                                    runtime::Output& out) override;

 private:
  struct Config {
    std::vector<int> grouping;
    std::vector<WindowProperty> properties;
    bool is_global = false;
  };
  // What is being fired, over the calls of one OnWatermark or OnTimer.
  struct Firing {
    enum class Step : uint8_t { kNone, kMerge, kEmit };
    int64_t progress = 0;
    int64_t window_end = INT64_MIN;
    Step step = Step::kNone;
    std::vector<int64_t> to_merge;  // slices, into merge_into or memory
    size_t merged = 0;
    std::optional<int64_t> merge_into;
    std::optional<int64_t> emitted_slice;  // none: what was merged in memory
    runtime::ScanCursor cursor;
    int32_t emitted = 0;  // rows in memory that are done
  };
  // The values of one distinct view of a global aggregate's batch, out of their maps.
  struct MapEntries {
    std::vector<runtime::VectorPtr> keys;  // grouping columns, then the value
    std::vector<const runtime::Vector*> columns;
    std::vector<int32_t> parents;  // row of the batch
    std::vector<int64_t> slices;
    std::vector<int64_t> counts;
  };

  WindowAggregate(Config config, runtime::RowType row, AggregateSet aggregates, SliceClock clock,
                  runtime::OperatorSpec spec);

  runtime::Result<runtime::Progress> Fire(int64_t progress, runtime::Output& out);
  // Finds the next window that is due and not fired. False: none.
  bool NextWindow(int64_t progress, int64_t* window_end);
  // The least window end that has not fired.
  int64_t FirstUnfired();
  void BeginWindow(int64_t window_end);
  // Each does a piece of its step; *done after the last one.
  runtime::Result<runtime::Readiness> MergeSome(bool* done);
  runtime::Result<runtime::Readiness> EmitSome(runtime::Output& out, bool* done);
  // `ids`: numbers of the rows, which lie in memory; null: they lie in state.
  void EmitRows(std::vector<uint8_t*> rows, const std::vector<int32_t>* ids, runtime::Output& out);
  // Leaves out rows whose window has fired before a restore. Null: none is left.
  runtime::BatchPtr WithoutFired(std::shared_ptr<runtime::Batch> batch);
  void EndWindow();
  void DropSlice(int64_t slice);
  void SetTimer();
  void NameMapEntries(int view, runtime::KeyRequests& requests);
  void AddMapEntries(int view, uint8_t* const* accumulators);
  std::vector<runtime::LogicalType> KeyTypes() const;
  // Marks new rows in actions_ and gives them their first value. Null: nothing special.
  const uint8_t* ActionsFor(const RowRange& rows, uint8_t* const* accumulators);
  void AddPartials(const RowRange& rows, uint8_t* const* accumulators);

  Config config_;
  runtime::RowType row_;  // that the calls' columns belong to
  AggregateSet aggregates_;
  SliceClock clock_;
  runtime::OperatorSpec spec_;
  Accumulation accumulation_;
  runtime::RowType state_row_;
  int exists_field_ = -1;  // BOOLEAN: the row holds a value; -1: a new row's zeros are one

  runtime::OperatorContext* context_ = nullptr;
  runtime::Counter* late_rows_ = nullptr;
  FiredProgress progress_;         // windows up to here have fired
  int64_t fired_end_ = INT64_MIN;              // the last window that fired
  std::optional<Firing> firing_;
  std::optional<SliceMerger> merger_;  // shared slices only

  // The batch in work: rows that are not late, their target slices.
  runtime::BatchPtr kept_;
  const runtime::Batch* active_ = nullptr;
  std::vector<int64_t> slices_;
  std::vector<uint8_t> actions_;
  std::vector<LaneReader> partial_readers_;
  std::vector<MapEntries> map_entries_;  // by view; global only
  std::vector<uint8_t*> entry_accumulators_;
  std::vector<uint64_t> entry_words_;
  std::vector<const uint8_t*> entry_rows_;
};

}  // namespace millrace::operators
