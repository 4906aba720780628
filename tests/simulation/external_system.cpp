#include "tests/simulation/external_system.h"

#include <algorithm>

namespace millrace::tests {

using runtime::Status;

Status ExternalSystem::Stage(SimulatedProcess& process, const std::string& name,
                             Transaction transaction) {
  if (!process.BeginCall("stage", name, static_cast<int64_t>(transaction.rows.size()))) {
    return SimulatedProcess::Dead();
  }
  if (world_->chance.Chance(world_->faults.external)) {
    ++world_->counts["failed stagings"];
    return Status::External("the external system does not answer");
  }
  by_name_[name] = transactions_.size();
  transactions_.push_back(std::move(transaction));
  return Status::Ok();
}

Status ExternalSystem::Commit(SimulatedProcess& process, const std::string& name,
                              int64_t checkpoint_id) {
  if (!process.BeginCall("commit", name, checkpoint_id)) return SimulatedProcess::Dead();
  const bool fault = world_->chance.Chance(world_->faults.external);
  if (fault && world_->chance.Chance(0.5)) {
    ++world_->counts["lost commits"];
    world_->Note("fault", "commit lost");
    return Status::External("the external system does not answer");
  }
  auto found = by_name_.find(name);
  if (found == by_name_.end()) {
    world_->Violation("commit of a transaction that was never staged: " + name);
    return Status::External("no such transaction", runtime::Retry::kNo);
  }
  Transaction& transaction = transactions_[found->second];
  if (transaction.state == Transaction::State::kAborted) {
    world_->Violation("commit of a transaction that was aborted: " + name);
    return Status::External("transaction was aborted", runtime::Retry::kNo);
  }
  if (transaction.state == Transaction::State::kStaged) {
    const std::string writer =
        transaction.sink + "/" + transaction.run_id + "/" + std::to_string(transaction.subtask);
    int64_t& newest = newest_[writer];
    if (checkpoint_id < newest) {
      world_->Violation("commits of one writer out of order: checkpoint " +
                        std::to_string(checkpoint_id) + " after " + std::to_string(newest));
    }
    newest = std::max(newest, checkpoint_id);
    transaction.state = Transaction::State::kCommitted;
    transaction.checkpoint_id = checkpoint_id;
    ++world_->counts["commits"];
  } else {
    ++world_->counts["repeated commits"];
  }
  if (fault) {
    ++world_->counts["lost answers of commits"];
    world_->Note("fault", "answer lost");
    return Status::External("the external system did not answer");
  }
  // Whoever waits for the answer may die.
  return process.BeginCall("committed", name) ? Status::Ok() : SimulatedProcess::Dead();
}

Status ExternalSystem::AbortStaged(SimulatedProcess& process, const std::string& sink,
                                   const std::string& job_id) {
  if (!process.BeginCall("abort", sink)) return SimulatedProcess::Dead();
  if (world_->chance.Chance(world_->faults.deploy)) {
    return Status::External("the external system does not answer");
  }
  for (Transaction& transaction : transactions_) {
    if (transaction.sink == sink && transaction.job_id == job_id &&
        transaction.state == Transaction::State::kStaged) {
      transaction.state = Transaction::State::kAborted;
      transaction.rows.clear();
    }
  }
  return Status::Ok();
}

std::vector<std::string> ExternalSystem::Committed(const std::string& sink) const {
  std::vector<std::string> rows;
  for (const Transaction& transaction : transactions_) {
    if (transaction.sink != sink || transaction.state != Transaction::State::kCommitted) continue;
    rows.insert(rows.end(), transaction.rows.begin(), transaction.rows.end());
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

void ExternalSystem::ForgetAfter(int64_t checkpoint_id) {
  for (Transaction& transaction : transactions_) {
    if (transaction.state == Transaction::State::kCommitted &&
        transaction.checkpoint_id > checkpoint_id) {
      transaction.state = Transaction::State::kAborted;
      transaction.rows.clear();
    }
  }
}

}  // namespace millrace::tests
