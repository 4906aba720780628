#include "connectors/log/log_recovery.h"

#include <algorithm>
#include <cstring>

namespace millrace::connectors {

using runtime::Result;
using runtime::Status;

namespace {

struct Found {
  uint64_t generation;
  std::unique_ptr<SegmentFile> file;
  SegmentHead head;
  bool head_ok;
};

Status Damaged(const SegmentFile& file, uint64_t offset, const std::string& what) {
  return Status::Internal(
      "the log is damaged: " + what + "; file " + file.path() + ", offset " +
      std::to_string(offset) +
      ". Records that were acknowledged stood there, so nothing was changed: restore the file from "
      "a copy, or move the log's directory away to begin an empty log.");
}

bool ReadUnitHead(const SegmentFile& file, uint64_t generation, uint64_t offset, UnitHead* head) {
  char bytes[sizeof(UnitHead)];
  if (offset + kSegmentPageBytes > file.size_bytes()) return false;
  if (!file.ReadAt(offset, sizeof(bytes), bytes).ok()) return false;
  std::memcpy(head, bytes, sizeof(*head));
  return CheckUnitHead(*head, generation) && head->length % kSegmentPageBytes == 0 &&
         head->used <= head->length && head->length >= kSegmentPageBytes &&
         offset + head->length <= file.size_bytes();
}

// Where the first bad run of a unit stands, or its used length if all are good.
size_t FirstBadRun(uint64_t generation, const UnitHead& head, const char* unit) {
  size_t at = sizeof(UnitHead);
  for (uint32_t i = 0; i < head.runs; ++i) {
    if (at > head.used || !CheckRun(generation, unit + at, head.used - at)) return at;
    RunHead run;
    std::memcpy(&run, unit + at, sizeof(run));
    at = AlignTo(at + sizeof(run) + run.body_bytes, 8);
  }
  return head.used;
}

// True if an intact unit head of this generation stands anywhere after `offset`.
bool UnitFollows(const SegmentFile& file, uint64_t generation, uint64_t offset, uint64_t sequence) {
  constexpr size_t kStep = 1 << 20;
  std::string bytes(kStep, '\0');
  for (uint64_t at = offset; at < file.size_bytes(); at += kStep) {
    const size_t length = std::min<uint64_t>(kStep, file.size_bytes() - at);
    if (!file.ReadAt(at, length, bytes.data()).ok()) return false;
    for (size_t i = 0; i + sizeof(UnitHead) <= length; i += kSegmentPageBytes) {
      UnitHead head;
      std::memcpy(&head, bytes.data() + i, sizeof(head));
      if (head.magic == kUnitMagic && CheckUnitHead(head, generation) && head.sequence > sequence) {
        return true;
      }
    }
  }
  return false;
}

// A crash or a full disk while a segment was begun leaves a file without a head. Nothing in it was
// acknowledged, so it becomes a spare; a gap that it would hide shows in the sequence.
Status SetAsideUnused(SegmentFolder* folder, SegmentSet* segments, std::vector<Found>* found) {
  std::vector<Found> kept;
  for (Found& segment : *found) {
    if (segment.head_ok) {
      kept.push_back(std::move(segment));
      continue;
    }
    if (UnitFollows(*segment.file, segment.generation, kSegmentPageBytes, 0)) {
      return Damaged(*segment.file, 0, "the head of the segment does not check");
    }
    const std::string spare = SegmentName(segment.generation, ".spare");
    RETURN_IF_ERROR(folder->Rename(SegmentName(segment.generation), spare));
    segments->AdoptSpare(spare, segment.file->size_bytes());
  }
  *found = std::move(kept);
  return Status::Ok();
}

// Reads one segment's units. `end_sequence` is the first of the next segment, 0 if this is the
// last.
Status ReadSegment(const Found& found, uint64_t end_sequence, ShardIndex* index,
                   RecoveryResult* result, uint64_t* end_offset) {
  uint64_t offset = kSegmentPageBytes;
  std::string unit;
  while (end_sequence == 0 || result->next_sequence < end_sequence) {
    UnitHead head;
    std::string what;
    uint64_t bad = offset;
    if (!ReadUnitHead(*found.file, found.generation, offset, &head) ||
        head.sequence != result->next_sequence) {
      what = "no unit with sequence " + std::to_string(result->next_sequence) + " stands there";
    } else {
      unit.resize(head.length);
      RETURN_IF_ERROR(found.file->ReadAt(offset, head.length, unit.data()));
      const size_t good = FirstBadRun(found.generation, head, unit.data());
      if (good != head.used) {
        bad = offset + good;
        what = "a checksum of unit " + std::to_string(head.sequence) + " is wrong";
      }
    }
    if (!what.empty()) {
      if (end_sequence != 0 || UnitFollows(*found.file, found.generation,
                                           offset + kSegmentPageBytes, result->next_sequence)) {
        return Damaged(*found.file, bad, what);
      }
      if (ReadUnitHead(*found.file, found.generation, offset, &head)) {
        result->torn_bytes = head.length;
      }
      break;
    }
    RETURN_IF_ERROR(ApplyUnit(found.generation, offset, unit.data(), index));
    result->last_time_ms = std::max(result->last_time_ms, head.time_ms);
    ++result->next_sequence;
    ++result->units;
    offset += head.length;
  }
  *end_offset = offset;
  return Status::Ok();
}

}  // namespace

Status ApplyUnit(uint64_t generation, uint64_t unit_offset, const char* unit, ShardIndex* index) {
  UnitHead head;
  std::memcpy(&head, unit, sizeof(head));
  size_t at = sizeof(UnitHead);
  for (uint32_t i = 0; i < head.runs; ++i) {
    RunHead run;
    std::memcpy(&run, unit + at, sizeof(run));
    const Extent extent{generation,
                        static_cast<uint32_t>(unit_offset + at),
                        static_cast<uint32_t>(sizeof(run) + run.body_bytes),
                        run.first_counter,
                        run.records,
                        run.time_ms,
                        run.time_ms};
    const std::string_view body(unit + at + sizeof(run), run.body_bytes);
    switch (run.kind) {
      case RunKind::kRecords:
        index->AddRecords(run.shard, extent);
        break;
      case RunKind::kTransactionRecords:
        index->AddTransactionRecords(run.shard, run.transaction, extent);
        break;
      default: {
        TransactionNote note;
        ASSIGN_OR_RETURN(note, DecodeNote(body));
        if (run.kind == RunKind::kTransactionPut) index->ApplyPut(note);
        if (run.kind == RunKind::kTransactionCommit) index->ApplyCommit(note, run.time_ms);
        if (run.kind == RunKind::kTransactionAbort) index->ApplyAbort(note, run.time_ms);
      }
    }
    at = AlignTo(at + sizeof(run) + run.body_bytes, 8);
  }
  return Status::Ok();
}

Result<RecoveryResult> RecoverLog(SegmentFolder* folder, SegmentSet* segments, ShardIndex* index) {
  RecoveryResult result;
  std::vector<std::string> names;
  ASSIGN_OR_RETURN(names, folder->List());
  std::vector<Found> found;
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    if (ParseSegmentName(name, ".spare") != 0) {
      auto file = folder->Open(name);
      if (file.ok()) segments->AdoptSpare(name, file.value()->size_bytes());
      continue;
    }
    Found segment{};
    segment.generation = ParseSegmentName(name);
    if (segment.generation == 0) continue;
    ASSIGN_OR_RETURN(segment.file, folder->Open(name));
    if (segment.file->size_bytes() >= sizeof(SegmentHead)) {
      char bytes[sizeof(SegmentHead)];
      RETURN_IF_ERROR(segment.file->ReadAt(0, sizeof(bytes), bytes));
      std::memcpy(&segment.head, bytes, sizeof(segment.head));
    }
    segment.head_ok =
        CheckSegmentHead(segment.head) && segment.head.generation == segment.generation;
    if (segment.head_ok && segment.head.version != kFormatVersion) {
      return Status::User(
          "the log was written in a format that this program does not know: version " +
          std::to_string(segment.head.version) + ", file " + segment.file->path());
    }
    found.push_back(std::move(segment));
  }
  RETURN_IF_ERROR(SetAsideUnused(folder, segments, &found));
  uint64_t end_offset = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    Found& segment = found[i];
    if (segment.file->size_bytes() < uint64_t{segment.head.pages} * kSegmentPageBytes) {
      return Damaged(*segment.file, segment.file->size_bytes(), "the file has been cut short");
    }
    if (i == 0) {
      result.next_sequence = segment.head.first_unit_sequence;
    } else if (segment.head.first_unit_sequence != result.next_sequence) {
      return Damaged(*segment.file, 0,
                     "the segment begins with unit " +
                         std::to_string(segment.head.first_unit_sequence) + ", but unit " +
                         std::to_string(result.next_sequence) + " is missing");
    }
    const uint64_t end_sequence = i + 1 < found.size() ? found[i + 1].head.first_unit_sequence : 0;
    RETURN_IF_ERROR(ReadSegment(segment, end_sequence, index, &result, &end_offset));
    segments->Adopt(segment.generation, std::move(segment.file));
  }
  if (!found.empty()) segments->ContinueAt(end_offset);
  return result;
}

}  // namespace millrace::connectors
