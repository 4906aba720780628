#pragma once

#include "connectors/log/segment_file.h"
#include "connectors/log/segment_set.h"
#include "connectors/log/shard_index.h"

namespace millrace::connectors {

struct RecoveryResult {
  uint64_t next_sequence = 1;  // of the next unit
  uint64_t units = 0;          // that were read
  uint64_t torn_bytes = 0;     // of an unfinished last unit, which was never acknowledged
  int64_t last_time_ms = 0;
};

// Reads every segment of the folder from the oldest on, checks each unit, and brings `index` and
// `segments` to the state of the last complete one. `index` knows the declared shards.
//
// A unit that does not check is the torn tail of a crash if it is the last thing in the log, and is
// dropped: it was never acknowledged. If an intact unit follows, or a segment is missing, bytes
// were damaged: the error (kInternal) names file and offset, and nothing is changed on disk.
runtime::Result<RecoveryResult> RecoverLog(SegmentFolder* folder, SegmentSet* segments,
                                           ShardIndex* index);

// Tells `index` what a checked unit holds. Used by recovery and by the writer alike.
runtime::Status ApplyUnit(uint64_t generation, uint64_t unit_offset, const char* unit,
                          ShardIndex* index);

}  // namespace millrace::connectors
