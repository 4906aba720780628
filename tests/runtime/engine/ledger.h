#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "runtime/api/registry.h"
#include "runtime/api/sink.h"

namespace millrace::runtime {

// A place outside of the job that takes rows in transactions: what is committed stays, whatever
// becomes of the job. Rows are told apart by their first two BIGINT columns.
class Ledger {
 public:
  using Row = std::pair<int64_t, int64_t>;

  // Registered as connector `name`.
  void Register(Registry& registry, const std::string& name);

  std::map<Row, int> committed() const {  // how often each row
    std::lock_guard lock(mutex_);
    return committed_;
  }
  int64_t commits() const {
    std::lock_guard lock(mutex_);
    return commits_;
  }
  size_t prepared_transactions() const {
    std::lock_guard lock(mutex_);
    return prepared_.size();
  }
  // Called before each Commit, outside of any lock: what it returns is what the committer says.
  std::function<Status()> before_commit;
  // Called by each Prepare (subtask, checkpoint); false: it stays blocked and is asked again.
  std::function<bool(int, int64_t)> may_prepare;

 private:
  friend class LedgerWriter;
  friend class LedgerCommitter;
  mutable std::mutex mutex_;
  std::map<std::string, std::vector<Row>> prepared_;  // by transaction, "<run>/..."
  std::set<std::string> done_;
  std::map<Row, int> committed_;
  int64_t commits_ = 0;
};

}  // namespace millrace::runtime
