#pragma once

#include <memory>
#include <span>
#include <vector>

#include "runtime/api/state.h"
#include "runtime/types/row_layout.h"
#include "runtime/types/vector.h"

namespace millrace::operators {

// Maps keys, each with a number beside it (a slice), to rows of fixed slots in the operator's own
// memory: bundles and partial aggregates, which are given away before a barrier and so are no state.
// Rows keep their place and are numbered 0, 1, ... in order of arrival until Clear. Keys are equal if
// their bits are, NULL equals NULL. Not thread-safe.
class GroupTable {
 public:
  GroupTable(std::vector<runtime::LogicalType> key_types, const runtime::RowType& value);
  ~GroupTable();
  GroupTable(GroupTable&&) noexcept;

  // Layout of the rows that pointers point to.
  const runtime::RowLayout& layout() const { return value_layout_; }
  runtime::StateArena& arena();

  // Finds or makes the row of each key: numbers into ids[0 .. count - 1]. `rows` are physical rows,
  // null: 0 .. count - 1; numbers beside the keys by position, null: all 0. New rows are all zero
  // and have numbers from size() before the call on.
  void FindOrAdd(std::span<const runtime::Vector* const> columns, const int32_t* rows,
                 int32_t count, const int64_t* beside, int32_t* ids);

  int32_t size() const { return static_cast<int32_t>(hashes_.size()); }
  uint8_t* row(int32_t id) const {
    return pages_[static_cast<size_t>(id >> kPageBits)].get() +
           static_cast<size_t>(id & kPageMask) * stride_;
  }
  int64_t beside(int32_t id) const { return beside_[static_cast<size_t>(id)]; }
  // Appends the keys of rows to one builder a column.
  void AppendKeys(std::span<const int32_t> ids,
                  std::span<runtime::VectorBuilder* const> columns) const;
  // Forgets all rows and keeps the memory.
  void Clear();

 private:
  static constexpr int kPageBits = 10;
  static constexpr int32_t kPageMask = (1 << kPageBits) - 1;
  class Arena;

  void Hash(std::span<const runtime::Vector* const> columns, const int32_t* rows, int32_t count,
            const int64_t* beside);
  // Clears same_[i] where row candidate_[i] has another key than input row i.
  void CompareColumn(size_t column, const runtime::Vector& vector, const int32_t* rows,
                     int32_t count);
  bool SameKey(std::span<const runtime::Vector* const> columns, int32_t physical, int32_t id) const;
  int32_t Add(std::span<const runtime::Vector* const> columns, int32_t physical, uint64_t hash,
              int64_t beside);
  void Grow();

  std::vector<runtime::LogicalType> key_types_;
  runtime::RowLayout value_layout_;
  runtime::RowLayout key_layout_;
  size_t key_at_ = 0;   // offset of the key behind the value
  size_t stride_ = 0;
  std::vector<std::unique_ptr<uint8_t[]>> pages_;
  std::unique_ptr<Arena> arena_;
  std::vector<uint64_t> hashes_;   // by row number
  std::vector<int64_t> beside_;
  std::vector<uint64_t> index_;    // hash's upper half and row number + 1; 0: empty
  uint64_t mask_ = 0;
  // Scratch of FindOrAdd.
  std::vector<uint64_t> wanted_;
  std::vector<int32_t> candidate_;
  std::vector<uint8_t> same_;
};

}  // namespace millrace::operators
