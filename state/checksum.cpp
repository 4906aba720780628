#include "state/checksum.h"

#include <array>
#include <cstring>

#if defined(__SSE4_2__)
#include <nmmintrin.h>
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

namespace millrace::state {
namespace {

#if defined(__SSE4_2__)
inline uint32_t Step8(uint32_t crc, uint64_t word) {
  return static_cast<uint32_t>(_mm_crc32_u64(crc, word));
}
inline uint32_t Step1(uint32_t crc, uint8_t byte) { return _mm_crc32_u8(crc, byte); }
#elif defined(__ARM_FEATURE_CRC32)
inline uint32_t Step8(uint32_t crc, uint64_t word) { return __crc32cd(crc, word); }
inline uint32_t Step1(uint32_t crc, uint8_t byte) { return __crc32cb(crc, byte); }
#else
constexpr std::array<uint32_t, 256> kTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
    table[i] = crc;
  }
  return table;
}();
inline uint32_t Step1(uint32_t crc, uint8_t byte) {
  return kTable[(crc ^ byte) & 0xff] ^ (crc >> 8);
}
inline uint32_t Step8(uint32_t crc, uint64_t word) {
  for (int i = 0; i < 8; ++i, word >>= 8) crc = Step1(crc, static_cast<uint8_t>(word));
  return crc;
}
#endif

}  // namespace

uint32_t Crc32c(const char* bytes, size_t size, uint32_t crc) {
  crc = ~crc;
  for (; size >= 8; size -= 8, bytes += 8) {
    uint64_t word;
    std::memcpy(&word, bytes, 8);
    crc = Step8(crc, word);
  }
  for (; size > 0; --size, ++bytes) crc = Step1(crc, static_cast<uint8_t>(*bytes));
  return ~crc;
}

}  // namespace millrace::state
