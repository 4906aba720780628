#include "connectors/filesystem/file_committable.h"

#include "connectors/filesystem/length_prefixed.h"

namespace millrace::connectors {
namespace {

using runtime::Result;
using runtime::Status;

// Each begins with four letters and a version.
constexpr std::string_view kCommittable = "MRFC\1";
constexpr std::string_view kPending = "MRFP\1";

Status Unreadable(const char* what) {
  return Status::Internal(std::string(what) +
                          " of a filesystem sink is damaged, or of a newer version");
}

}  // namespace

std::string FileCommittable::Encode() const {
  std::string bytes(kCommittable);
  PutTexts(files, &bytes);
  PutTexts(finished_partitions, &bytes);
  return bytes;
}

Result<FileCommittable> FileCommittable::Decode(std::string_view bytes) {
  FileCommittable committable;
  if (!bytes.starts_with(kCommittable)) return Unreadable("a committable");
  LengthPrefixedReader reader(bytes.substr(kCommittable.size()));
  if (!reader.Texts(&committable.files) || !reader.Texts(&committable.finished_partitions) ||
      !reader.done()) {
    return Unreadable("a committable");
  }
  return committable;
}

std::string PendingPartitions::Encode() const {
  std::string bytes(kPending);
  PutNumber(partitions.size(), &bytes);
  for (const auto& [folder, created_ms] : partitions) {
    PutText(folder, &bytes);
    PutNumber(static_cast<uint64_t>(created_ms), &bytes);
  }
  return bytes;
}

Result<PendingPartitions> PendingPartitions::Decode(std::string_view bytes) {
  PendingPartitions pending;
  if (!bytes.starts_with(kPending)) return Unreadable("the state");
  LengthPrefixedReader reader(bytes.substr(kPending.size()));
  uint64_t count = 0;
  if (!reader.Number(&count)) return Unreadable("the state");
  for (uint64_t i = 0; i < count; ++i) {
    std::string folder;
    uint64_t created_ms = 0;
    if (!reader.Text(&folder) || !reader.Number(&created_ms)) return Unreadable("the state");
    pending.partitions.emplace_back(std::move(folder), static_cast<int64_t>(created_ms));
  }
  if (!reader.done()) return Unreadable("the state");
  return pending;
}

}  // namespace millrace::connectors
