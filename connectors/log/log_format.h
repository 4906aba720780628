#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/log/record_batch.h"
#include "runtime/types/status.h"

namespace millrace::connectors {

// The bytes of a segment file, version 1; little-endian throughout.
//
//   page 0            SegmentHead, rest of the page zero
//   page 1 ...        units, each a whole number of pages:
//     UnitHead
//     runs, each at a multiple of 8: RunHead, body
//     zeros to the end of the page
//
// A unit is what one group commit writes: the records of many requests, grouped so that those of
// one shard stand together. A run is the part of one shard (or of one shard in one transaction), or
// a note about a transaction; it is checked and read on its own. Body of a record run: records of
// {u32 data length, u16 key length, key, data}.
//
// Every checksum is seeded with the segment's generation: segments are recycled, and a unit of a
// file's former life would otherwise pass every check where it happens to continue exactly.

constexpr uint32_t kSegmentMagic = 0x47534c4d;  // "MLSG"
constexpr uint32_t kUnitMagic = 0x4e554c4d;     // "MLUN"
constexpr uint32_t kRunMagic = 0x4e524c4d;      // "MLRN"
constexpr uint32_t kClusterMagic = 0x4c434c4d;  // "MLCL"
constexpr uint32_t kFormatVersion = 1;
// Clusters have this bit in their generation; their file is named by the rest.
constexpr uint64_t kClusterBit = uint64_t{1} << 63;
inline constexpr char kClusterEnding[] = ".cluster";

struct SegmentHead {
  uint32_t magic;
  uint32_t crc;  // of the rest
  uint32_t version;
  uint32_t pages;                // of the file
  uint64_t generation;           // also the file's name
  uint64_t first_unit_sequence;  // of the first unit; one more than the last of the segment before
  int64_t created_ms;
};

struct UnitHead {
  uint32_t magic;
  uint32_t crc;  // of the rest of the head
  uint64_t generation;
  uint64_t sequence;  // grows by one from unit to unit, over all segments
  int64_t time_ms;
  uint32_t length;  // whole pages
  uint32_t used;    // before the zeros at the end
  uint32_t runs;
  uint32_t records;
};

enum class RunKind : uint16_t {
  kRecords = 0,
  kTransactionRecords = 1,
  kTransactionPut = 2,     // TransactionNote: the transaction has records in this unit
  kTransactionCommit = 3,  // TransactionNote with the counters given
  kTransactionAbort = 4,   // TransactionNote
};

struct RunHead {
  uint32_t magic;
  uint32_t crc;  // of the rest of the head and the body
  ShardNumber shard;
  RunKind kind;
  uint16_t reserved;
  RecordCounter first_counter;  // 0 for kTransactionRecords
  uint64_t transaction;         // number, 0: none
  int64_t time_ms;
  uint32_t records;
  uint32_t body_bytes;
};

static_assert(sizeof(SegmentHead) == 40 && sizeof(UnitHead) == 48 && sizeof(RunHead) == 48);

// What a commit gave to one shard.
struct CommittedShard {
  ShardNumber shard;
  RecordCounter first_counter;
  uint64_t records;
};

// The body of the three transaction runs.
struct TransactionNote {
  uint64_t number = 0;
  uint64_t last_batch = 0;
  int64_t begun_ms = 0;
  std::string id;
  std::vector<CommittedShard> shards;  // kTransactionCommit
};

constexpr size_t AlignTo(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

// Fill in magic and crc; the head stands at `at` with everything else set, the body behind it.
void SealSegmentHead(SegmentHead* at);
void SealUnitHead(UnitHead* at);
void SealRun(uint64_t generation, char* at);

// True if what stands there was sealed as such, in that generation. For a run, `room` is what may
// be read; its body must fit.
bool CheckSegmentHead(const SegmentHead& head);
bool CheckUnitHead(const UnitHead& head, uint64_t generation);
bool CheckRun(uint64_t generation, const char* at, size_t room);

std::string EncodeNote(const TransactionNote& note);
// Errors: kInternal if the bytes are not a note.
runtime::Result<TransactionNote> DecodeNote(std::string_view bytes);

// Reads one record of a run's body and moves `at` behind it; false if it does not fit before `end`.
inline bool NextRecord(const char** at, const char* end, std::string_view* key,
                       std::string_view* data) {
  if (end - *at < static_cast<ptrdiff_t>(RecordBatch::kHeadBytes)) return false;
  uint32_t data_length;
  uint16_t key_length;
  std::memcpy(&data_length, *at, 4);
  std::memcpy(&key_length, *at + 4, 2);
  const char* body = *at + RecordBatch::kHeadBytes;
  if (static_cast<uint64_t>(end - body) < static_cast<uint64_t>(data_length) + key_length) {
    return false;
  }
  *key = {body, key_length};
  *data = {body + key_length, data_length};
  *at = body + key_length + data_length;
  return true;
}

// "00000000000000000042.segment"; its generation, or 0 if `name` has another form or ending.
std::string SegmentName(uint64_t generation, std::string_view ending = ".segment");
uint64_t ParseSegmentName(std::string_view name, std::string_view ending = ".segment");

// Appends and reads little-endian integers and strings with a length; used by the small files.
class ByteWriter {
 public:
  void U32(uint32_t value) { Raw(&value, 4); }
  void U64(uint64_t value) { Raw(&value, 8); }
  void Text(std::string_view text) {
    U32(static_cast<uint32_t>(text.size()));
    bytes_.append(text);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void Raw(const void* from, size_t length) {
    bytes_.append(static_cast<const char*>(from), length);
  }
  std::string bytes_;
};

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}
  uint32_t U32() { return Raw<uint32_t>(); }
  uint64_t U64() { return Raw<uint64_t>(); }
  std::string Text() {
    const uint32_t length = U32();
    if (length > rest_.size()) ok_ = false;
    if (!ok_) return {};
    std::string text(rest_.substr(0, length));
    rest_.remove_prefix(length);
    return text;
  }
  bool ok() const { return ok_; }
  size_t left() const { return rest_.size(); }

 private:
  template <typename T>
  T Raw() {
    T value = 0;
    if (rest_.size() < sizeof(T)) ok_ = false;
    if (!ok_) return 0;
    std::memcpy(&value, rest_.data(), sizeof(T));
    rest_.remove_prefix(sizeof(T));
    return value;
  }
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace millrace::connectors
