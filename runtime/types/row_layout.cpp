#include "runtime/types/row_layout.h"

#include <algorithm>
#include <numeric>

#include "runtime/types/check.h"

namespace millrace::runtime {

RowLayout::RowLayout(const RowType& fields) {
  std::vector<int> order(fields.size());
  std::iota(order.begin(), order.end(), 0);
  slots_.resize(fields.size());
  for (size_t i = 0; i < fields.size(); ++i) {
    const PhysicalType physical = fields[i].type.physical();
    CHECK_THAT_HOLDS(physical < PhysicalType::kArray);
    slots_[i] = {fields[i].type, physical, 0};
    has_strings_ |= physical == PhysicalType::kString;
  }
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return WidthOf(slots_[a].physical) > WidthOf(slots_[b].physical);
  });
  auto offset = static_cast<uint32_t>((fields.size() + 7) / 8);
  for (int index : order) {
    const auto width = static_cast<uint32_t>(WidthOf(slots_[index].physical));
    const uint32_t alignment = std::min(width, 8u);
    offset = (offset + alignment - 1) / alignment * alignment;
    slots_[index].offset = offset;
    offset += width;
  }
  size_bytes_ = (offset + 7) / 8 * 8;
}

}  // namespace millrace::runtime
