#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "connectors/log/segment_file.h"

namespace millrace::connectors {

// Keeps the newest units in memory, so that readers at the tail never touch the disk. Not
// thread-safe: the store guards it.
class UnitCache {
 public:
  explicit UnitCache(size_t bytes_max) : bytes_max_(bytes_max) {}

  // Units are added in the order in which they stand in the log. `unit` points into `buffer`.
  void Add(uint64_t generation, uint64_t offset, const char* unit, size_t length,
           std::shared_ptr<PageBuffer> buffer);
  // Where the byte at `offset` of a segment stands in memory, and what holds it; nullptr if it
  // isn't there.
  const char* Find(uint64_t generation, uint64_t offset, std::shared_ptr<PageBuffer>* held) const;

 private:
  struct Unit {
    uint64_t generation;
    uint64_t offset;
    size_t length;
    const char* bytes;
    std::shared_ptr<PageBuffer> buffer;
  };
  const size_t bytes_max_;
  size_t bytes_ = 0;
  std::deque<Unit> units_;  // by generation and offset
};

}  // namespace millrace::connectors
