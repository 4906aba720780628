#pragma once

#include <memory>
#include <span>
#include <vector>

#include "operators/aggregate/key_set.h"
#include "runtime/types/row_layout.h"

namespace millrace::operators {

// Maps keys, each with a number beside it, to rows of fixed slots in the operator's own memory:
// partial aggregates, which are given away before a barrier and so are no state. Rows keep their
// place and have the numbers of a KeySet. Not thread-safe.
class GroupTable {
 public:
  GroupTable(const std::vector<runtime::LogicalType>& key_types, const runtime::RowType& value);

  const runtime::RowLayout& layout() const { return layout_; }
  runtime::StateArena& arena() { return *arena_; }

  // As KeySet's. Rows of new keys are all zero.
  void FindOrAdd(std::span<const runtime::Vector* const> columns, const int32_t* rows,
                 int32_t count, const int64_t* beside, int32_t* ids);
  int32_t size() const { return keys_.size(); }
  uint8_t* row(int32_t id) const {
    return pages_[static_cast<size_t>(id >> kPageBits)].get() +
           static_cast<size_t>(id & kPageMask) * layout_.size_bytes();
  }
  int64_t beside(int32_t id) const { return keys_.beside(id); }
  void AppendKeys(std::span<const int32_t> ids,
                  std::span<runtime::VectorBuilder* const> columns) const {
    keys_.AppendKeys(ids, columns);
  }
  // Forgets all rows and keeps the memory.
  void Clear();

 private:
  static constexpr int kPageBits = 10;
  static constexpr int32_t kPageMask = (1 << kPageBits) - 1;

  runtime::RowLayout layout_;
  KeySet keys_;
  std::unique_ptr<OperatorArena> arena_;
  std::vector<std::unique_ptr<uint8_t[]>> pages_;
};

}  // namespace millrace::operators
