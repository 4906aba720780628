#include "connectors/filesystem/file_split.h"

#include "connectors/filesystem/length_prefixed.h"

namespace millrace::connectors {
namespace {
constexpr std::string_view kPosition = "MRFS\1";
}  // namespace

runtime::Split FileSplit::Encode() const {
  std::string position(kPosition);
  PutNumber(offset, &position);
  PutNumber(length, &position);
  PutNumber(static_cast<uint64_t>(modified_ms), &position);
  return {path, position};
}

runtime::Result<FileSplit> FileSplit::Decode(const runtime::Split& split) {
  FileSplit file;
  file.path = split.id;
  const std::string_view bytes = split.position;
  uint64_t modified_ms = 0;
  const bool known = bytes.starts_with(kPosition);
  LengthPrefixedReader reader(known ? bytes.substr(kPosition.size()) : bytes);
  if (!known || !reader.Number(&file.offset) || !reader.Number(&file.length) ||
      !reader.Number(&modified_ms) || !reader.done()) {
    return runtime::Status::Internal(
        "the position of a split of a filesystem source is damaged, or of a newer version: " +
        split.id);
  }
  file.modified_ms = static_cast<int64_t>(modified_ms);
  return file;
}

}  // namespace millrace::connectors
