#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::connectors {

// Extends a CRC-32C (Castagnoli) by `length` bytes; start with 0 or with another CRC as the seed.
uint32_t Crc32c(uint32_t crc, const void* bytes, size_t length);

}  // namespace millrace::connectors
