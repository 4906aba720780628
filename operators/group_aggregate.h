#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "operators/aggregate/aggregate_set.h"
#include "operators/aggregate/row_groups.h"
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
// With a mini-batch rows are held back until they are "size", or a watermark, a barrier or the end
// comes. Then state is resolved and updated for all of them, and each group emits once, from the
// results before its first row to those after its last.
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
    bool retracts = false;  // the input may
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
  std::vector<runtime::VectorBuilder> ResultBuilders(int32_t rows) const;
  // Updates all accumulators, states[s] being the rows of state s, and appends the results to the
  // builders of the calls.
  void Update(const RowRange& rows, std::span<uint8_t* const* const> states, Emission emission,
              std::vector<runtime::VectorBuilder>& results);
  // Makes the output of the rows that Update was given last. Null: nothing is emitted.
  runtime::BatchPtr MakeOutput(const RowRange& rows, std::vector<runtime::VectorPtr> results,
                               Emission emission);
  std::vector<runtime::VectorPtr> KeysOf(const RowRange& rows, Emission emission);
  // Emits the next part of pending_; true if one was there.
  bool EmitPending(runtime::Output& out);
  void EraseEmpty(std::span<uint8_t* const* const> states, int32_t count);
  int num_states() const { return 1 + static_cast<int>(accumulation_.num_views()); }

  // ---- Mini-batch (group_aggregate_bundle.cpp) ----
  struct Held {  // rows of one batch
    runtime::BatchPtr batch;
    int32_t begin = 0;
    int32_t count = 0;
    int32_t first = 0;  // position of its first row in the bundle
  };
  struct Bundle {
    std::vector<Held> held;
    int32_t num_rows = 0;
    bool flushing = false;
    size_t applied = 0;                             // of held: resolved and in state
    int resolved = 0;                               // states of the next one whose rows are known
    std::vector<std::vector<uint8_t*>> state_rows;  // by state, of all rows
    std::vector<runtime::VectorBuilder> builders;
    Emission emission = Emission::kBoth;
    std::vector<runtime::VectorPtr> results;  // by call
    RowGroups groups;
    int32_t emitted = 0;  // groups
  };
  runtime::Result<runtime::Progress> ProcessBundle(const runtime::BatchPtr& batch,
                                                   runtime::Output& out);
  // Works off what is held; kMore while there is more to emit, kBlocked while state is being read.
  runtime::Result<runtime::Progress> FlushBundle(runtime::Output& out);
  // The rows of the next held batch in each state; false: some are being read.
  runtime::Result<bool> ResolveHeld(const Held& held);
  void MarkChangedGroups(int32_t begin, int32_t count);
  // Rows of the bundle's results that hold those of a group before its first and after its last
  // row.
  int32_t BeforeOf(const RowGroups::Group& group) const {
    return bundle_->emission == Emission::kBoth ? 2 * group.first() : group.last();
  }
  int32_t AfterOf(const RowGroups::Group& group) const {
    return bundle_->emission == Emission::kBoth ? 2 * group.last() + 1 : group.last();
  }
  runtime::BatchPtr MakeBundleOutput(int32_t begin, int32_t count);

  Config config_;
  AggregateSet aggregates_;
  runtime::OperatorSpec spec_;
  Accumulation accumulation_;
  std::optional<Bundle> bundle_;  // of a mini-batch
  runtime::RowType state_row_;
  int presence_field_ = -1;  // counts rows (BIGINT), or says that the group exists (BOOLEAN)
  bool presence_counts_ = false;
  int counter_ = -1;          // function that is the counting field; -1: none
  bool count_shown_ = false;  // so a row that is no retraction always changes the results
  bool may_repeat_ = false;   // a row may leave the results as they were, and is then not emitted

  runtime::OperatorContext* context_ = nullptr;
  int32_t cursor_ = 0;        // rows of the batch that are done
  bool any_empty_ = false;    // a group of the batch may have no rows
  bool any_retract_ = false;  // of a bundle's rows
  std::vector<uint8_t* const*> states_;
  std::vector<uint8_t> actions_;
  bool has_actions_ = false;
  std::vector<uint8_t> changed_;
  std::vector<int32_t> key_rows_;
  std::vector<int32_t> result_rows_, input_rows_;  // of a bundle's output
  runtime::BatchPtr pending_;  // output not emitted yet, from row pending_begin_ on
  int32_t pending_begin_ = 0;
};

}  // namespace millrace::operators
