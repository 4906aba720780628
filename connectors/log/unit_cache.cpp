#include "connectors/log/unit_cache.h"

#include <algorithm>
#include <utility>

namespace millrace::connectors {

void UnitCache::Add(uint64_t generation, uint64_t offset, const char* unit, size_t length,
                    std::shared_ptr<PageBuffer> buffer) {
  bytes_ += buffer->capacity();
  units_.push_back({generation, offset, length, unit, std::move(buffer)});
  while (!units_.empty() && bytes_ > bytes_max_) {
    bytes_ -= units_.front().buffer->capacity();
    units_.pop_front();
  }
}

const char* UnitCache::Find(uint64_t generation, uint64_t offset,
                            std::shared_ptr<PageBuffer>* held) const {
  auto after = std::upper_bound(units_.begin(), units_.end(), std::pair(generation, offset),
                                [](const auto& key, const Unit& unit) {
                                  return key < std::pair(unit.generation, unit.offset);
                                });
  if (after == units_.begin()) return nullptr;
  const Unit& unit = *--after;
  if (unit.generation != generation || offset >= unit.offset + unit.length) return nullptr;
  *held = unit.buffer;
  return unit.bytes + (offset - unit.offset);
}

}  // namespace millrace::connectors
