#pragma once

#include <cstdint>
#include <vector>

#include "operators/aggregate/aggregate_function.h"
#include "runtime/types/batch.h"

namespace millrace::operators {

// Rows begin .. begin + count - 1 of a batch, by their position among its rows.
struct RowRange {
  const runtime::Batch* batch = nullptr;
  int32_t begin = 0;
  int32_t count = 0;

  int32_t PhysicalRow(int32_t i) const { return batch->PhysicalRow(begin + i); }
};

// Turns a column into dense lanes, copying only where it does not lie so already. One reader a
// call of an aggregate: what it returned lives until its next use.
class LaneReader {
 public:
  // `column` -1: no values. `filter` -1: none. NULLs of the column are not used.
  Lanes Read(const RowRange& rows, int column, int filter);
  // Values with NULLs apart: for partial columns.
  const void* ReadValues(const RowRange& rows, const runtime::Vector& column);
  const uint8_t* ReadValidity(const RowRange& rows, const runtime::Vector& column);

 private:
  std::vector<char> values_;
  std::vector<uint8_t> use_;
};

// Sets use[i] to 0 where the column is NULL, or (BOOLEAN filter) not TRUE.
void MaskNulls(const RowRange& rows, const runtime::Vector& column, uint8_t* use);
void MaskFilter(const RowRange& rows, const runtime::Vector& column, uint8_t* use);

}  // namespace millrace::operators
