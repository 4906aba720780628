#pragma once

#include <optional>
#include <regex>
#include <set>
#include <string>

#include "connectors/filesystem/file_system_options.h"
#include "runtime/api/source.h"

namespace millrace::connectors {

// Finds the files of a table: recursively, without those whose name (or folder's name) begins with a
// dot or an underscore, in order of their paths. Each is found once, by its path; files are expected
// to appear whole (by a rename).
class FileEnumerator final : public runtime::SplitEnumerator {
 public:
  // kUser if the path pattern is no regular expression.
  static runtime::Result<std::unique_ptr<FileEnumerator>> Make(FileTable table,
                                                               FileSystemLookup file_systems);

  runtime::Result<std::vector<runtime::Split>> Discover() override;
  int64_t discovery_interval_ms() const override { return table_.monitor_interval_ms; }
  std::string Snapshot() const override;
  runtime::Status Restore(const std::string& snapshot) override;

 private:
  FileEnumerator(FileTable table, FileSystemLookup file_systems)
      : table_(std::move(table)), file_systems_(std::move(file_systems)) {}
  runtime::Status Find(runtime::FileSystem& files, const runtime::FileInfo& entry,
                       std::vector<runtime::FileInfo>* found) const;

  const FileTable table_;
  const FileSystemLookup file_systems_;
  std::optional<std::regex> pattern_;
  bool discovered_ = false;
  std::set<std::string> known_;  // paths that were returned
};

}  // namespace millrace::connectors
