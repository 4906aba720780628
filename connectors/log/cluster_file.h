#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "connectors/log/segment_file.h"
#include "connectors/log/segment_set.h"
#include "connectors/log/shard_index.h"

namespace millrace::connectors {

// A cluster holds the visible records of one segment again, those of a shard together, so that a
// reader of one shard reads little more than its own bytes, and so that a segment can be freed
// while some of its records must be kept for long. Made in the background, for segments whose runs
// are small, and for old ones of which little is left; one cluster for each retention period.
//
//   page 0     ClusterHead
//   runs       as in a unit, each at a multiple of 8, checksums seeded with the cluster's
//   generation;
//              those of a shard in order of their counters
//   directory  {u32 shard, u32 offset, u32 bytes, u64 first counter, u32 records, u64 first time,
//              u64 last time} for every extent
//
// It is written aside and renamed, so that it is whole or not there. Until its segment is freed,
// the records stand in both, and the cluster counts.
struct ClusterHead {
  uint32_t magic;
  uint32_t crc;  // of the rest of the head, seeded with the generation, and of the directory
  uint32_t version;
  uint32_t extents;
  uint64_t generation;
  uint64_t directory_offset;
  uint64_t directory_bytes;
};

struct WrittenCluster {
  std::unique_ptr<SegmentFile> file;
  std::map<ShardNumber, std::vector<Extent>> extents;
};

// Copies the records of `extents` (of one segment, whose bytes are `segment`) into a new cluster.
// Errors: kExternal if the disk fails; kInternal if a checksum is wrong. No file is left then.
runtime::Result<WrittenCluster> WriteCluster(
    SegmentFolder* folder, uint64_t generation, const std::string& segment_path,
    const char* segment, const std::map<ShardNumber, std::vector<Extent>>& extents);

// Reads the directory of a cluster into the index. Errors: kInternal with file and offset.
runtime::Status LoadCluster(const SegmentFile& file, uint64_t generation, ShardIndex* index);

// Opens every cluster of the folder, and removes what a crash left of unfinished ones. Returns the
// number of the newest one.
runtime::Result<uint64_t> LoadClusters(SegmentFolder* folder, SegmentSet* segments,
                                       ShardIndex* index);

}  // namespace millrace::connectors
