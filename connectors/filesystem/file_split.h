#pragma once

#include <cstdint>
#include <string>

#include "runtime/api/source.h"

namespace millrace::connectors {

// A file that one reader reads; its path is the split's id.
struct FileSplit {
  std::string path;
  uint64_t offset = 0;  // behind the last record given
  uint64_t length = 0;  // when it was found: what is appended later is not read
  int64_t modified_ms = 0;

  runtime::Split Encode() const;
  static runtime::Result<FileSplit> Decode(const runtime::Split& split);
};

}  // namespace millrace::connectors
