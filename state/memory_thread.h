#pragma once

#include <cstddef>

namespace millrace::state {

// Has a background thread touch memory that will soon be used: the first touch of a page costs more
// than the work on it, and of a huge page up to milliseconds. Never blocks; a request may be dropped
// if many wait. The memory may be unmapped meanwhile. Thread-safe.
void PrefaultSoon(char* data, size_t bytes);

// Has the same thread unmap memory that nobody uses any more: giving back some megabytes of small pages
// takes hundreds of microseconds. Done at once if many requests wait. Thread-safe.
void UnmapSoon(void* data, size_t bytes);

}  // namespace millrace::state
