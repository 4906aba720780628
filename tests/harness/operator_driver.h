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
    // Gives a real backend's state instead of MemoryTables; then there is no restoring.
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
};

}  // namespace millrace::tests
