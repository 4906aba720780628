#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "operators/aggregate/aggregate_call.h"
#include "runtime/api/state.h"
#include "runtime/types/row_layout.h"
#include "runtime/types/vector.h"

namespace millrace::operators {

// What a row of the input does to its accumulator; bits.
enum RowAction : uint8_t {
  kPlain = 0,    // adds to an accumulator that exists
  kFirst = 1,    // the accumulator starts anew before the row is added
  kRetract = 2,  // the row is taken back
  kIgnore = 4,   // the row does nothing and emits nothing
  kLast = 8,     // with kRetract: nothing is left after it
};

// Argument values of some rows, dense: value and use of row i at [i].
struct Lanes {
  const void* values = nullptr;
  const uint8_t* use = nullptr;  // 1: counts; 0: NULL or filtered out. Null: every row counts
};

// Which results Update writes, to consecutive rows behind the end of a builder.
enum class Emission : uint8_t {
  kNone,
  kAfter,  // one a row: the value after it; with kLast the value before it
  kBoth,   // two a row: the values before and after it
};

// A batch of rows for Update, in input order: a key may occur many times.
struct UpdateRows {
  uint8_t* const* accumulators = nullptr;  // state row of each input row
  int32_t count = 0;
  const uint8_t* actions = nullptr;  // RowAction bits; null: all kPlain
  Lanes lanes;
  runtime::StateArena* arena = nullptr;
  Emission emission = Emission::kNone;
  runtime::VectorBuilder* out = nullptr;  // kIgnore rows leave zeros
};

// Accumulators of the same function as columns: a local aggregate's output. One column a field,
// rows dense as in Lanes.
struct PartialColumns {
  std::vector<const void*> values;
  std::vector<const uint8_t*> valid;  // 0: NULL; a null pointer: none is NULL
};

// Computes one aggregate over accumulators in state rows. The accumulator's fields are Flink's
// (names in fields(), order, types), so that a plan's local aggregates have the same columns.
// Stateless besides Bind. One virtual call a batch; the rows' work is in templates
// (function_kernels.h).
class AggregateFunction {
 public:
  virtual ~AggregateFunction() = default;

  virtual runtime::RowType fields() const = 0;
  // Tells where the fields lie: `first_field` onwards of rows laid out by `layout`. Called before
  // anything below; the layout may go afterwards.
  virtual void Bind(const runtime::RowLayout& layout, int first_field) = 0;

  // Gives new, all-zero rows the value of no input.
  virtual void Initialize(uint8_t* const* accumulators, int32_t count) const = 0;
  virtual void Update(const UpdateRows& rows) const = 0;
  // Adds accumulators of rows of the same layout: rows[i] += others[i]; null others are skipped.
  virtual void MergeRows(uint8_t* const* rows, const uint8_t* const* others, int32_t count,
                         runtime::StateArena* arena) const = 0;
  virtual void MergeColumns(uint8_t* const* rows, const PartialColumns& partials, int32_t count,
                            runtime::StateArena* arena) const = 0;
  // Appends the result of each row. Strings are copied.
  virtual void AppendResults(const uint8_t* const* rows, int32_t count,
                             runtime::VectorBuilder* out) const = 0;
};

// Makes the function of a call over an argument of this type (kNull: none). Refuses by name what
// it can't compute.
runtime::Result<std::unique_ptr<AggregateFunction>> MakeAggregateFunction(
    const AggregateCall& call, const runtime::LogicalType& argument);

// Appends field `field` of each row, NULLs and copies of strings included: what local aggregates
// emit.
void AppendField(const runtime::RowLayout& layout, int field, const uint8_t* const* rows,
                 int32_t count, runtime::VectorBuilder* out);

}  // namespace millrace::operators
