#include "connectors/filesystem/file_committer.h"

#include <cerrno>

#include "connectors/filesystem/file_committable.h"
#include "connectors/filesystem/file_sink.h"

namespace millrace::connectors {

using runtime::FileInfo;
using runtime::FileSystem;
using runtime::Result;
using runtime::Status;

Status FileCommitter::Commit(std::span<const runtime::Committable> committables) {
  ASSIGN_OR_RETURN(FileSystem * files, file_systems_(table_.path));
  std::vector<FileCommittable> decoded;
  for (const runtime::Committable& committable : committables) {
    ASSIGN_OR_RETURN(FileCommittable one, FileCommittable::Decode(committable.bytes));
    for (const std::string& token : one.files) RETURN_IF_ERROR(CommitFile(*files, token));
    decoded.push_back(std::move(one));
  }
  // Files first: a mark says that they are there.
  for (const FileCommittable& one : decoded) {
    for (const std::string& folder : one.finished_partitions) {
      RETURN_IF_ERROR(files->WriteAtomically(folder + "/" + table_.success_file_name, ""));
    }
  }
  return Status::Ok();
}

Status FileCommitter::CommitFile(FileSystem& files, const std::string& token) {
  Status status = files.Commit(token);
  if (status.ok() || status.error_number() != ENOENT) return status;
  ASSIGN_OR_RETURN(const bool table_exists, files.Exists(table_.path));
  return table_exists ? Status::Ok() : status;
}

Status FileCommitter::AbortAfter(const runtime::RunIdentity& run, std::span<const std::string>) {
  ASSIGN_OR_RETURN(FileSystem * files, file_systems_(table_.path));
  const std::string hidden_prefix = "." + PartPrefixOfSink(run.job_id, sink_uid_);
  return RemoveHidden(*files, table_.path, hidden_prefix, table_.partition_keys.size());
}

Status FileCommitter::RemoveHidden(FileSystem& files, const std::string& folder,
                                   const std::string& hidden_prefix, size_t depth) {
  ASSIGN_OR_RETURN(const std::vector<FileInfo> found, files.List(folder));
  for (const FileInfo& file : found) {
    const std::string_view name = std::string_view(file.path).substr(file.path.rfind('/') + 1);
    if (file.is_directory) {
      if (depth == 0 || name.starts_with('.')) continue;
      RETURN_IF_ERROR(RemoveHidden(files, file.path, hidden_prefix, depth - 1));
    } else if (name.starts_with(hidden_prefix)) {
      RETURN_IF_ERROR(files.Remove(file.path));
    }
  }
  return Status::Ok();
}

}  // namespace millrace::connectors
