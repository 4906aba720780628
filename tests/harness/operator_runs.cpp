#include "tests/harness/operator_runs.h"

#include <algorithm>
#include <random>
#include <stdexcept>

#include "runtime/types/key_identity.h"
#include "tests/harness/operator_driver.h"

namespace millrace::tests {
namespace {

using runtime::BatchPtr;
using runtime::KeyEncoder;
using runtime::StateHandle;
using Kind = OperatorCase::Unit::Kind;
using Groups = std::vector<std::vector<std::string>>;

constexpr int kMaxParallelism = 128;

template <typename T>
T Need(runtime::Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().ToString());
  return std::move(result).value();
}

// What all subtasks of all stages were at a barrier.
struct JobSnapshot {
  struct Stage {
    std::vector<DriverSnapshot> subtasks;
    std::vector<StateHandle> handles;
  };
  std::vector<Stage> stages;
  int64_t now_ms = 0;
};

// The stages of a case, with some subtasks each.
class Job {
 public:
  Job(const OperatorCase& wanted, const runtime::Registry& registry, const CaseRun& run,
      int parallelism, const JobSnapshot* from)
      : case_(wanted), run_(run), parallelism_(parallelism) {
    now_ms_ = from == nullptr ? 0 : from->now_ms;
    for (size_t s = 0; s < wanted.stages.size(); ++s) {
      std::vector<std::unique_ptr<OperatorDriver>>& subtasks = stages_.emplace_back();
      for (int i = 0; i < parallelism; ++i) {
        subtasks.push_back(MakeDriver(registry, wanted.stages[s], i,
                                      from == nullptr ? nullptr : &from->stages[s]));
      }
    }
  }

