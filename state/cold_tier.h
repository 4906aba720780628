#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/types/status.h"
#include "state/cold_store.h"
#include "state/run_buffer.h"
#include "state/state_budget.h"

namespace millrace::state {

// Reads of RocksDB under way or done: keys asked for, and what was found of them.
struct ColdRead {
  RunBuffer wanted;  // values are the hashes
  RunBuffer found;   // tombstones: not there
  runtime::Status status;
  std::atomic<bool> done{false};
};

// A piece of a scan of RocksDB under way or done.
struct ColdScan {
  std::string prefix;
  std::string from;
  std::vector<std::pair<std::string, std::string>> rows;
  std::string next;  // empty: that was all
  runtime::Status status;
  std::atomic<bool> done{false};
};

// What a subtask has evicted: a run buffer that is being filled, full ones that wait to be ingested
// and are still searched, and a family of keys in RocksDB, made when the first of them is ingested.
// All calls by the owner of the subtask; the work on IO threads holds what it needs.
class ColdTier {
 public:
  struct Options {
    std::shared_ptr<StateBudget> budget;
    std::function<runtime::Result<std::shared_ptr<ColdFamily>>()> make_family;
    std::function<void(std::function<void()>)> run_io;  // null: at once
    std::function<void()> waker;                        // may be null
  };
  enum class Found : uint8_t { kAbsent, kRow, kUnknown };

  explicit ColdTier(Options options);
  ~ColdTier();

  StateBudget& budget() { return *options_.budget; }
  // Blocking: work is done at once, by the caller. So it begins.
  void SetBlocking(bool blocking) { blocking_ = blocking; }
  // Runs work on an IO thread and wakes the subtask after it.
  void RunIo(std::function<void()> work);

  // Returns the number of one more table, which begins its keys.
  uint16_t AddTable(bool sliced, int64_t ttl_ms);
  // Says that no key of this table with a lower incarnation is looked for any more.
  void SetLowestIncarnation(uint16_t table, uint32_t incarnation);
  void SetTime(int64_t now_ms);

  // False: too many run buffers wait. Rows must stay where they are.
  bool can_put() const { return frozen_.size() < kMostFrozen || !is_full(); }
  void Put(uint64_t hash, std::string_view key, std::string_view value);
  void PutTombstone(uint64_t hash, std::string_view key);

  // Searches the run buffers. kUnknown: only RocksDB can tell.
  Found Search(uint64_t hash, std::string_view key, std::string_view* value) const;
  // `found`: of a read before for the same call, to which this one adds.
  std::shared_ptr<ColdRead> Read(RunBuffer wanted, RunBuffer found);
  // Scans what was ingested. REQUIRES: all_ingested().
  std::shared_ptr<ColdScan> Scan(std::string prefix, std::string from);
  // Freezes what is in the run buffer; true once RocksDB holds all.
  bool IngestAll();

  // Nothing should be added to memory until the waker is called.
  bool is_behind() const { return !can_put(); }
  // Forgets run buffers that were ingested. Errors: the first of any ingestion.
  runtime::Status Poll();

 private:
  static constexpr size_t kMostFrozen = 2;

  struct FrozenRun {
    RunBuffer run;
    std::atomic<bool> ingested{false};
  };
  struct Io;

  bool is_full() const { return active_.used_bytes() >= options_.budget->RunBytes(); }
  void FreezeIfFull();
  void Freeze();

  const Options options_;
  bool blocking_ = true;
  std::shared_ptr<Io> io_;
  RunBuffer active_;
  std::deque<std::shared_ptr<FrozenRun>> frozen_;  // oldest first
  std::vector<RunBuffer> spare_;
  bool any_ingested_ = false;  // and forgotten here
};

}  // namespace millrace::state
