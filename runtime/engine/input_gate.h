#pragma once

#include <memory>
#include <vector>

#include "runtime/engine/channel.h"

namespace millrace::runtime {

// Merges the input channels of a subtask into one stream of elements: combines watermarks to their
// minimum, aligns barriers (a channel that has given its barrier waits for the others), and counts
// idle and ended channels. Owned and called by one subtask.
class InputGate {
 public:
  struct Polled {
    int input = 0;  // of the head operator
    Element element;
  };

  // All channels are added before the first Poll.
  void AddChannel(int input, std::shared_ptr<Channel> channel);
  void OnElement(const std::function<void()>& wake);

  // Gives the next element, if one is at hand. kEnd comes once an input, when all its channels
  // ended. After the last, ended() is true.
  bool Poll(Polled* polled);

  bool ended() const { return open_channels_ == 0; }
  bool has_channels() const { return !channels_.empty(); }
  // Barrier that some channels have given and others not; 0: none.
  int64_t aligning_id() const { return aligning_ ? barrier_.checkpoint_id : 0; }
  // The checkpoint failed: its barrier is not waited for any longer.
  void CancelAlignment(int64_t checkpoint_id);

 private:
  struct InputChannel {
    int input;
    std::shared_ptr<Channel> channel;
    Timestamp watermark = kMinTimestamp;
    bool idle = false;
    bool ended = false;
    bool aligned = false;  // has given the current barrier: not read until all have
  };
  // Looks whether the combined watermark or idleness changed.
  bool CombineWatermark(Element* element);
  bool FinishAlignment(Polled* polled);

  std::vector<InputChannel> channels_;
  std::vector<int> open_by_input_;
  size_t next_ = 0;
  int open_channels_ = 0;
  Timestamp combined_ = kMinTimestamp;
  bool combined_idle_ = false;
  bool aligning_ = false;
  Barrier barrier_;
  int64_t last_barrier_id_ = 0;
  std::vector<Polled> ready_;  // combined elements that wait to be given, in order
};

}  // namespace millrace::runtime
