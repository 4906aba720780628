#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "operators/aggregate/aggregate_set.h"
#include "operators/aggregate/update_bundle.h"
#include "runtime/api/operator.h"

namespace millrace::operators {

// Aggregates by key and emits every change (stream-exec-group-aggregate): Flink's GroupAggFunction,
// or MiniBatchGroupAggFunction with "miniBatch". Config, mostly the plan node's fields:
//   {"grouping": [0], "aggCalls": [..], "aggCallNeedRetractions": [false],
//    "generateUpdateBefore": true, "needRetraction": false, "stateTtlMs": 0,
//    "miniBatch": {"enabled": false, "size": 0}}
// Input: a changelog with all retractions, hashed on the grouping columns. Output: grouping
// columns, then one column a call.
//
// The first row of a group emits +I, a change -U (if generateUpdateBefore) and +U, nothing if the
// result stays the same and state does not expire; taking back the last row emits -D and forgets
// the group; a retraction for an unknown group is ignored.
//
// With a mini-batch, a bundle of "size" input rows, or what there is at a watermark, a barrier or
// the end, emits once a group, from the results before it to those after it.
//
// Work is a column at a time: each function runs over the rows of a chunk in order, so that results
// before and after each row are those of one row at a time. They are written to physical rows 2i
// and 2i + 1 of the output, whose selection leaves out what is not emitted.
class GroupAggregate : public runtime::Operator {
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
  runtime::Result<runtime::Progress> PrepareBarrier(int64_t checkpoint_id,
                                                    runtime::Output& out) override;
  runtime::Result<runtime::Progress> Finish(int input, runtime::Output& out) override;

 private:
  struct Config {
    std::vector<int> grouping;
    bool update_before = false;
    int64_t ttl_ms = 0;
    bool mini_batch = false;
    int64_t mini_batch_rows = 0;
  };

  GroupAggregate(Config config, AggregateSet aggregates, runtime::OperatorSpec spec);

  std::vector<runtime::LogicalType> KeyTypes() const;
  std::vector<const runtime::Vector*> KeyColumns(const runtime::Batch& batch) const;
  // Decides what each row does and counts it. True if any row is not plain.
  bool Admit(const RowRange& rows, uint8_t* const* accumulators, Emission emission,
             runtime::VectorBuilder* counts);
  // Updates all accumulators; gives the results as columns in the order of the calls.
  std::vector<runtime::VectorPtr> Update(const RowRange& rows, uint8_t* const* accumulators,
                                         Emission emission);
  // Makes the output of the rows that Update was given last. Null: nothing is emitted.
  runtime::BatchPtr MakeOutput(const RowRange& rows, std::vector<runtime::VectorPtr> results,
                               Emission emission);
  std::vector<runtime::VectorPtr> KeysOf(const RowRange& rows, Emission emission);
  // Emits the next part of pending_; true if one was there.
  bool EmitPending(runtime::Output& out);
  // Emits what the bundle holds; kMore while there is more.
  runtime::Progress FlushBundle(runtime::Output& out);
  runtime::Result<runtime::Progress> ProcessBundle(const runtime::BatchPtr& batch,
                                                   runtime::Output& out);
  void EraseEmpty(const runtime::Batch& batch);

  Config config_;
  AggregateSet aggregates_;
  runtime::OperatorSpec spec_;
  Accumulation accumulation_;
  std::optional<UpdateBundle> bundle_;  // of a mini-batch
  runtime::RowType state_row_;
  int presence_field_ = -1;  // counts rows (BIGINT), or says that the group exists (BOOLEAN)
  bool presence_counts_ = false;
  int counter_ = -1;         // function that is the counting field; -1: none
  bool may_repeat_ = false;  // a row may leave the results as they were, and is then not emitted

  runtime::OperatorContext* context_ = nullptr;
  int32_t cursor_ = 0;      // rows of the batch that are done
  bool any_empty_ = false;  // a group of the batch may have no rows
  std::vector<uint8_t> actions_;
  bool has_actions_ = false;
  bool flushing_ = false;  // the bundle is full and being emitted
  std::vector<uint8_t> changed_;
  std::vector<int32_t> key_rows_;
  runtime::BatchPtr pending_;  // output not emitted yet, from row pending_begin_ on
  int32_t pending_begin_ = 0;
};

}  // namespace millrace::operators
