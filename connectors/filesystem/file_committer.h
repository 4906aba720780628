#pragma once

#include <string>

#include "connectors/filesystem/file_system_options.h"
#include "runtime/api/sink.h"

namespace millrace::connectors {

// Renames prepared files, marks finished partitions, and removes what earlier runs left. Thread-safe.
class FileCommitter final : public runtime::SinkCommitter {
 public:
  FileCommitter(FileTable table, std::string sink_uid, FileSystemLookup file_systems)
      : table_(std::move(table)),
        sink_uid_(std::move(sink_uid)),
        file_systems_(std::move(file_systems)) {}

  // A file that is neither hidden nor there was committed before and taken away since, unless the
  // table's folder is gone too.
  runtime::Status Commit(std::span<const runtime::Committable> committables) override;
  runtime::Status AbortAfter(const runtime::RunIdentity& run,
                             std::span<const std::string> writer_states) override;

 private:
  runtime::Status CommitFile(runtime::FileSystem& files, const std::string& token);
  runtime::Status RemoveHidden(runtime::FileSystem& files, const std::string& folder,
                               const std::string& hidden_prefix, size_t depth);

  const FileTable table_;
  const std::string sink_uid_;
  const FileSystemLookup file_systems_;
};

}  // namespace millrace::connectors
