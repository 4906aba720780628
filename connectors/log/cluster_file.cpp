#include "connectors/log/cluster_file.h"

#include <algorithm>
#include <cstring>

#include "connectors/log/log_format.h"
#include "runtime/types/crc32c.h"

namespace millrace::connectors {

using runtime::Result;
using runtime::Status;

namespace {

constexpr uint32_t kExtentBytes = 64 << 10;  // an extent is closed once it holds this much
constexpr size_t kDirectoryEntryBytes = 40;
constexpr char kAsideEnding[] = ".cluster-new";

static_assert(sizeof(ClusterHead) == 40);

uint32_t HeadCrc(const ClusterHead& head, const char* directory) {
  const uint32_t seed = runtime::Crc32c(&head.generation, sizeof(head.generation));
  const uint32_t crc = runtime::Crc32c(reinterpret_cast<const char*>(&head) + 8, sizeof(head) - 8, seed);
  return runtime::Crc32c(directory, head.directory_bytes, crc);
}

// Collects the bytes of a cluster and writes them in large steps of whole pages.
class ClusterWriter {
 public:
  ClusterWriter() : buffer_(kBufferBytes) {}
  uint64_t position() const { return written_ + used_; }
  Status Open(SegmentFolder* folder, const std::string& name, uint64_t size_bytes) {
    ASSIGN_OR_RETURN(file_, folder->Create(name, size_bytes));
    return Status::Ok();
  }
  Status Append(const char* from, size_t length) {
    while (length > 0) {
      const size_t part = std::min(length, kBufferBytes - used_);
      std::memcpy(buffer_.data() + used_, from, part);
      used_ += part;
      from += part;
      length -= part;
      if (used_ == kBufferBytes) RETURN_IF_ERROR(Flush());
    }
    return Status::Ok();
  }
  Status Pad(size_t unit) {
    static constexpr char kZeros[kSegmentPageBytes] = {};
    return Append(kZeros, AlignTo(position(), unit) - position());
  }
  // Writes what is collected, then the first page, and makes it all durable.
  Status Finish(const ClusterHead& head) {
    RETURN_IF_ERROR(Pad(kSegmentPageBytes));
    RETURN_IF_ERROR(Flush());
    std::memset(buffer_.data(), 0, kSegmentPageBytes);
    std::memcpy(buffer_.data(), &head, sizeof(head));
    RETURN_IF_ERROR(file_->WriteAt(0, kSegmentPageBytes, buffer_.data()));
    return file_->Sync();
  }

