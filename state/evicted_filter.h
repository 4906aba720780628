#pragma once

#include <cstdint>
#include <vector>

namespace millrace::state {

// Tells of most keys that were never evicted that they were not: a Bloom filter in blocks of a
// cache line (Putze, Sanders, Singler 2007), 10 bits a key, in layers that double, since keys come
// one by one and are not kept. One thread.
class EvictedFilter {
 public:
  void Add(uint64_t hash);
  bool MayContain(uint64_t hash) const;
  int64_t used_bytes() const { return used_bytes_; }
  void Clear();

 private:
  struct alignas(64) Block {
    uint32_t words[16];
  };
  struct Layer {
    std::vector<Block> blocks;
    uint64_t left;  // keys until it is full
  };
  static uint64_t BlockOf(uint64_t hash, uint64_t blocks);

  std::vector<Layer> layers_;
  int64_t used_bytes_ = 0;
};

}  // namespace millrace::state