  void RunRows(const std::vector<std::string>& rows) {
    Feed(0, MakeBatch(case_.stages[0].spec.inputs[0], rows));
  }
  void RunElement(const OperatorCase::Unit& unit) {
    for (size_t s = 0; s < stages_.size(); ++s) {
      for (auto& driver : stages_[s]) {
        if (unit.kind == Kind::kWatermark) driver->Watermark(unit.time);
        if (unit.kind == Kind::kTime) driver->AdvanceTo(unit.time);
        if (unit.kind == Kind::kEnd) {
          driver->Watermark(runtime::kMaxTimestamp);
          driver->Finish();
        }
        PassOn(s, *driver);
      }
    }
    if (unit.kind == Kind::kTime) now_ms_ = unit.time;
  }
  // All that came out since the last call.
  std::vector<std::string> Take() {
    std::vector<std::string> rows;
    for (auto& driver : stages_.back()) {
      size_t& taken = taken_rows_[driver.get()];
      rows.insert(rows.end(), driver->changelog().begin() + static_cast<ptrdiff_t>(taken),
                  driver->changelog().end());
      taken = driver->changelog().size();
    }
    return rows;
  }
  // A barrier through all stages; state is frozen behind it.
  JobSnapshot Freeze(int64_t checkpoint_id) {
    JobSnapshot snapshot;
    snapshot.now_ms = now_ms_;
    for (size_t s = 0; s < stages_.size(); ++s) {
      JobSnapshot::Stage& stage = snapshot.stages.emplace_back();
      for (auto& driver : stages_[s]) {
        driver->Barrier();
        PassOn(s, *driver);
        stage.subtasks.push_back(driver->Freeze(checkpoint_id));
      }
    }
    return snapshot;
  }
  // Copies and writes what was frozen.
  void Store(int64_t checkpoint_id, JobSnapshot* snapshot) {
    if (run_.backend == nullptr) return;
    for (size_t s = 0; s < stages_.size(); ++s) {
      std::vector<std::unique_ptr<runtime::StateDelta>> deltas;
      for (auto& driver : stages_[s]) {
        while (!driver->state()->CopySome(100'000)) {
        }
        deltas.push_back(driver->state()->TakeDelta());
      }
      snapshot->stages[s].handles = Need(run_.backend->Write(
          run_.directory + "/" + case_.stages[s].spec.uid, checkpoint_id, deltas));
      for (auto& driver : stages_[s]) driver->state()->CheckpointEnded(checkpoint_id, nullptr);
    }
  }

 private:
  std::unique_ptr<OperatorDriver> MakeDriver(const runtime::Registry& registry,
                                             const OperatorCase::Stage& stage, int subtask,
                                             const JobSnapshot::Stage* from) {
    OperatorDriver::Options options;
    options.batch_rows = run_.batch_rows;
    options.selected = run_.selected;
    options.pending = run_.pending;
    options.now_ms = now_ms_;
    options.time_zone = case_.zone;
    options.elements = case_.elements;
    options.subtask = subtask;
    options.parallelism = parallelism_;
    const auto factory = [&registry](const runtime::OperatorSpec& spec,
                                     const runtime::JobSettings& settings) {
      return registry.MakeOperator(spec, settings);
    };
    if (from != nullptr) {
      options.from = from->subtasks[run_.backend == nullptr ? static_cast<size_t>(subtask) : 0];
      options.from.lists = ListsOf(stage, subtask, *from, factory);
    }
    if (run_.backend != nullptr) {
      options.make_state = [this, &stage, subtask, from] {
        runtime::SubtaskStateOptions state;
        state.job_id = "job";
        state.vertex_uid = stage.spec.uid;
        state.subtask = subtask;
        state.key_groups = runtime::KeyGroupsOf(subtask, parallelism_, kMaxParallelism);
        state.max_parallelism = kMaxParallelism;
        state.pool = runtime::ProcessPool().MakeChild("subtask");
        if (from != nullptr) state.restore = from->handles;
        return Need(run_.backend->MakeSubtaskState(std::move(state)));
      };
    }
    return std::make_unique<OperatorDriver>(factory, stage.spec, options);
  }

  // List state: split entry by entry, or all of it to each.
  std::map<int, runtime::ListEntries> ListsOf(const OperatorCase::Stage& stage, int subtask,
                                              const JobSnapshot::Stage& from,
                                              const OperatorDriver::Factory& factory) {
    const auto specs = Need(factory(stage.spec, {}))->States();
    std::map<int, runtime::ListEntries> lists;
    for (size_t i = 0; i < specs.size(); ++i) {
      const bool all = specs[i].kind == runtime::StateKind::kUnionList;
      if (!all && specs[i].kind != runtime::StateKind::kList) continue;
      int number = 0;
      for (const DriverSnapshot& old : from.subtasks) {
        const auto found = old.lists.find(static_cast<int>(i));
        if (found == old.lists.end()) continue;
        for (const std::string& entry : found->second) {
          if (all || number++ % parallelism_ == subtask) {
            lists[static_cast<int>(i)].push_back(entry);
          }
        }
      }
    }
    return lists;
  }

  void Feed(size_t stage, const BatchPtr& batch) {
    if (parallelism_ == 1) {
      FeedSubtask(stage, 0, batch);
      return;
    }
    // Rows go where the exchange sends them; without keys anywhere.
    std::vector<uint16_t> groups(static_cast<size_t>(batch->num_rows()));
    const std::vector<int>& keys = case_.stages[stage].keys;
    if (keys.empty()) {
      for (uint16_t& group : groups) {
        group = static_cast<uint16_t>(next_row_++ * 37 % kMaxParallelism);
      }
    } else {
      std::vector<runtime::LogicalType> types;
      std::vector<const runtime::Vector*> columns;
      for (int key : keys) {
        types.push_back(case_.stages[stage].spec.inputs[0][static_cast<size_t>(key)].type);
        columns.push_back(&batch->column(key));
      }
      std::vector<int32_t> rows;
      for (int32_t i = 0; i < batch->num_rows(); ++i) rows.push_back(batch->PhysicalRow(i));
      KeyEncoder(types).KeyGroups(columns, rows.data(), batch->num_rows(), kMaxParallelism,
                                  groups.data());
    }
    // In order, in pieces for one subtask each.
    for (int32_t begin = 0, end; begin < batch->num_rows(); begin = end) {
      const auto subtask_of = [&](int32_t row) {
        return runtime::SubtaskOf(groups[static_cast<size_t>(row)], parallelism_, kMaxParallelism);
      };
      for (end = begin + 1; end < batch->num_rows() && subtask_of(end) == subtask_of(begin);) ++end;
      FeedSubtask(stage, subtask_of(begin),
                  runtime::SliceRows(runtime::ProcessPool(), batch, begin, end - begin));
    }
  }
  void FeedSubtask(size_t stage, int subtask, const BatchPtr& batch) {
    OperatorDriver& driver = *stages_[stage][static_cast<size_t>(subtask)];
    driver.Process(batch);
    PassOn(stage, driver);
  }
  void PassOn(size_t stage, OperatorDriver& driver) {
    size_t& taken = taken_batches_[&driver];
    while (taken < driver.batches().size()) {
      const BatchPtr batch = driver.batches()[taken++];
      if (stage + 1 < stages_.size()) Feed(stage + 1, batch);
    }
  }

  const OperatorCase& case_;
  const CaseRun& run_;
  const int parallelism_;
  std::vector<std::vector<std::unique_ptr<OperatorDriver>>> stages_;
  std::map<const OperatorDriver*, size_t> taken_batches_;
  std::map<const OperatorDriver*, size_t> taken_rows_;
  int64_t next_row_ = 0;
  int64_t now_ms_ = 0;
};

// Runs units begin .. end - 1, adding what they give to their groups.
void RunUnits(const OperatorCase& wanted, const CaseRun& run, Job* job, size_t begin, size_t end,
              Groups* groups) {
  std::mt19937_64 random(run.cuts_seed.value_or(0));
  for (size_t i = begin; i < end;) {
    const OperatorCase::Unit& unit = wanted.units[i];
    if (unit.kind != Kind::kRow) {
      job->RunElement(unit);
      ++i;
    } else {
      const size_t most = run.cuts_seed ? 1 + random() % 4 : static_cast<size_t>(run.batch_rows);
      std::vector<std::string> rows;
      for (; i < end && rows.size() < most && wanted.units[i].kind == Kind::kRow &&
             wanted.units[i].group == unit.group;
           ++i) {
        rows.push_back(wanted.units[i].row);
      }
      job->RunRows(rows);
    }
    for (std::string& row : job->Take()) {
      (*groups)[static_cast<size_t>(unit.group)].push_back(std::move(row));
    }
  }
}

}  // namespace

std::string CaseRun::ToString() const {
  std::string text = "batches of " + std::to_string(batch_rows);
  if (cuts_seed) text += ", cut at random by seed " + std::to_string(*cuts_seed);
  if (selected) text += ", selections";
  text += backend == nullptr ? ", on the model" : ", on the backend";
  if (pending) text += ", pending";
  text += ", parallelism " + std::to_string(parallelism);
  if (restore_before >= 0) {
    text += ", restored before unit " + std::to_string(restore_before) + " at parallelism " +
            std::to_string(restored_parallelism);
    if (run_on_units > 0) text += " after running on for " + std::to_string(run_on_units);
  }
  return text;
}

std::vector<std::vector<std::string>> RunCase(const OperatorCase& wanted,
                                              const runtime::Registry& registry,
                                              const CaseRun& run) {
  Groups groups(wanted.expected.size());
  auto job = std::make_unique<Job>(wanted, registry, run, run.parallelism, nullptr);
  size_t begin = 0;
  if (run.restore_before >= 0) {
    begin = static_cast<size_t>(run.restore_before);
    RunUnits(wanted, run, job.get(), 0, begin, &groups);
    constexpr int64_t kCheckpoint = 1;
    JobSnapshot snapshot = job->Freeze(kCheckpoint);
    for (std::string& row : job->Take()) {  // what a barrier gives
      groups[static_cast<size_t>(wanted.units[begin == 0 ? 0 : begin - 1].group)].push_back(
          std::move(row));
    }
    Groups lost(groups.size());
    const size_t run_on =
        std::min(wanted.units.size(), begin + static_cast<size_t>(run.run_on_units));
    RunUnits(wanted, run, job.get(), begin, run_on, &lost);
    job->Store(kCheckpoint, &snapshot);
    job = std::make_unique<Job>(wanted, registry, run, run.restored_parallelism, &snapshot);
  }
  RunUnits(wanted, run, job.get(), begin, wanted.units.size(), &groups);
  return groups;
}

std::vector<std::string> CheckCase(const OperatorCase& wanted, const runtime::Registry& registry,
                                   runtime::StateBackend* backend, const std::string& directory) {
  std::vector<std::string> wrong;
  int number = 0;
  const auto check = [&](CaseRun run) {
    if (wrong.size() >= 3) return;
    if (run.backend != nullptr) run.directory = directory + "/" + std::to_string(number++);
    const bool sorted = wanted.any_order || run.parallelism > 1 || run.restored_parallelism > 1;
    std::string words;
    try {
      Groups given = RunCase(wanted, registry, run);
      for (size_t g = 0; g < given.size() && words.empty(); ++g) {
        std::vector<std::string> expected = wanted.expected[g];
        if (sorted) {
          std::sort(given[g].begin(), given[g].end());
          std::sort(expected.begin(), expected.end());
        }
        if (given[g] == expected) continue;
        words = "group " + std::to_string(g + 1) + " gave";
        for (const std::string& row : given[g]) words += "\n    " + row;
        words += "\n  expected";
        for (const std::string& row : expected) words += "\n    " + row;
      }
    } catch (const std::exception& e) {
      words = e.what();
    }
    if (!words.empty()) wrong.push_back(wanted.name + ", " + run.ToString() + ": " + words);
  };
  const auto units = static_cast<int>(wanted.units.size());
  for (runtime::StateBackend* state : {static_cast<runtime::StateBackend*>(nullptr), backend}) {
    for (int32_t rows : {1, 1024}) check({.batch_rows = rows, .backend = state});
    check({.batch_rows = 2, .selected = true, .pending = state == nullptr, .backend = state});
    for (uint64_t seed = 1; seed <= 5; ++seed) check({.cuts_seed = seed, .backend = state});
    for (int at = 0; at < units; ++at) {
      for (int32_t rows : {1, 1024}) {
        check({.batch_rows = rows, .backend = state, .restore_before = at});
      }
      check({.cuts_seed = static_cast<uint64_t>(at) + 7,
             .backend = state,
             .restore_before = at,
             .run_on_units = 1 + at % 5});
    }
  }
  if (wanted.single) return wrong;
  check({.backend = backend, .parallelism = 3});
  for (int at = 0; at < units; ++at) {
    for (const auto& [before, after] : {std::pair{1, 2}, {2, 1}, {2, 3}, {5, 4}}) {
      check({.backend = backend,
             .parallelism = before,
             .restore_before = at,
             .restored_parallelism = after,
             .run_on_units = at % 3});
    }
  }
  return wrong;
}

}  // namespace millrace::tests
