#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/api/file_system.h"
#include "runtime/api/option_table.h"
#include "runtime/api/registry.h"

namespace millrace::connectors {

// Finds the file system of a URI: runtime::FileSystemOf, or a test's.
using FileSystemLookup =
    std::function<runtime::Result<runtime::FileSystem*>(std::string_view uri)>;

// Options of a filesystem table, read, with what both sides need of the table.
struct FileTable {
  std::string path;  // without a slash at the end; local ones absolute and without scheme
  std::string format;
  std::string default_partition;
  std::vector<std::string> partition_keys;

  int64_t monitor_interval_ms = 0;  // 0: bounded
  std::string path_pattern;         // empty: every file

  uint64_t rolling_bytes = 0;
  int64_t rollover_interval_ms = 0;
  int64_t inactivity_interval_ms = 0;
  int64_t check_interval_ms = 0;
  bool success_file = false;  // marks finished partitions
  std::string success_file_name;
  int64_t partition_commit_delay_ms = 0;

  static runtime::OptionTable Options();
  static runtime::Result<FileTable> From(const runtime::TableSpec& table);

  bool IsPartitionKey(const std::string& column) const;
};

}  // namespace millrace::connectors