 private:
  static constexpr size_t kBufferBytes = 1 << 20;
  Status Flush() {
    RETURN_IF_ERROR(file_->WriteAt(written_, used_, buffer_.data()));
    written_ += used_;
    used_ = 0;
    return Status::Ok();
  }
  std::unique_ptr<SegmentFile> file_;
  PageBuffer buffer_;
  uint64_t written_ = 0;
  size_t used_ = 0;
};

// Runs of one shard that become one run: adjacent counters, the same time.
Status AppendRun(uint64_t generation, ShardNumber shard, const std::vector<Extent>& sources,
                 const char* segment, const std::string& segment_path, ClusterWriter* writer,
                 Extent* made) {
  std::string run(sizeof(RunHead), '\0');
  RunHead head{};
  head.shard = shard;
  head.kind = RunKind::kRecords;
  head.first_counter = sources.front().first_counter;
  head.time_ms = sources.front().time_ms;
  for (const Extent& source : sources) {
    if (!CheckRun(source.generation, segment + source.offset, source.bytes)) {
      return Status::Internal("the log is damaged: a checksum is wrong; file " + segment_path +
                              ", offset " + std::to_string(source.offset));
    }
    run.append(segment + source.offset + sizeof(RunHead), source.bytes - sizeof(RunHead));
    head.records += source.records;
  }
  head.body_bytes = static_cast<uint32_t>(run.size() - sizeof(RunHead));
  std::memcpy(run.data(), &head, sizeof(head));
  SealRun(generation, run.data());
  RETURN_IF_ERROR(writer->Pad(8));
  if (made->records == 0) {
    made->offset = static_cast<uint32_t>(writer->position());
    made->first_counter = head.first_counter;
    made->time_ms = head.time_ms;
  }
  made->records += head.records;
  made->last_time_ms = head.time_ms;
  RETURN_IF_ERROR(writer->Append(run.data(), run.size()));
  made->bytes = static_cast<uint32_t>(writer->position() - made->offset);
  return Status::Ok();
}

Status AppendShard(uint64_t generation, ShardNumber shard, const std::vector<Extent>& sources,
                   const char* segment, const std::string& segment_path, ClusterWriter* writer,
                   std::vector<Extent>* made) {
  size_t at = 0;
  while (at < sources.size()) {
    const bool goes_on = !made->empty() && made->back().bytes < kExtentBytes &&
                         made->back().end_counter() == sources[at].first_counter;
    if (!goes_on) made->push_back(Extent{generation, 0, 0, 0, 0, 0, 0});
    size_t end = at + 1;
    size_t bytes = sources[at].bytes;
    while (end < sources.size() && sources[end].time_ms == sources[at].time_ms &&
           sources[end].first_counter == sources[end - 1].end_counter() && bytes < kExtentBytes) {
      bytes += sources[end++].bytes;
    }
    RETURN_IF_ERROR(AppendRun(generation, shard,
                              {sources.begin() + static_cast<ptrdiff_t>(at),
                               sources.begin() + static_cast<ptrdiff_t>(end)},
                              segment, segment_path, writer, &made->back()));
    at = end;
  }
  return Status::Ok();
}

Status Fill(SegmentFolder* folder, const std::string& name, uint64_t generation,
            const std::string& segment_path, const char* segment,
            const std::map<ShardNumber, std::vector<Extent>>& extents, WrittenCluster* result) {
  uint64_t size = kSegmentPageBytes;
  for (const auto& [shard, sources] : extents) {
    for (const Extent& source : sources) size += source.bytes + 8 + kDirectoryEntryBytes;
  }
  ClusterWriter writer;
  RETURN_IF_ERROR(writer.Open(folder, name, AlignTo(size, kSegmentPageBytes)));
  RETURN_IF_ERROR(writer.Append(std::string(kSegmentPageBytes, '\0').data(), kSegmentPageBytes));
  ByteWriter directory;
  ClusterHead head{};
  head.magic = kClusterMagic;
  head.version = kFormatVersion;
  head.generation = generation;
  for (const auto& [shard, sources] : extents) {
    std::vector<Extent>& made = result->extents[shard];
    RETURN_IF_ERROR(AppendShard(generation, shard, sources, segment, segment_path, &writer, &made));
    for (const Extent& extent : made) {
      directory.U32(shard);
      directory.U32(extent.offset);
      directory.U32(extent.bytes);
      directory.U64(extent.first_counter);
      directory.U32(extent.records);
      directory.U64(static_cast<uint64_t>(extent.time_ms));
      directory.U64(static_cast<uint64_t>(extent.last_time_ms));
      ++head.extents;
    }
  }
  RETURN_IF_ERROR(writer.Pad(8));
  head.directory_offset = writer.position();
  head.directory_bytes = directory.bytes().size();
  head.crc = HeadCrc(head, directory.bytes().data());
  RETURN_IF_ERROR(writer.Append(directory.bytes().data(), directory.bytes().size()));
  return writer.Finish(head);
}

}  // namespace

Result<WrittenCluster> WriteCluster(SegmentFolder* folder, uint64_t generation,
                                    const std::string& segment_path, const char* segment,
                                    const std::map<ShardNumber, std::vector<Extent>>& extents) {
  const uint64_t number = generation & ~kClusterBit;
  const std::string aside = SegmentName(number, kAsideEnding);
  const std::string name = SegmentName(number, kClusterEnding);
  WrittenCluster result;
  Status status = Fill(folder, aside, generation, segment_path, segment, extents, &result);
  if (status.ok()) status = folder->Rename(aside, name);
  if (!status.ok()) {
    (void)!folder->Remove(aside).ok();
    return status;
  }
  ASSIGN_OR_RETURN(result.file, folder->Open(name));
  return result;
}

Status LoadCluster(const SegmentFile& file, uint64_t generation, ShardIndex* index) {
  const Status damaged =
      Status::Internal("the log is damaged: the directory of a cluster does not check; file " +
                       file.path() + ", offset 0. Restore the file from a copy.");
  ClusterHead head{};
  if (file.size_bytes() < sizeof(head)) return damaged;
  RETURN_IF_ERROR(file.ReadAt(0, sizeof(head), reinterpret_cast<char*>(&head)));
  if (head.magic != kClusterMagic || head.generation != generation ||
      head.directory_offset > file.size_bytes() ||
      head.directory_bytes > file.size_bytes() - head.directory_offset) {
    return damaged;
  }
  if (head.version != kFormatVersion) {
    return Status::User(
        "the log was written in a format that this program does not know: version " +
        std::to_string(head.version) + ", file " + file.path());
  }
  std::string directory(head.directory_bytes, '\0');
  RETURN_IF_ERROR(file.ReadAt(head.directory_offset, directory.size(), directory.data()));
  if (head.crc != HeadCrc(head, directory.data())) return damaged;
  ByteReader reader(directory);
  for (uint32_t i = 0; i < head.extents; ++i) {
    Extent extent{};
    extent.generation = generation;
    const ShardNumber shard = reader.U32();
    extent.offset = reader.U32();
    extent.bytes = reader.U32();
    extent.first_counter = reader.U64();
    extent.records = reader.U32();
    extent.time_ms = static_cast<int64_t>(reader.U64());
    extent.last_time_ms = static_cast<int64_t>(reader.U64());
    if (!reader.ok()) return damaged;
    index->AddRecords(shard, extent);
  }
  return Status::Ok();
}

Result<uint64_t> LoadClusters(SegmentFolder* folder, SegmentSet* segments, ShardIndex* index) {
  std::vector<std::string> names;
  ASSIGN_OR_RETURN(names, folder->List());
  uint64_t newest = 0;
  for (const std::string& name : names) {
    if (name.ends_with(kAsideEnding)) {
      RETURN_IF_ERROR(folder->Remove(name));
      continue;
    }
    const uint64_t number = ParseSegmentName(name, kClusterEnding);
    if (number == 0) continue;
    newest = std::max(newest, number);
    std::unique_ptr<SegmentFile> file;
    ASSIGN_OR_RETURN(file, folder->Open(name));
    RETURN_IF_ERROR(LoadCluster(*file, number | kClusterBit, index));
    segments->AdoptCluster(number | kClusterBit, std::move(file));
  }
  return newest;
}

}  // namespace millrace::connectors
