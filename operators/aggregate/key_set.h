#pragma once

#include <memory>
#include <span>
#include <vector>

#include "operators/aggregate/value_column.h"

namespace millrace::operators {

// Numbers keys 0, 1, ... in order of arrival; each key has a number beside it (a slice) that counts
// as part of it. Keys are equal if their bits are, NULL equals NULL. In the operator's own memory,
// column by column, with an index of hash tags and numbers. Not thread-safe.
class KeySet {
 public:
  explicit KeySet(const std::vector<runtime::LogicalType>& types);

  // Finds or adds each key: numbers into ids[0 .. count - 1]; new ones follow size() before the
  // call. `rows` are physical rows, null: 0 .. count - 1; numbers beside the keys by position,
  // null: 0.
  void FindOrAdd(std::span<const runtime::Vector* const> columns, const int32_t* rows,
                 int32_t count, const int64_t* beside, int32_t* ids);
  int32_t size() const { return static_cast<int32_t>(hashes_.size()); }
  int64_t beside(int32_t id) const { return beside_[static_cast<size_t>(id)]; }
  // Appends keys to one builder a column.
  void AppendKeys(std::span<const int32_t> ids,
                  std::span<runtime::VectorBuilder* const> columns) const;
  // Forgets all keys and keeps the memory.
  void Clear();

 private:
  void Hash(std::span<const runtime::Vector* const> columns, const int32_t* rows, int32_t count,
            const int64_t* beside);
  bool IsSame(std::span<const runtime::Vector* const> columns, int32_t physical, int64_t beside,
              int32_t id) const;
  void Grow();

  std::unique_ptr<OperatorArena> arena_;
  std::vector<ValueColumn> columns_;
  std::vector<uint64_t> hashes_;  // by number
  std::vector<int64_t> beside_;
  std::vector<uint64_t> index_;  // upper half of the hash, and number + 1; 0: empty
  uint64_t mask_ = 0;
  // Scratch of FindOrAdd.
  std::vector<uint64_t> wanted_;
  std::vector<uint8_t> same_;
  std::vector<int32_t> new_rows_;
  std::vector<int32_t> new_ids_;
};

}  // namespace millrace::operators
