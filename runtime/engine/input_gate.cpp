#include "runtime/engine/input_gate.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

void InputGate::AddChannel(int input, std::shared_ptr<Channel> channel) {
  channels_.push_back({input, std::move(channel)});
  if (static_cast<int>(open_by_input_.size()) <= input) {
    open_by_input_.resize(static_cast<size_t>(input) + 1, 0);
  }
  ++open_by_input_[input];
  ++open_channels_;
}

void InputGate::OnElement(const std::function<void()>& wake) {
  for (InputChannel& channel : channels_) channel.channel->OnElement(wake);
}

bool InputGate::CombineWatermark(Element* element) {
  Timestamp least = kMaxTimestamp;
  bool any_active = false;
  for (const InputChannel& channel : channels_) {
    // One that has reached the end of time does not lead idle ones there: they may have rows yet.
    if (channel.ended || channel.idle || channel.watermark == kMaxTimestamp) continue;
    any_active = true;
    least = std::min(least, channel.watermark);
  }
  // When every channel is idle or ended, time goes on to what all of them have reached: ended ones
  // count as the end of time, idle ones keep what they promised.
  if (!any_active) {
    for (const InputChannel& channel : channels_) {
      if (!channel.ended) least = std::min(least, std::max(channel.watermark, combined_));
    }
  }
  if (least > combined_) {
    combined_ = least;
    *element = Element::Watermark(least);
    return true;
  }
  return false;
}

bool InputGate::FinishAlignment(Polled* polled) {
  if (!aligning_) return false;
  for (const InputChannel& channel : channels_) {
    if (!channel.ended && !channel.aligned) return false;
  }
  for (InputChannel& channel : channels_) channel.aligned = false;
  aligning_ = false;
  last_barrier_id_ = barrier_.checkpoint_id;
  polled->input = 0;
  polled->element = Element::Of(barrier_);
  return true;
}

void InputGate::CancelAlignment(int64_t checkpoint_id) {
  last_barrier_id_ = std::max(last_barrier_id_, checkpoint_id);  // barriers still on their way
  if (!aligning_ || barrier_.checkpoint_id > checkpoint_id) return;
  for (InputChannel& channel : channels_) channel.aligned = false;
  aligning_ = false;
}

bool InputGate::Poll(Polled* polled) {
  if (!ready_.empty()) {
    *polled = std::move(ready_.front());
    ready_.erase(ready_.begin());
    return true;
  }
  for (size_t tried = 0; tried < channels_.size(); ++tried) {
    InputChannel& channel = channels_[next_];
    next_ = (next_ + 1) % channels_.size();
    if (channel.ended || channel.aligned) continue;
    Element element;
    while (channel.channel->Pop(&element)) {
      polled->input = channel.input;
      switch (element.kind) {
        case Element::Kind::kBatch:
          channel.idle = false;
          if (combined_idle_) {
            combined_idle_ = false;
            ready_.push_back({channel.input, std::move(element)});
            polled->element = Element::Just(Element::Kind::kActive);
            return true;
          }
          polled->element = std::move(element);
          return true;
        case Element::Kind::kWatermark:
          channel.watermark = std::max(channel.watermark, element.time);
          channel.idle = false;
          if (CombineWatermark(&polled->element)) {
            if (combined_idle_) {
              combined_idle_ = false;
              ready_.push_back({channel.input, std::move(polled->element)});
              polled->element = Element::Just(Element::Kind::kActive);
            }
            return true;
          }
          break;
        case Element::Kind::kIdle:
        case Element::Kind::kActive: {
          channel.idle = element.kind == Element::Kind::kIdle;
          const bool all_idle =
              std::all_of(channels_.begin(), channels_.end(),
                          [](const InputChannel& c) { return c.idle || c.ended; });
          Element risen;
          const bool rose = CombineWatermark(&risen);
          if (all_idle != combined_idle_) {
            combined_idle_ = all_idle;
            Element change =
                Element::Just(all_idle ? Element::Kind::kIdle : Element::Kind::kActive);
            if (rose) ready_.push_back({channel.input, std::move(change)});
            polled->element = rose ? std::move(risen) : std::move(change);
            return true;
          }
          if (rose) {
            polled->element = std::move(risen);
            return true;
          }
          break;
        }
        case Element::Kind::kBarrier:
          // Of a failed checkpoint.
          if (element.barrier.checkpoint_id <= last_barrier_id_) break;
          if (aligning_ && element.barrier.checkpoint_id < barrier_.checkpoint_id) break;
          if (aligning_ && element.barrier.checkpoint_id > barrier_.checkpoint_id) {
            // The older checkpoint failed elsewhere: start over with this one.
            for (InputChannel& other : channels_) other.aligned = false;
          }
          aligning_ = true;
          barrier_ = element.barrier;
          channel.aligned = true;
          if (FinishAlignment(polled)) return true;
          break;
        case Element::Kind::kEnd: {
          channel.ended = true;
          --open_channels_;
          const bool input_ended = --open_by_input_[channel.input] == 0;
          Element risen;
          // An ended channel counts as the end of time. A watermark makes those who get it take
          // this side for active.
          if (CombineWatermark(&risen)) {
            if (std::exchange(combined_idle_, false)) {
              ready_.push_back({channel.input, Element::Just(Element::Kind::kActive)});
            }
            ready_.push_back({channel.input, std::move(risen)});
          }
          const bool all_idle =
              open_channels_ > 0 &&
              std::all_of(channels_.begin(), channels_.end(),
                          [](const InputChannel& c) { return c.idle || c.ended; });
          if (all_idle && !std::exchange(combined_idle_, true)) {
            ready_.push_back({channel.input, Element::Just(Element::Kind::kIdle)});
          }
          Polled barrier;
          if (FinishAlignment(&barrier)) ready_.push_back(std::move(barrier));
          if (input_ended) {
            ready_.push_back({channel.input, Element::End(ended())});
          }
          if (!ready_.empty()) return Poll(polled);
          break;
        }
        default:
          CHECK_THAT_HOLDS(false);
      }
      if (channel.ended || channel.aligned) break;
    }
  }
  return false;
}

}  // namespace millrace::runtime
