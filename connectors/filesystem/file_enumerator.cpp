#include "connectors/filesystem/file_enumerator.h"

#include <algorithm>

#include "connectors/filesystem/file_split.h"
#include "connectors/filesystem/length_prefixed.h"

namespace millrace::connectors {
namespace {

using runtime::FileInfo;
using runtime::FileSystem;
using runtime::Result;
using runtime::Split;
using runtime::Status;

constexpr std::string_view kSnapshot = "MRFN\1";

bool IsHidden(const std::string& path) {
  const std::string_view name = std::string_view(path).substr(path.rfind('/') + 1);
  return name.starts_with('.') || name.starts_with('_');
}

}  // namespace

Result<std::unique_ptr<FileEnumerator>> FileEnumerator::Make(FileTable table,
                                                             FileSystemLookup file_systems) {
  auto made = std::unique_ptr<FileEnumerator>(
      new FileEnumerator(std::move(table), std::move(file_systems)));
  const std::string& pattern = made->table_.path_pattern;
  if (pattern.empty()) return made;
  try {
    made->pattern_.emplace(pattern);
  } catch (const std::regex_error& error) {
    return Status::User("'source.path.regex-pattern' is no regular expression (" +
                        std::string(error.what()) + "): " + pattern);
  }
  return made;
}

Result<std::vector<Split>> FileEnumerator::Discover() {
  std::vector<Split> splits;
  if (discovered_ && table_.monitor_interval_ms == 0) return splits;
  ASSIGN_OR_RETURN(FileSystem * files, file_systems_(table_.path));
  ASSIGN_OR_RETURN(const bool exists, files->Exists(table_.path));
  if (!exists) {
    if (table_.monitor_interval_ms > 0) return splits;
    return Status::User("the path of the table does not exist: " + table_.path);
  }
  // Whether the path is a folder its parent knows.
  FileInfo root{table_.path, 0, 0, true};
  const std::string parent = table_.path.substr(0, std::max<size_t>(1, table_.path.rfind('/')));
  ASSIGN_OR_RETURN(const std::vector<FileInfo> siblings, files->List(parent));
  for (const FileInfo& entry : siblings) {
    if (entry.path == table_.path) root = entry;
  }
  std::vector<FileInfo> found;
  RETURN_IF_ERROR(Find(*files, root, &found));
  std::sort(found.begin(), found.end(),
            [](const FileInfo& a, const FileInfo& b) { return a.path < b.path; });
  for (const FileInfo& file : found) {
    if (!known_.insert(file.path).second) continue;
    splits.push_back(FileSplit{file.path, 0, file.size_bytes, file.modified_ms}.Encode());
  }
  discovered_ = true;
  return splits;
}

Status FileEnumerator::Find(FileSystem& files, const FileInfo& entry,
                            std::vector<FileInfo>* found) const {
  if (!entry.is_directory) {
    if (!pattern_.has_value() || std::regex_match(entry.path, *pattern_)) found->push_back(entry);
    return Status::Ok();
  }
  ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, files.List(entry.path));
  for (const FileInfo& below : entries) {
    if (IsHidden(below.path)) continue;
    RETURN_IF_ERROR(Find(files, below, found));
  }
  return Status::Ok();
}

std::string FileEnumerator::Snapshot() const {
  std::string bytes(kSnapshot);
  PutNumber(discovered_ ? 1 : 0, &bytes);
  // A bounded source looks once: it needs no names afterwards.
  const bool names = table_.monitor_interval_ms > 0;
  PutTexts(names ? std::vector<std::string>(known_.begin(), known_.end())
                 : std::vector<std::string>(),
           &bytes);
  return bytes;
}

Status FileEnumerator::Restore(const std::string& snapshot) {
  const std::string_view bytes = snapshot;
  uint64_t discovered = 0;
  std::vector<std::string> known;
  const bool readable = bytes.starts_with(kSnapshot);
  LengthPrefixedReader reader(readable ? bytes.substr(kSnapshot.size()) : bytes);
  if (!readable || !reader.Number(&discovered) || !reader.Texts(&known) || !reader.done()) {
    return Status::Internal(
        "the state of a filesystem source is damaged, or of a newer version");
  }
  discovered_ = discovered != 0;
  known_.insert(known.begin(), known.end());
  return Status::Ok();
}

}  // namespace millrace::connectors
