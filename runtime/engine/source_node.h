#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/api/source.h"
#include "runtime/engine/chain.h"
#include "runtime/engine/node_context.h"

namespace millrace::runtime {

// How watermarks of a source are made. Empty generator: none, but the end of time at the end.
struct WatermarkSettings {
  bool on_event = false;        // after every row that raises it; else between batches
  int64_t interval_ms = 200;    // periodic
  int64_t idle_timeout_ms = 0;  // 0: a split without rows holds the watermark back for ever
};

// Reads splits and sends their rows down the chain, with the watermark that all splits have
// reached.
class SourceNode {
 public:
  SourceNode(std::string uid, std::unique_ptr<SourceReader> reader,
             std::function<Result<std::unique_ptr<WatermarkGenerator>>()> make_generator,
             WatermarkSettings watermarks, std::unique_ptr<NodeOperatorContext> context);
  ~SourceNode();

  const std::string& uid() const { return uid_; }
  NodeOperatorContext& context() { return *context_; }
  SourceReader& reader() { return *reader_; }
  void AddChild(ChainNode* child) { children_.push_back(child); }

  Status AddSplits(const std::vector<Split>& splits);
  void NoMoreSplits();
  // Ends as if everything was read (stop with drain).
  void EndNow() { end_now_ = true; }
  // Gives nothing more, and no end (stop without drain), until Resume.
  void Suspend() { suspended_ = true; }
  void Resume() { suspended_ = false; }

  enum class Step : uint8_t { kWorked, kNothing, kBlocked };
  // Sends the next batch or element. kBlocked: the chain is; call again when woken. kNothing: no
  // rows at hand, the waker will be called.
  Result<Step> Advance();
  // Sends an element that is not the source's own (a barrier); false: blocked, call again.
  // REQUIRES: at_rest().
  Result<bool> Send(const Element& element);
  bool at_rest() const { return queue_.empty() && !offering_; }
  bool ended() const { return ended_; }
  // Time at which idleness or a periodic watermark is due; INT64_MAX: none.
  int64_t next_due_ms() const;
  // Splits that were read to their end since the last call.
  std::vector<std::string> TakeFinishedSplits();
  // Those whose end the enumerator may not have heard of when barrier `id` was triggered; in the
  // snapshot of that barrier.
  std::vector<std::string> FinishedSplitsFor(int64_t barrier_id);
  // The enumerator has heard of them after barrier `since` was triggered.
  void ForgetFinishedSplits(const std::vector<std::string>& ids, int64_t since);

 private:
  struct SplitState {
    std::string id;
    std::unique_ptr<WatermarkGenerator> generator;
    Timestamp watermark = kMinTimestamp;
    int64_t last_row_ms = 0;
    bool idle = false;
    bool finished = false;
  };
  Status TakeBatch(const ReadOutput& read);
  void Emit(Element element) { queue_.push_back(std::move(element)); }
  Timestamp Combined() const;
  void UpdateWatermark(bool emit_now);
  Result<bool> Drain();

  const std::string uid_;
  std::unique_ptr<NodeOperatorContext> context_;
  std::unique_ptr<SourceReader> reader_;
  std::function<Result<std::unique_ptr<WatermarkGenerator>>()> make_generator_;
  const WatermarkSettings watermarks_;
  std::vector<ChainNode*> children_;
  size_t next_child_ = 0;
  bool offering_ = false;
  std::vector<SplitState> splits_;
  std::deque<Element> queue_;
  std::vector<Timestamp> marks_;
  std::vector<std::string> finished_splits_;
  struct FinishedSplit {
    std::string id;
    int64_t heard_since = INT64_MAX;  // barriers later than this one need not tell
  };
  std::vector<FinishedSplit> unheard_splits_;
  Timestamp sent_watermark_ = kMinTimestamp;
  int64_t last_emit_ms_ = 0;
  bool sent_idle_ = false;
  bool assigned_ = false;  // before the first assignment it is not idle: rows may be about to come
  bool end_now_ = false;
  bool suspended_ = false;
  bool ended_ = false;
  Counter& records_out_;
  Gauge& watermark_metric_;
};

}  // namespace millrace::runtime
