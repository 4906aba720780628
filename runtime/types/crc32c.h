#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::runtime {

// Computes CRC-32C (Castagnoli; RFC 3720, appendix B.4) of bytes, by the processor's instruction
// where there is one, going on from `crc` (0 at first, or another CRC as the seed).
uint32_t Crc32c(const void* data, size_t bytes, uint32_t crc = 0);

}  // namespace millrace::runtime
