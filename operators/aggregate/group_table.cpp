#include "operators/aggregate/group_table.h"

#include <cstring>

namespace millrace::operators {

GroupTable::GroupTable(const std::vector<runtime::LogicalType>& key_types,
                       const runtime::RowType& value)
    : layout_(value), keys_(key_types), arena_(std::make_unique<OperatorArena>()) {}

void GroupTable::FindOrAdd(std::span<const runtime::Vector* const> columns, const int32_t* rows,
                           int32_t count, const int64_t* beside, int32_t* ids) {
  const int32_t known = size();
  keys_.FindOrAdd(columns, rows, count, beside, ids);
  while (static_cast<int32_t>(pages_.size()) << kPageBits < size()) {
    pages_.push_back(
        std::make_unique<uint8_t[]>(static_cast<size_t>(layout_.size_bytes()) << kPageBits));
  }
  for (int32_t id = known; id < size(); ++id) std::memset(row(id), 0, layout_.size_bytes());
}

void GroupTable::Clear() {
  keys_.Clear();
  arena_->Clear();
}

}  // namespace millrace::operators
