#pragma once

#include "runtime/types/crc32c.h"

namespace millrace::state {

// The checksum of state files.
using runtime::Crc32c;

}  // namespace millrace::state
