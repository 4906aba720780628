#pragma once

#include <cstdint>
#include <vector>

#include "runtime/api/operator.h"
#include "runtime/types/key_identity.h"

namespace millrace::operators {

// Remembers up to what time the windows of each key group have fired. In event time all subtasks
// get to a barrier at one watermark; in processing time each has come as far as its own timers, so
// after a restore at another parallelism the keys of one subtask may differ: what has fired for
// some must fire for the others only.
class FiredProgress {
 public:
  // Takes what subtasks stored, for the key groups of this one. An entry without key groups (event
  // time, and older ones) holds for all; in event time the lowest counts, as in Flink.
  runtime::Status Restore(const runtime::ListEntries& entries,
                          const runtime::OperatorContext& context, bool is_rowtime);
  void Store(bool is_rowtime, runtime::ListEntries* entries) const;

  // Everything up to here has fired for every key; kMinTimestamp: nothing has.
  int64_t lowest() const { return lowest_; }
  // Nothing behind this has fired for any key.
  int64_t highest() const { return highest_; }
  // Whether keys differ by what has fired.
  bool differs() const { return !ranges_.empty(); }
  // What holds for the keys of a group. REQUIRES: differs().
  int64_t OfKeyGroup(int key_group) const;
  // All has fired up to `time`.
  void Advance(int64_t time);

 private:
  struct Range {
    runtime::KeyGroupRange groups;
    int64_t progress;
  };
  runtime::KeyGroupRange mine_;
  int64_t lowest_ = runtime::kMinTimestamp;
  int64_t highest_ = runtime::kMinTimestamp;
  std::vector<Range> ranges_;  // of what was restored; none: all as lowest_
};

}  // namespace millrace::operators
