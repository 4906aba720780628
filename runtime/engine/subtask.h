#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/engine/chain.h"
#include "runtime/engine/exchange.h"
#include "runtime/engine/executor.h"
#include "runtime/engine/input_gate.h"
#include "runtime/engine/metric_store.h"
#include "runtime/engine/source_node.h"

namespace millrace::runtime {

// What a subtask contributes to a checkpoint.
struct SubtaskSnapshot {
  int vertex = 0;
  int subtask = 0;
  int64_t checkpoint_id = 0;
  std::vector<OperatorSnapshot> operators;
  std::unique_ptr<StateDelta> delta;  // null: no keyed state, or the checkpoint was aborted
  int64_t alignment_nanos = 0;
  int64_t sync_nanos = 0;  // CPU of copying, in slices
};

// What subtasks tell their job master. Called on executor threads; must not block.
class SubtaskListener {
 public:
  virtual ~SubtaskListener() = default;
  virtual void OnSnapshot(SubtaskSnapshot snapshot) = 0;
  virtual void OnFinished(int vertex, int subtask) = 0;
  virtual void OnFailed(int vertex, int subtask, Status status) = 0;
  virtual void OnSplitFinished(int vertex, const std::string& split_id) = 0;
};

// One parallel instance of a vertex: a chain of operators with its inputs, state and timers, run in
// slices of about a millisecond by an executor. Commands are thread-safe and take effect at the
// next slice.
class Subtask : public Runnable {
 public:
  Subtask(int vertex, int index, std::string name, std::unique_ptr<SubtaskEnvironment> environment,
          std::unique_ptr<SubtaskState> state, SubtaskListener* listener);
  ~Subtask() override;

  // ---- Building, before Start. ----
  SubtaskEnvironment& environment() { return *environment_; }
  InputGate& gate() { return gate_; }
  MetricStore& metrics_of(const std::string& uid);
  void SetSource(std::unique_ptr<SourceNode> source) { source_ = std::move(source); }
  void AddOperator(std::unique_ptr<OperatorNode> node);
  void AddSink(std::unique_ptr<SinkNode> node);
  void AddExchange(std::unique_ptr<ExchangeNode> node);
  // The node that the gate feeds; null with a source.
  void SetRoot(ChainNode* root) { root_ = root; }
  SourceNode* source() { return source_.get(); }

  // ---- Commands. ----
  void Start();
  void AddSplits(std::vector<Split> splits, bool no_more);
  void TriggerCheckpoint(const Barrier& barrier);
  enum class CheckpointEnd : uint8_t {
    kComplete,
    kSavepoint,  // complete, but nothing is committed for it and the job goes on
    kAborted,
  };
  // `lost`: its delta if it never got into a file. What its sinks prepared for an aborted
  // checkpoint reaches the listener all the same, without a delta.
  void CheckpointEnded(int64_t id, CheckpointEnd end, std::unique_ptr<StateDelta> lost);
  // See SourceNode.
  void ForgetFinishedSplits(std::vector<std::string> ids, int64_t since);
  void EndSources();
  // Nothing runs any more afterwards, not even a slice; blocks until the current one ended.
  void Stop();

  bool RunSlice() override;

  // ---- Looked at by anyone. ----
  const std::string& name() const { return name_; }
  int vertex() const { return vertex_; }
  int index() const { return index_; }
  const TimeAccount& time_account() const { return time_account_; }
  const std::vector<std::pair<std::string, std::unique_ptr<MetricStore>>>& metrics() const {
    return metrics_;
  }

 private:
  enum class Step : uint8_t { kWorked, kIdle, kBlocked };
  void Command(std::function<Status()> command);
  Status RunCommands();
  Status TakeHeldSplits();
  Result<Step> Advance();
  Result<Step> AdvanceSnapshot(bool* handled);
  Result<Step> AdvanceNodes(bool* handled);
  Status BarrierPassed(const Barrier& barrier);
  void GiveUpCopying();
  void InputEnded();
  void Fail(Status status);
  void FlushExchanges();
  // The soonest timer later than `after_ms`; INT64_MAX: none.
  int64_t NextTimer(int64_t after_ms) const;

  const int vertex_;
  const int index_;
  const std::string name_;
  std::unique_ptr<SubtaskEnvironment> environment_;
  std::unique_ptr<SubtaskState> state_;
  SubtaskListener* const listener_;
  std::vector<std::pair<std::string, std::unique_ptr<MetricStore>>> metrics_;
  TimeAccount time_account_;

  InputGate gate_;
  std::unique_ptr<SourceNode> source_;
  std::vector<std::unique_ptr<OperatorNode>> operators_;
  std::vector<std::unique_ptr<SinkNode>> sinks_;
  std::vector<std::unique_ptr<ExchangeNode>> exchanges_;
  ChainNode* root_ = nullptr;
  ChainNode* direct_ = nullptr;  // a node within the chain that was given a timer or a wake

  std::mutex mutex_;
  std::deque<std::function<Status()>> commands_;
  std::atomic<bool> has_commands_{false};

  bool started_ = false;
  bool failed_ = false;
  bool finished_ = false;
  bool stopped_ = false;
  std::optional<Barrier> wanted_;   // triggered, its barrier not yet passed here
  std::optional<Barrier> passing_;  // its barrier is in the chain now
  int64_t last_barrier_id_ = 0;
  int64_t suspended_by_ = 0;        // the stop's barrier, since which the source gives nothing
  std::vector<Split> held_splits_;  // assigned, not yet given to the reader
  bool splits_held_ = false;
  bool no_more_held_ = false;
  bool ending_ = false;  // the last end of input is in the chain now
  std::optional<SubtaskSnapshot> copying_;
  int64_t last_flush_nanos_ = 0;
};

}  // namespace millrace::runtime
