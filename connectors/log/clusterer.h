#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <thread>

#include "connectors/log/cluster_file.h"

namespace millrace::connectors {

// Re-clusters segments in the background, on a thread of its own (cluster_file.h says why). Needs
// memory for one segment while it works. A failure is no harm: the segment stays as it is.
class Clusterer {
 public:
  // `index_mutex` guards `index`. All outlive the object.
  Clusterer(SegmentFolder* folder, SegmentSet* segments, ShardIndex* index,
            std::shared_mutex* index_mutex);
  ~Clusterer();  // Stop

  // `newest`: the highest number in use, from LoadClusters.
  void Start(uint64_t newest);
  void Stop();
  // A segment will not be written any more. `always`: also if its runs are large.
  void Offer(uint64_t generation, bool always);
  // Returns once nothing that was offered is left to do.
  void Wait();

 private:
  struct Offered {
    uint64_t generation;
    bool always;
  };
  void Loop();
  void Work(const Offered& offered);

  SegmentFolder* const folder_;
  SegmentSet* const segments_;
  ShardIndex* const index_;
  std::shared_mutex* const index_mutex_;
  uint64_t newest_ = 0;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<Offered> offered_;
  bool working_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace millrace::connectors
