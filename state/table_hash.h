#pragma once

#include <cstdint>
#include <cstring>

namespace millrace::state {

// Hashes of our own for hot tables and filters; independent of Flink's, by which key groups go, so
// that the keys of one key group still spread over their table.

inline uint64_t MultiplyMix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// Mixes one word (wyhash's multiply and fold).
inline uint64_t HashWord(uint64_t word) {
  return MultiplyMix(word ^ 0x2d358dccaa6c78a5ull, 0x8bb84b93962eacc9ull);
}

// Continues a hash by one more word.
inline uint64_t HashWord(uint64_t hash, uint64_t word) {
  return MultiplyMix(word ^ 0x2d358dccaa6c78a5ull, hash ^ 0x4b33a62ed433d4a3ull);
}

// Hashes bytes, eight at a time.
inline uint64_t HashBytes(const char* bytes, uint32_t size) {
  uint64_t hash = 0x9e3779b97f4a7c15ull ^ size;
  uint64_t a, b;
  if (size >= 16) {
    uint32_t at = 0;
    for (; at + 16 < size; at += 16) {
      std::memcpy(&a, bytes + at, 8);
      std::memcpy(&b, bytes + at + 8, 8);
      hash = MultiplyMix(a ^ 0x2d358dccaa6c78a5ull, b ^ hash);
    }
    std::memcpy(&a, bytes + size - 16, 8);
    std::memcpy(&b, bytes + size - 8, 8);
  } else if (size >= 8) {
    std::memcpy(&a, bytes, 8);
    std::memcpy(&b, bytes + size - 8, 8);
  } else {
    a = b = 0;
    std::memcpy(&a, bytes, size);
  }
  hash = MultiplyMix(a ^ 0x2d358dccaa6c78a5ull, b ^ hash);
  return MultiplyMix(hash ^ 0x8bb84b93962eacc9ull, 0x4b33a62ed433d4a3ull ^ size);
}

}  // namespace millrace::state
