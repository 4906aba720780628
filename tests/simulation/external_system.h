#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/api/registry.h"
#include "tests/simulation/world.h"

namespace millrace::tests {

// A system with transactions that a sink writes to: rows are staged under a name and become visible
// when it is committed. Commits may be lost, or only their answers; a second commit of a name does
// nothing. Outlives the processes that use it, and says what the contract of SinkCommitter forbids.
class ExternalSystem {
 public:
  struct Transaction {
    std::string sink;
    std::string job_id;
    std::string run_id;
    int32_t subtask = 0;
    int64_t checkpoint_id = 0;  // once committed
    enum class State : uint8_t { kStaged, kCommitted, kAborted } state = State::kStaged;
    std::vector<std::string> rows;
  };

  explicit ExternalSystem(World* world) : world_(world) {}

  runtime::Status Stage(SimulatedProcess& process, const std::string& name,
                        Transaction transaction);
  runtime::Status Commit(SimulatedProcess& process, const std::string& name, int64_t checkpoint_id);
  runtime::Status AbortStaged(SimulatedProcess& process, const std::string& sink,
                              const std::string& job_id);
  // What is visible, sorted, of one sink.
  std::vector<std::string> Committed(const std::string& sink) const;
  // The user takes back what checkpoints after `checkpoint_id` made visible, to start again from an
  // older savepoint.
  void ForgetAfter(int64_t checkpoint_id);

 private:
  World* const world_;
  std::map<std::string, size_t> by_name_;
  std::vector<Transaction> transactions_;
  // Newest checkpoint committed, by sink, run and subtask.
  std::map<std::string, int64_t> newest_;
};

// The connector "external", a sink of rows of any type. Rows are written as text, fields apart by
// '|'.
runtime::ConnectorInfo ExternalConnector(SimulatedProcess* process, ExternalSystem* external);

}  // namespace millrace::tests
