#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "connectors/log/log_format.h"
#include "connectors/log/segment_file.h"

namespace millrace::connectors {

// Keeps the segment files in order: the one being written, those before it, and spares; and the
// clusters. One thread changes the segments (Roll, Free...) and one adds clusters; Find may be
// called from any.
class SegmentSet {
 public:
  struct Segment {
    uint64_t generation;
    std::unique_ptr<SegmentFile> file;
  };

  // `size_bytes`: of new segments; larger ones are made for units that need it. Up to `spares_max`
  // freed segments are kept to be written again, which is faster than a new file.
  SegmentSet(SegmentFolder* folder, uint64_t size_bytes, size_t spares_max);

  // Used by recovery: takes over an existing segment, or an unused file as a spare.
  void Adopt(uint64_t generation, std::unique_ptr<SegmentFile> file);
  void AdoptSpare(const std::string& name, uint64_t size_bytes);
  // Goes on writing in the newest segment at `offset`.
  void ContinueAt(uint64_t offset) { offset_ = offset; }
  // Never writes into the newest segment again.
  void Abandon() { offset_ = UINT64_MAX; }

  // True if the next unit of this length goes into the segment being written.
  bool Fits(size_t length) const;
  // Begins the next segment, with room for a unit of this length. The caller writes its head.
  // Errors: no room on the disk; nothing has changed then.
  runtime::Status Roll(size_t length);

  const std::shared_ptr<Segment>& active() const { return active_; }
  uint64_t offset() const { return offset_; }
  void Advance(size_t length) { offset_ += length; }

  // Clusters (cluster_file.h) are only read; they have generations of their own, from kClusterBit
  // on.
  void AdoptCluster(uint64_t generation, std::unique_ptr<SegmentFile> file);
  std::vector<uint64_t> Clusters() const;
  runtime::Status RemoveCluster(uint64_t generation);

  // nullptr once freed. Segments and clusters.
  std::shared_ptr<Segment> Find(uint64_t generation) const;
  // All segments but the one being written, oldest first.
  std::vector<uint64_t> Sealed() const;
  // The oldest one that is not being written; nullptr if there is none.
  std::shared_ptr<Segment> Oldest() const;
  // Makes the oldest segment a spare, or removes it. REQUIRES: it is not the active one.
  runtime::Status FreeOldest();
  size_t count() const;

 private:
  SegmentFolder* const folder_;
  const uint64_t size_bytes_;
  const size_t spares_max_;
  mutable std::mutex mutex_;  // guards the two maps
  std::map<uint64_t, std::shared_ptr<Segment>> segments_;
  std::map<uint64_t, std::shared_ptr<Segment>> clusters_;
  std::shared_ptr<Segment> active_;
  uint64_t offset_ = UINT64_MAX;
  uint64_t last_generation_ = 0;
  std::vector<std::string> spares_;
};

}  // namespace millrace::connectors
