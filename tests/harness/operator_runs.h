#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/api/registry.h"
#include "runtime/api/state.h"
#include "tests/harness/operator_case.h"

namespace millrace::tests {

// One way to run a case.
struct CaseRun {
  int32_t batch_rows = 1024;                 // of input and output batches at most
  std::optional<uint64_t> cuts_seed;         // cuts input batches at random instead
  bool selected = false;                     // input as selections among other rows
  bool pending = false;                      // the model's state answers kPending first
  runtime::StateBackend* backend = nullptr;  // null: the model (MemoryTable)
  std::string directory;                     // of the backend's files
  int parallelism = 1;
  // Position of a unit before which everything is frozen, made anew and restored; -1: none.
  int restore_before = -1;
  int restored_parallelism = 1;  // REQUIRES: 1 without a backend
  int run_on_units = 0;  // so many units run on, to no avail, while what is frozen is copied

  std::string ToString() const;
};

// Runs a case and returns what each group gave. Throws std::runtime_error on an error.
std::vector<std::vector<std::string>> RunCase(const OperatorCase& wanted,
                                              const runtime::Registry& registry,
                                              const CaseRun& run);

// Runs a case in every way: batches of 1 and 1,024 rows, cut at random, selections, on the model
// and on `backend`, frozen and restored before every unit, on the backend also at another
// parallelism. Returns what differed from the expected, in words, at most a few.
std::vector<std::string> CheckCase(const OperatorCase& wanted, const runtime::Registry& registry,
                                   runtime::StateBackend* backend, const std::string& directory);

}  // namespace millrace::tests
