#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/api/operator.h"
#include "runtime/api/sink.h"
#include "runtime/api/source.h"
#include "runtime/engine/channel.h"

namespace millrace::runtime {

// What one subtask contributes to a checkpoint besides keyed state.
struct OperatorSnapshot {
  std::string uid;
  std::vector<std::pair<std::string, ListEntries>> lists;  // state name, entries
  std::vector<std::string> writer_states;
  std::vector<Committable> committables;
  bool is_source = false;
  std::vector<Split> splits;
  std::vector<std::string> finished_splits;
};

// A part of a subtask that takes elements: an operator, a sink, an exchange. Children get what it
// emits. The chain runs depth first on one thread; a node that can't go on says so, keeps where it
// was, and goes on when asked again.
class ChainNode {
 public:
  virtual ~ChainNode() = default;
  // Takes an element and works on it. True: done with it and everything it led to. False: blocked;
  // call Run until it is true before offering anything else.
  Result<bool> Offer(int input, const Element& element) {
    if (!busy_) {
      busy_ = true;
      input_ = input;
      element_ = element;
      RETURN_IF_ERROR(Begin());
    }
    return Run();
  }
  Result<bool> Run() {
    ASSIGN_OR_RETURN(const bool done, Work());
    if (done) {
      busy_ = false;
      element_ = Element{};
    }
    return done;
  }
  bool busy() const { return busy_; }

  void AddChild(ChainNode* child) { children_.push_back(child); }
  // Adds what the node contributes to the checkpoint whose barrier it was just given.
  virtual void Snapshot(OperatorSnapshot* snapshot) {}
  virtual const std::string& uid() const = 0;

 protected:
  virtual Status Begin() { return Status::Ok(); }
  virtual Result<bool> Work() = 0;
  // Offers an element to all children in order; false: one is blocked, call again with the same.
  Result<bool> Deliver(const Element& element) {
    while (next_child_ < children_.size()) {
      ASSIGN_OR_RETURN(const bool done, children_[next_child_]->Offer(0, element));
      if (!done) return false;
      ++next_child_;
    }
    next_child_ = 0;
    return true;
  }

  std::vector<ChainNode*> children_;
  size_t next_child_ = 0;
  bool busy_ = false;
  int input_ = 0;
  Element element_;
};

class NodeOperatorContext;

// Runs an Operator: names and resolves keys, calls it until done, sends its output on.
class OperatorNode : public ChainNode {
 public:
  OperatorNode(std::string uid, std::unique_ptr<Operator> op,
               std::unique_ptr<NodeOperatorContext> context);
  ~OperatorNode() override;
  const std::string& uid() const override { return uid_; }
  void Snapshot(OperatorSnapshot* snapshot) override;
  Operator& op() { return *op_; }
  NodeOperatorContext& context() { return *context_; }
  bool finished() const { return finished_; }

 protected:
  Status Begin() override;
  Result<bool> Work() override;

 private:
  Result<Progress> Call(Output& out);

  enum class Stage : uint8_t { kResolve, kCall, kSelf, kForward };
  const std::string uid_;
  std::unique_ptr<NodeOperatorContext> context_;  // outlives the operator
  std::unique_ptr<Operator> op_;
  Stage stage_ = Stage::kCall;
  bool called_to_end_ = false;
  bool blocked_ = false;
  std::optional<Element> out_;        // being delivered
  std::optional<Element> out_next_;   // watermark or idleness behind it
  Timestamp sent_watermark_ = kMinTimestamp;
  bool sent_idle_ = false;
  bool finished_ = false;
  Counter& records_in_;
  Counter& records_out_;
  Gauge& watermark_metric_;
};

// Runs a SinkWriter.
class SinkNode : public ChainNode {
 public:
  SinkNode(std::string uid, std::unique_ptr<SinkWriter> writer,
           std::unique_ptr<NodeOperatorContext> context);
  ~SinkNode() override;
  const std::string& uid() const override { return uid_; }
  void Snapshot(OperatorSnapshot* snapshot) override;
  SinkWriter& writer() { return *writer_; }
  NodeOperatorContext& context() { return *context_; }
  void SetEndOfInput() { end_of_input_ = true; }

 protected:
  Result<bool> Work() override;

 private:
  const std::string uid_;
  std::unique_ptr<NodeOperatorContext> context_;
  std::unique_ptr<SinkWriter> writer_;
  std::vector<std::string> prepared_;
  std::vector<std::string> writer_states_;
  bool end_of_input_ = false;
  int64_t prepared_id_ = 0;
  Counter& records_in_;
  Gauge& watermark_metric_;
};

}  // namespace millrace::runtime
