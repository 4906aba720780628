#include "connectors/filesystem/file_committable.h"

#include <cstdint>
#include <cstring>

namespace millrace::connectors {
namespace {

using runtime::Result;
using runtime::Status;

// Each begins with four letters and a version; numbers are little-endian, texts have their length
// before them.
constexpr std::string_view kCommittable = "MRFC\1";
constexpr std::string_view kPending = "MRFP\1";

void PutNumber(uint64_t value, std::string* to) {
  for (int i = 0; i < 8; ++i) to->push_back(static_cast<char>(value >> (8 * i)));
}

void PutText(const std::string& text, std::string* to) {
  PutNumber(text.size(), to);
  to->append(text);
}

class BytesReader {
 public:
  explicit BytesReader(std::string_view bytes) : left_(bytes) {}
  bool Number(uint64_t* value) {
    if (left_.size() < 8) return false;
    *value = 0;
    for (int i = 0; i < 8; ++i) {
      *value |= uint64_t{static_cast<unsigned char>(left_[static_cast<size_t>(i)])} << (8 * i);
    }
    left_.remove_prefix(8);
    return true;
  }
  bool Text(std::string* text) {
    uint64_t size = 0;
    if (!Number(&size) || size > left_.size()) return false;
    *text = left_.substr(0, size);
    left_.remove_prefix(size);
    return true;
  }
  bool Texts(std::vector<std::string>* texts) {
    uint64_t count = 0;
    if (!Number(&count) || count > left_.size()) return false;
    texts->resize(count);
    for (std::string& text : *texts) {
      if (!Text(&text)) return false;
    }
    return true;
  }
  bool done() const { return left_.empty(); }

 private:
  std::string_view left_;
};

Status Unreadable(const char* what) {
  return Status::Internal(std::string(what) +
                          " of a filesystem sink is damaged, or of a newer version");
}

}  // namespace

std::string FileCommittable::Encode() const {
  std::string bytes(kCommittable);
  for (const std::vector<std::string>* texts : {&files, &finished_partitions}) {
    PutNumber(texts->size(), &bytes);
    for (const std::string& text : *texts) PutText(text, &bytes);
  }
  return bytes;
}

Result<FileCommittable> FileCommittable::Decode(std::string_view bytes) {
  FileCommittable committable;
  if (!bytes.starts_with(kCommittable)) return Unreadable("a committable");
  BytesReader reader(bytes.substr(kCommittable.size()));
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
  BytesReader reader(bytes.substr(kPending.size()));
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
