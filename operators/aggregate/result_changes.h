#pragma once

#include <cstdint>

#include "runtime/types/vector.h"

namespace millrace::operators {

// Sets changed[i] to 1 where rows 2i and 2i + 1 of a flat vector differ, as Flink's record
// equaliser sees it: two NULLs are equal, NaN differs from NaN, -0.0 equals 0.0.
void MarkChanges(const runtime::Vector& both, int32_t count, uint8_t* changed);

// The same for rows before[i] and after[i].
void MarkChanges(const runtime::Vector& results, const int32_t* before, const int32_t* after,
                 int32_t count, uint8_t* changed);

}  // namespace millrace::operators
