#include "state/state_file.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "runtime/types/check.h"
#include "state/byte_stream.h"
#include "state/checksum.h"
#include "state/state_identity.h"

namespace millrace::state {

using runtime::Result;
using runtime::Retry;
using runtime::Status;

namespace {

constexpr uint64_t kFileMagic = 0x0a4554415453524dull;    // "MRSTATE\n"
constexpr uint64_t kFooterMagic = 0x0a444e454554534dull;  // "MSTEEND\n"
constexpr uint32_t kBlockMagic = 0x4b4c424du;             // "MBLK"
constexpr uint8_t kIndexKind = 255;
constexpr uint32_t kBlockBytes = 64 * 1024;
constexpr uint32_t kMostBlockBytes = 1u << 30;

struct FileHeader {
  uint64_t magic = kFileMagic;
  uint32_t version = kStateFileVersion;
  uint32_t type = 0;
  uint64_t reserved = 0;
  uint32_t reserved2 = 0;
  uint32_t crc = 0;  // of what stands before it
};
static_assert(sizeof(FileHeader) == 32);

struct BlockHeader {
  uint32_t magic = kBlockMagic;
  uint32_t crc = 0;  // of what follows it, the payload included
  uint32_t bytes = 0;
  uint32_t records = 0;
  uint32_t state = 0;
  uint16_t key_group = 0;
  uint8_t kind = 0;
  uint8_t reserved = 0;
  uint64_t offset = 0;  // its own: a block that was moved or belongs to another file is noticed
};
static_assert(sizeof(BlockHeader) == 32);

struct Footer {
  uint64_t index_offset = 0;
  uint32_t index_bytes = 0;  // of the payload
  uint32_t version = kStateFileVersion;
  uint64_t magic = kFooterMagic;
  uint32_t reserved = 0;
  uint32_t crc = 0;  // of what stands before it
};
static_assert(sizeof(Footer) == 32);

template <typename T>
std::string_view BytesOf(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

uint64_t PositionOf(const TableDelta::Run& run, const char* at, const TablePart& table) {
  return static_cast<uint64_t>(run.buffer) << 32 |
         (run.offset + static_cast<uint64_t>(at - table.rows.BytesOf(run)));
}

bool IsRow(BlockKind kind) { return kind == BlockKind::kRows || kind == BlockKind::kNullRows; }

// Knows which rows of a delta were erased after they had been appended. In a file the rows of a key
// group stand behind its tombstones, so these rows must not be written.
class LateErases {
 public:
  explicit LateErases(const TablePart& table) : table_(table) {
    if (!table.rows.has_late_erases()) return;
    for (const TableDelta::Run& run : table.rows.runs()) {
      if (IsRow(run.kind)) continue;
      const char* at = table.rows.BytesOf(run);
      const char* end = at + run.bytes;
      for (uint32_t i = 0; i < run.records; ++i) {
        const uint64_t position = PositionOf(run, at, table);
        if (run.kind == BlockKind::kDropSlices) {
          int64_t slice;
          std::memcpy(&slice, at, 8);
          slices_[slice] = position;
        } else {
          NameOf(run.kind, at);
          keys_[name_] = position;
        }
        at += table.shape->RecordBytes(run.kind, at, static_cast<uint64_t>(end - at));
      }
    }
  }
  bool any() const { return !keys_.empty() || !slices_.empty(); }
  bool IsErased(const TableDelta::Run& run, const char* at) {
    const uint64_t position = PositionOf(run, at, table_);
    if (!slices_.empty()) {
      int64_t slice;
      std::memcpy(&slice, at, 8);
      const auto found = slices_.find(slice);
      if (found != slices_.end() && found->second > position) return true;
    }
    NameOf(run.kind, at);
    const auto found = keys_.find(name_);
    return found != keys_.end() && found->second > position;
  }

 private:
  void NameOf(BlockKind kind, const char* at) {
    table_.shape->KeyOfRecord(IsRow(kind), at, &name_);
    name_.push_back(kind == BlockKind::kNullRows || kind == BlockKind::kEraseNull ? 1 : 0);
  }

  const TablePart& table_;
  std::unordered_map<std::string, uint64_t> keys_;
  std::unordered_map<int64_t, uint64_t> slices_;
  std::string name_;
};

template <typename T>
uint32_t CrcBefore(const T& value) {
  return Crc32c(reinterpret_cast<const char*>(&value), sizeof(T) - 4);
}

}  // namespace

Result<std::unique_ptr<StateFileWriter>> StateFileWriter::Create(runtime::FileSystem& files,
                                                                 const std::string& path,
                                                                 StateFileType type) {
  ASSIGN_OR_RETURN(auto file, files.Create(path));
  std::unique_ptr<StateFileWriter> writer(new StateFileWriter(std::move(file)));
  FileHeader header;
  header.type = static_cast<uint32_t>(type);
  header.crc = CrcBefore(header);
  RETURN_IF_ERROR(writer->file_->Append(BytesOf(header)));
  writer->offset_ = sizeof(header);
  return writer;
}

uint32_t StateFileWriter::AddState(const StateIdentity& identity) {
  for (size_t i = 0; i < states_.size(); ++i) {
    if (states_[i].operator_uid == identity.operator_uid &&
        states_[i].spec.name == identity.spec.name) {
      return static_cast<uint32_t>(i);
    }
  }
  states_.push_back(identity);
  return static_cast<uint32_t>(states_.size() - 1);
}

Status StateFileWriter::AddBlock(uint32_t state, uint16_t key_group, BlockKind kind,
                                 uint32_t records, std::string_view payload) {
  BlockHeader header;
  header.bytes = static_cast<uint32_t>(payload.size());
  header.records = records;
  header.state = state;
  header.key_group = key_group;
  header.kind = static_cast<uint8_t>(kind);
  header.offset = offset_;
  header.crc = Crc32c(reinterpret_cast<const char*>(&header) + 8, sizeof(header) - 8);
  header.crc = Crc32c(payload.data(), payload.size(), header.crc);
  RETURN_IF_ERROR(file_->Append(BytesOf(header)));
  RETURN_IF_ERROR(file_->Append(payload));
  if (header.kind != kIndexKind) {
    entries_.push_back({state, key_group, kind, offset_, header.bytes, records});
  }
  offset_ += sizeof(header) + payload.size();
  return Status::Ok();
}

Status StateFileWriter::AddPieces(uint32_t state, uint16_t key_group, BlockKind kind,
                                  const std::vector<Piece>& pieces) {
  block_.clear();
  uint32_t records = 0;
  const auto flush = [&]() -> Status {
    if (records == 0) return Status::Ok();
    RETURN_IF_ERROR(AddBlock(state, key_group, kind, records, block_));
    block_.clear();
    records = 0;
    return Status::Ok();
  };
  for (const Piece& piece : pieces) {
    if (block_.size() + piece.size > kBlockBytes) RETURN_IF_ERROR(flush());
    block_.append(piece.bytes, piece.size);
    records += piece.records;
  }
  return flush();
}

Status StateFileWriter::AddTable(runtime::KeyGroupRange key_groups, const TablePart& table) {
  if (table.rows.empty()) return Status::Ok();
  const uint32_t state = AddState(*table.identity);
  const auto groups = static_cast<size_t>(key_groups.last - key_groups.first + 1);
  std::vector<std::vector<Piece>> by_group(groups + 1);  // the last: no key group (drops)
  LateErases late(table);
  for (const BlockKind kind : {BlockKind::kDropSlices, BlockKind::kErase, BlockKind::kEraseNull,
                               BlockKind::kRows, BlockKind::kNullRows}) {
    bool any = false;
    for (const TableDelta::Run& run : table.rows.runs()) {
      if (run.kind != kind) continue;
      any = true;
      const char* at = table.rows.BytesOf(run);
      const bool selects = late.any() && IsRow(kind);
      if (!run.mixed && !selects) {
        const size_t slot = run.key_group == UINT16_MAX
                                ? groups
                                : static_cast<size_t>(run.key_group - key_groups.first);
        by_group[slot].push_back({at, run.bytes, run.records});
        continue;
      }
      const char* end = at + run.bytes;
      for (uint32_t i = 0; i < run.records; ++i) {
        const uint16_t group =
            run.mixed ? table.rows.key_groups()[run.groups_at + i] : run.key_group;
        const uint32_t size =
            table.shape->RecordBytes(kind, at, static_cast<uint64_t>(end - at));
        CHECK_THAT_HOLDS(size > 0);
        if (selects && late.IsErased(run, at)) {
          at += size;
          continue;
        }
        by_group[static_cast<size_t>(group - key_groups.first)].push_back({at, size, 1});
        at += size;
      }
    }
    if (!any) continue;
    for (size_t slot = 0; slot <= groups; ++slot) {
      const auto group = slot == groups
                             ? UINT16_MAX
                             : static_cast<uint16_t>(slot + static_cast<size_t>(key_groups.first));
      RETURN_IF_ERROR(AddPieces(state, group, kind, by_group[slot]));
      by_group[slot].clear();
    }
  }
  return Status::Ok();
}

Status StateFileWriter::AddBlocksOf(const StateFileReader& other) {
  std::vector<uint32_t> states;
  for (const auto& identity : other.states()) states.push_back(AddState(*identity));
  std::string payload;
  for (size_t i = 0; i < other.entries().size(); ++i) {
    const BlockEntry& entry = other.entries()[i];
    RETURN_IF_ERROR(other.ReadBlock(i, &payload));
    RETURN_IF_ERROR(
        AddBlock(states[entry.state], entry.key_group, entry.kind, entry.records, payload));
  }
  return Status::Ok();
}

Status StateFileWriter::Finish() {
  RETURN_IF_ERROR(WriteIndex());
  RETURN_IF_ERROR(file_->Sync());
  return file_->Close();
}

Status StateFileWriter::FinishUnsynced() {
  RETURN_IF_ERROR(WriteIndex());
  return file_->Close();
}

Status StateFileWriter::WriteIndex() {
  ByteWriter index;
  index.Put(static_cast<uint32_t>(states_.size()));
  for (const StateIdentity& identity : states_) PutIdentity(identity, &index);
  index.Put(static_cast<uint64_t>(entries_.size()));
  for (const BlockEntry& entry : entries_) {
    index.Put(entry.state);
    index.Put(entry.key_group);
    index.Put(static_cast<uint8_t>(entry.kind));
    index.Put(uint8_t{0});
    index.Put(entry.offset);
    index.Put(entry.bytes);
    index.Put(entry.records);
  }
  Footer footer;
  footer.index_offset = offset_;
  footer.index_bytes = static_cast<uint32_t>(index.bytes().size());
  footer.crc = CrcBefore(footer);
  RETURN_IF_ERROR(AddBlock(0, 0, static_cast<BlockKind>(kIndexKind), 0, index.bytes()));
  RETURN_IF_ERROR(file_->Append(BytesOf(footer)));
  offset_ += sizeof(footer);
  return Status::Ok();
}

Status StateFileReader::Damaged(const std::string& what, uint64_t offset) const {
  return Status::External("state file is damaged: " + what + ", file " + path_ + ", offset " +
                              std::to_string(offset) +
                              "; restore from another checkpoint or savepoint",
                          Retry::kNo);
}

Result<std::unique_ptr<StateFileReader>> StateFileReader::Open(runtime::FileSystem& files,
                                                               const std::string& path) {
  ASSIGN_OR_RETURN(auto file, files.OpenForRead(path));
  std::unique_ptr<StateFileReader> reader(new StateFileReader());
  reader->path_ = path;
  reader->file_ = std::move(file);
  const uint64_t size = reader->file_->size_bytes();
  FileHeader header;
  Footer footer;
  if (size < sizeof(header) + sizeof(footer)) {
    return reader->Damaged("it is cut short (" + std::to_string(size) + " bytes)", 0);
  }
  ASSIGN_OR_RETURN(size_t got, reader->file_->ReadAt(0, sizeof(header),
                                                     reinterpret_cast<char*>(&header)));
  if (got != sizeof(header)) return reader->Damaged("header is cut short", 0);
  if (header.magic != kFileMagic) return reader->Damaged("not a Millrace state file", 0);
  if (header.crc != CrcBefore(header)) return reader->Damaged("checksum of the header differs", 0);
  if (header.version != kStateFileVersion) {
    return Status::User("state file has a format version that this Millrace does not read: version " +
                        std::to_string(header.version) + ", known: 1, file " + path);
  }
  reader->type_ = static_cast<StateFileType>(header.type);
  const uint64_t footer_at = size - sizeof(footer);
  ASSIGN_OR_RETURN(got, reader->file_->ReadAt(footer_at, sizeof(footer),
                                              reinterpret_cast<char*>(&footer)));
  if (got != sizeof(footer) || footer.magic != kFooterMagic) {
    return reader->Damaged("it does not end with a footer (cut short?)", footer_at);
  }
  if (footer.crc != CrcBefore(footer)) {
    return reader->Damaged("checksum of the footer differs", footer_at);
  }
  RETURN_IF_ERROR(reader->ReadIndex(footer.index_offset, footer.index_bytes));
  return reader;
}

Status StateFileReader::ReadIndex(uint64_t offset, uint32_t bytes) {
  entries_.push_back({0, 0, static_cast<BlockKind>(kIndexKind), offset, bytes, 0});
  std::string payload;
  RETURN_IF_ERROR(ReadBlock(0, &payload));
  entries_.clear();
  ByteReader from(payload);
  for (auto left = from.Get<uint32_t>(); left > 0 && from.ok(); --left) {
    auto identity = GetIdentity(&from);
    if (!identity.ok()) return Damaged("index: " + identity.status().message(), offset);
    states_.push_back(std::make_shared<const StateIdentity>(std::move(identity).value()));
  }
  const auto count = from.Get<uint64_t>();
  if (!from.ok() || count > from.left_bytes() / 24) return Damaged("index is cut short", offset);
  entries_.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    BlockEntry entry;
    entry.state = from.Get<uint32_t>();
    entry.key_group = from.Get<uint16_t>();
    entry.kind = static_cast<BlockKind>(from.Get<uint8_t>());
    from.Get<uint8_t>();
    entry.offset = from.Get<uint64_t>();
    entry.bytes = from.Get<uint32_t>();
    entry.records = from.Get<uint32_t>();
    if (entry.state >= states_.size()) return Damaged("index names an unknown state", offset);
    entries_.push_back(entry);
  }
  return Status::Ok();
}

Status StateFileReader::ReadBlock(size_t index, std::string* payload) const {
  const BlockEntry& entry = entries_[index];
  const std::string which = static_cast<uint8_t>(entry.kind) == kIndexKind
                                ? "index block"
                                : "block " + std::to_string(index);
  if (entry.bytes > kMostBlockBytes || entry.offset > file_->size_bytes()) {
    return Damaged(which + " lies outside the file", entry.offset);
  }
  BlockHeader header;
  payload->resize(sizeof(header) + entry.bytes);
  ASSIGN_OR_RETURN(const size_t got,
                   file_->ReadAt(entry.offset, payload->size(), payload->data()));
  if (got != payload->size()) return Damaged(which + " is cut short", entry.offset);
  std::memcpy(&header, payload->data(), sizeof(header));
  const uint32_t crc = Crc32c(payload->data() + 8, payload->size() - 8);
  if (header.magic != kBlockMagic || header.crc != crc) {
    return Damaged("checksum of " + which + " differs", entry.offset);
  }
  if (header.offset != entry.offset || header.bytes != entry.bytes ||
      header.state != entry.state || header.key_group != entry.key_group ||
      header.kind != static_cast<uint8_t>(entry.kind)) {
    return Damaged(which + " is not the one that the index names", entry.offset);
  }
  payload->erase(0, sizeof(header));
  return Status::Ok();
}

}  // namespace millrace::state
