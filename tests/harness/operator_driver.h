#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/api/operator.h"
#include "tests/harness/memory_state.h"

namespace millrace::tests {

// Makes a batch of rows written as "+I[1, null, abc]" (the kind may be left out: +I). Values are
// read as CAST from a string reads them; text runs up to the next ", ".
runtime::BatchPtr MakeBatch(const runtime::RowType& type, const std::vector<std::string>& rows);
// Makes a row type of "name TYPE, name TYPE NOT NULL".
runtime::RowType MakeRowType(std::string_view fields);
// Prints the rows of a batch as the print connector does.
std::vector<std::string> PrintBatch(const runtime::RowType& type, const runtime::Batch& batch);

// What a driver's state was at a barrier, free of any pointer.
struct DriverSnapshot {
  std::map<int, MemoryRows> tables;              // on the model
  std::map<int, runtime::ListEntries> lists;     // by state
  std::vector<runtime::StateHandle> handles;     // on a real backend
};

// Drives one operator as the engine does, over MemoryTables, and checks its side of the contract:
// one batch a call within the batch limit, rows and strings that stay valid after the state moved.
// A failed call throws its status as std::runtime_error.
class OperatorDriver {
 public:
  using Factory = std::function<runtime::Result<std::unique_ptr<runtime::Operator>>(
      const runtime::OperatorSpec&, const runtime::JobSettings&)>;
  struct Options {
    int32_t input_rows = 1 << 30;  // batches are cut into pieces of so many rows
    int32_t batch_rows = 1024;     // of JobSettings: the limit of an output batch
    bool selected = false;         // input comes as a selection among other rows
    bool pending = false;          // tables answer kPending once before each success
    bool restore_between = false;  // snapshot, a new operator, restore between any two inputs
    int64_t now_ms = 0;
    std::string time_zone = "UTC";
    bool elements = false;         // the changelog also has "watermark N", "idle" and "active"
    int subtask = 0;
    int parallelism = 1;
    DriverSnapshot from;           // what to begin with; its handles are up to make_state
    // Gives a real backend's state instead of MemoryTables; then Restore can't be called.
    std::function<std::unique_ptr<runtime::SubtaskState>()> make_state;
  };

  OperatorDriver(Factory factory, runtime::OperatorSpec spec, Options options);
  ~OperatorDriver();

  // Each returns what was emitted, as strings, and adds it to changelog().
  std::vector<std::string> Process(const runtime::BatchPtr& batch, int input = 0);
  std::vector<std::string> Process(const std::vector<std::string>& rows, int input = 0);
  std::vector<std::string> Watermark(int64_t time);
  std::vector<std::string> Barrier();
  // Moves the clock, calling OnTimer at each time that was asked for.
  std::vector<std::string> AdvanceTo(int64_t now_ms);
  std::vector<std::string> Finish(int input = 0);
  // A barrier, then a new operator over copies of the state.
  void Restore();
  // Names what the state is right now, behind a Barrier. On a real backend only the lists: the state
  // is frozen, and copied little by little between the following calls; whoever holds the backend
  // takes the delta.
  DriverSnapshot Freeze(int64_t checkpoint_id);
  // The state that make_state gave; null on the model.
  runtime::SubtaskState* state();

  const std::vector<std::string>& changelog() const { return changelog_; }
  // Output batches as they came.
  const std::vector<runtime::BatchPtr>& batches() const { return batches_; }
  int64_t counter(const std::string& name) const;
  // Rows of state `index`.
  int64_t num_rows(int index) const;
  runtime::Operator& operator_under_test() { return *operator_; }

 private:
  class Context;
  class Requests;

  void Start();
  std::vector<std::string> ProcessPiece(const runtime::BatchPtr& batch, int input);
  std::vector<std::string> Drain(
      const std::function<runtime::Result<runtime::Progress>(runtime::Output&)>& call);
  void Between();
  void RecordElements(std::vector<std::string>* emitted);

  Factory factory_;
  runtime::OperatorSpec spec_;
  Options options_;
  runtime::JobSettings settings_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<runtime::Operator> operator_;
  std::vector<std::string> changelog_;
  std::vector<runtime::BatchPtr> batches_;
  size_t printed_ = 0;
  int64_t watermark_ = runtime::kMinTimestamp;
  bool idle_ = false;
  bool copying_ = false;  // a frozen state is not copied out yet
};

}  // namespace millrace::tests
