#include "state/evicted_filter.h"

#include <algorithm>

namespace millrace::state {
namespace {

constexpr int kProbes = 6;
constexpr uint64_t kFirstBlocks = 64;
constexpr uint64_t kKeysABlock = 512 / 10;

}  // namespace

uint64_t EvictedFilter::BlockOf(uint64_t hash, uint64_t blocks) {
  return static_cast<uint64_t>((static_cast<unsigned __int128>(hash) * blocks) >> 64);
}

void EvictedFilter::Add(uint64_t hash) {
  hash *=
      0x9e3779b97f4a7c15ull;  // its upper half is also the tag, by which keys were placed before
  if (layers_.empty() || layers_.back().left == 0) {
    const uint64_t blocks = layers_.empty() ? kFirstBlocks : layers_.back().blocks.size() * 2;
    layers_.push_back({std::vector<Block>(blocks), blocks * kKeysABlock});
    used_bytes_ += static_cast<int64_t>(blocks * sizeof(Block));
  }
  Layer& layer = layers_.back();
  --layer.left;
  Block& block = layer.blocks[BlockOf(hash, layer.blocks.size())];
  uint64_t bits = hash * 0xbf58476d1ce4e5b9ull;
  for (int i = 0; i < kProbes; ++i, bits >>= 9) {
    block.words[(bits >> 5) & 15] |= 1u << (bits & 31);
  }
}

bool EvictedFilter::MayContain(uint64_t hash) const {
  hash *= 0x9e3779b97f4a7c15ull;
  uint64_t bits = hash * 0xbf58476d1ce4e5b9ull;
  for (const Layer& layer : layers_) {
    const Block& block = layer.blocks[BlockOf(hash, layer.blocks.size())];
    uint64_t left = bits;
    int i = 0;
    while (i < kProbes && (block.words[(left >> 5) & 15] >> (left & 31) & 1) != 0) {
      ++i;
      left >>= 9;
    }
    if (i == kProbes) return true;
  }
  return false;
}

void EvictedFilter::Clear() {
  layers_.clear();
  used_bytes_ = 0;
}

}  // namespace millrace::state
