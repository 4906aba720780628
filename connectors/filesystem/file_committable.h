#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/types/status.h"

namespace millrace::connectors {

// What one writer has prepared for one checkpoint.
struct FileCommittable {
  std::vector<std::string> files;                // FileSystem's tokens
  std::vector<std::string> finished_partitions;  // folders to mark

  std::string Encode() const;
  static runtime::Result<FileCommittable> Decode(std::string_view bytes);
};

// What a writer must remember over a restart: partitions that are not marked yet, with the time when
// they were first written to. (Files need no state: every checkpoint closes them.)
struct PendingPartitions {
  std::vector<std::pair<std::string, int64_t>> partitions;

  std::string Encode() const;
  static runtime::Result<PendingPartitions> Decode(std::string_view bytes);
};

}  // namespace millrace::connectors
