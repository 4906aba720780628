#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::state {

// Computes CRC-32C (Castagnoli; RFC 3720), by the processor's instruction where there is one.
// `crc` continues an earlier one; 0 begins.
uint32_t Crc32c(const char* bytes, size_t size, uint32_t crc = 0);

}  // namespace millrace::state
