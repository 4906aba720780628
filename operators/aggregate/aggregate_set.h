#pragma once

#include <memory>
#include <string>
#include <vector>

#include "operators/aggregate/aggregate_function.h"
#include "operators/aggregate/argument_lanes.h"
#include "runtime/api/state.h"

namespace millrace::operators {

// The calls of a node that are DISTINCT over the same columns. They share a state with a row for
// each (group, value), as in Flink: a bit for each call that has counted the value, or, with
// retraction, how often each call has.
struct DistinctView {
  std::vector<int> arguments;
  std::vector<int> calls;  // positions among the calls
  bool retracts = false;

  runtime::RowType fields() const;
};

// Marks which rows a DISTINCT call counts: the first of each value, and with retraction the last
// that is taken back. Holds the lanes of one operator. Not thread-safe.
class DistinctMarker {
 public:
  explicit DistinctMarker(const std::vector<AggregateCall>& calls, DistinctView view);

  const DistinctView& view() const { return view_; }
  void Bind(const runtime::RowLayout& layout) { layout_ = layout; }
  // entries[i]: the view's row of input row i. `actions` as in UpdateRows.
  void Mark(const RowRange& rows, uint8_t* const* entries, const uint8_t* actions);
  // Bytes of the last Mark for the `index`-th call of the view: 1 where it counts the row.
  uint8_t* use(size_t index) { return use_[index].data(); }
  // Adds what others[i] counted to entries[i], and marks where a call counts the value now.
  // actions() says then where a call takes it back.
  void Merge(uint8_t* const* entries, const uint8_t* const* others, int32_t count);
  // Bytes of the last Merge: kRetract where a use takes the value back.
  const uint8_t* actions(size_t index) const { return actions_[index].data(); }
  // Whether nothing is counted in an entry, so that it need not be kept.
  bool IsEmpty(const uint8_t* entry) const;
  bool may_leave_empty() const { return view_.retracts || filtered_; }

 private:
  DistinctView view_;
  std::vector<int> filters_;
  bool filtered_ = false;  // every call has a filter
  runtime::RowLayout layout_;
  std::vector<LaneReader> readers_;
  std::vector<std::vector<uint8_t>> use_;
  std::vector<std::vector<uint8_t>> actions_;
};

// The aggregates of one node: their accumulators side by side in a state row.
class AggregateSet {
 public:
  // `counts_rows`: the operator needs to know how many rows a group has: a COUNT(*) is found among
  // the calls or added behind them, as Flink does. Errors: kUser for what can't be computed.
  static runtime::Result<AggregateSet> Make(std::vector<AggregateCall> calls,
                                            const runtime::RowType& input, bool counts_rows,
                                            bool distinct_retracts);

  // Calls of the plan, without the added COUNT(*).
  const std::vector<AggregateCall>& calls() const { return calls_; }
  // Accumulators of all calls in order, then the added COUNT(*).
  const runtime::RowType& fields() const { return fields_; }
  int num_functions() const { return static_cast<int>(functions_.size()); }
  const AggregateFunction& function(int index) const { return *functions_[index]; }
  // First field of a function's accumulator among fields().
  int first_field(int index) const { return first_fields_[index]; }
  int num_fields(int index) const;
  // Function that is COUNT(*); num calls if it was added; -1 if there is none.
  int count_star() const { return count_star_; }
  bool count_star_is_result() const {
    return count_star_ >= 0 && count_star_ < static_cast<int>(calls_.size());
  }
  const std::vector<DistinctView>& views() const { return views_; }

  // Binds all functions to rows whose fields `first_field`.. are fields().
  void Bind(const runtime::RowLayout& layout, int first_field);
  // Makes new rows the accumulators of no input.
  void Initialize(uint8_t* const* rows, int32_t count) const;
  // Adds others[i] to rows[i], but for DISTINCT calls, which are merged by their views.
  void MergeRows(uint8_t* const* rows, const uint8_t* const* others, int32_t count,
                 runtime::StateArena* arena) const;
  bool is_distinct(int index) const { return is_distinct_[static_cast<size_t>(index)]; }

 private:
  std::vector<AggregateCall> calls_;
  std::vector<std::unique_ptr<AggregateFunction>> functions_;
  std::vector<int> first_fields_;
  runtime::RowType fields_;
  std::vector<DistinctView> views_;
  std::vector<bool> is_distinct_;  // by function
  int count_star_ = -1;
};

// Adds rows of the input to the accumulators of a set; holds the scratch lanes.
class Accumulation {
 public:
  // `set` outlives it.
  explicit Accumulation(const AggregateSet* set);

  DistinctMarker& marker(size_t view) { return markers_[view]; }
  size_t num_views() const { return markers_.size(); }
  // Lanes of a call for these rows. DISTINCT calls: after Mark of their view for the same rows.
  Lanes LanesOf(int call, const RowRange& rows);
  // Adds all rows to all accumulators, emitting nothing. Markers were given these rows.
  void Add(const RowRange& rows, uint8_t* const* accumulators, const uint8_t* actions,
           runtime::StateArena* arena);
  // Merges entries of a view: adds others[i] to entries[i], and what that changes of the view's
  // calls to accumulators[i]. `values`: the view's (first) argument, row i.
  void MergeView(size_t view, int32_t count, uint8_t* const* accumulators, uint8_t* const* entries,
                 const uint8_t* const* others, const runtime::Vector* values,
                 runtime::StateArena* arena);

 private:
  const AggregateSet* set_;
  std::vector<LaneReader> readers_;
  std::vector<DistinctMarker> markers_;
  std::vector<std::pair<int, size_t>> view_of_call_;  // view or -1, index in it
};

}  // namespace millrace::operators
