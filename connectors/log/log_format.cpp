#include "connectors/log/log_format.h"
#include "runtime/types/crc32c.h"

#include <cstdio>


namespace millrace::connectors {
namespace {

uint32_t Seed(uint64_t generation) { return runtime::Crc32c(&generation, sizeof(generation)); }

uint32_t CrcOf(uint64_t generation, const void* head, size_t length) {
  return runtime::Crc32c(static_cast<const char*>(head) + 8, length - 8, Seed(generation));
}

}  // namespace

void SealSegmentHead(SegmentHead* at) {
  at->magic = kSegmentMagic;
  at->crc = CrcOf(at->generation, at, sizeof(*at));
}
void SealUnitHead(UnitHead* at) {
  at->magic = kUnitMagic;
  at->crc = CrcOf(at->generation, at, sizeof(*at));
}
void SealRun(uint64_t generation, char* at) {
  RunHead head;
  std::memcpy(&head, at, sizeof(head));
  head.magic = kRunMagic;
  head.crc = CrcOf(generation, at, sizeof(head) + head.body_bytes);
  std::memcpy(at, &head, 8);
}

bool CheckSegmentHead(const SegmentHead& head) {
  return head.magic == kSegmentMagic && head.crc == CrcOf(head.generation, &head, sizeof(head));
}
bool CheckUnitHead(const UnitHead& head, uint64_t generation) {
  return head.magic == kUnitMagic && head.generation == generation &&
         head.crc == CrcOf(generation, &head, sizeof(head));
}
bool CheckRun(uint64_t generation, const char* at, size_t room) {
  if (room < sizeof(RunHead)) return false;
  RunHead head;
  std::memcpy(&head, at, sizeof(head));
  return head.magic == kRunMagic && head.body_bytes <= room - sizeof(head) &&
         head.crc == CrcOf(generation, at, sizeof(head) + head.body_bytes);
}

std::string EncodeNote(const TransactionNote& note) {
  ByteWriter writer;
  writer.U64(note.number);
  writer.U64(note.last_batch);
  writer.U64(static_cast<uint64_t>(note.begun_ms));
  writer.Text(note.id);
  writer.U32(static_cast<uint32_t>(note.shards.size()));
  for (const CommittedShard& shard : note.shards) {
    writer.U32(shard.shard);
    writer.U64(shard.first_counter);
    writer.U64(shard.records);
  }
  return writer.bytes();
}

runtime::Result<TransactionNote> DecodeNote(std::string_view bytes) {
  ByteReader reader(bytes);
  TransactionNote note;
  note.number = reader.U64();
  note.last_batch = reader.U64();
  note.begun_ms = static_cast<int64_t>(reader.U64());
  note.id = reader.Text();
  const uint32_t shards = reader.U32();
  for (uint32_t i = 0; i < shards && reader.ok(); ++i) {
    CommittedShard shard;
    shard.shard = reader.U32();
    shard.first_counter = reader.U64();
    shard.records = reader.U64();
    note.shards.push_back(shard);
  }
  if (!reader.ok()) return runtime::Status::Internal("not a transaction's note");
  return note;
}

std::string SegmentName(uint64_t generation, std::string_view ending) {
  char text[32];
  std::snprintf(text, sizeof(text), "%020llu", static_cast<unsigned long long>(generation));
  return text + std::string(ending);
}

uint64_t ParseSegmentName(std::string_view name, std::string_view ending) {
  if (name.size() != 20 + ending.size() || !name.ends_with(ending)) return 0;
  uint64_t value = 0;
  for (const char c : name.substr(0, 20)) {
    if (c < '0' || c > '9') return 0;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  return value;
}

}  // namespace millrace::connectors
