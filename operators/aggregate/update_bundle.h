#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "operators/aggregate/argument_lanes.h"
#include "operators/aggregate/key_set.h"

namespace millrace::operators {

// Collects what a mini-batch does to each group: the results before its first row and after its
// last one. Accumulators in state are up to date all the time; only emission waits. Given away
// before each barrier, so it is no state. Column by column: most groups of a bundle are new, and so
// are written one behind the other.
class UpdateBundle {
 public:
  struct Rules {
    bool update_before = false;   // emit -U
    bool emit_unchanged = false;  // emit updates that change nothing (state that expires)
  };

  // Output columns: keys, then results.
  UpdateBundle(const std::vector<runtime::LogicalType>& key_types, const runtime::RowType& results,
               runtime::RowType output, Rules rules);

  // Takes rows in order: `actions` as in UpdateRows, `results` as Emission::kBoth wrote them.
  void Add(std::span<const runtime::Vector* const> keys, const RowRange& rows,
           const uint8_t* actions, const std::vector<runtime::VectorPtr>& results);
  // Rows taken since the last flush.
  int64_t num_rows() const { return num_rows_; }
  bool empty() const { return keys_.size() == 0; }

  // Makes the output of the next groups, at most `most_groups`, two rows each at most; null if they
  // emit nothing. Call it until empty().
  runtime::BatchPtr Flush(runtime::MemoryPool& pool, int32_t most_groups);

 private:
  enum Presence : uint8_t { kExisted = 1, kExists = 2, kTouched = 4 };  // before the bundle, now

  runtime::RowType output_;
  Rules rules_;
  KeySet keys_;
  std::unique_ptr<OperatorArena> arena_;
  std::vector<ValueColumn> before_;
  std::vector<ValueColumn> after_;
  std::vector<uint8_t> presence_;  // by group
  int64_t num_rows_ = 0;
  int32_t flushed_ = 0;
  std::vector<int32_t> physical_;
  std::vector<int32_t> ids_;
  std::vector<uint8_t> first_touch_;
  std::vector<int32_t> before_rows_;
  std::vector<int32_t> after_rows_;
};

}  // namespace millrace::operators
