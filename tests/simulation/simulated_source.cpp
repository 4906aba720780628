#include "tests/simulation/simulated_source.h"

#include <algorithm>
#include <set>

namespace millrace::tests {
namespace {

using runtime::Progress;
using runtime::Result;
using runtime::Status;

class Enumerator : public runtime::SplitEnumerator {
 public:
  Enumerator(SimulatedProcess* process, const Workload* work, int64_t first_start_ms)
      : process_(process), work_(work), first_start_ms_(first_start_ms) {
    interval_ms_ = work->discovers_by_time ? world().chance.Between(20, 300) : 0;
  }
  Result<std::vector<runtime::Split>> Discover() override {
    if (in_call_) world().Violation("two calls of one enumerator at once");
    in_call_ = true;
    // Some are slow: checkpoints are taken, and splits read to their end, meanwhile.
    if (world().chance.Chance(0.4))
      process_->executor().Sleep(world().chance.Between(1, 250) * 1'000'000);
    const bool alive = process_->BeginCall("discover", {});
    in_call_ = false;
    if (!alive) return SimulatedProcess::Dead();
    if (world().source_failures_left > 0 && world().chance.Chance(world().faults.source * 5)) {
      --world().source_failures_left;
      ++world().counts["failed discoveries"];
      return Status::External("splits can't be listed");
    }
    std::vector<runtime::Split> found;
    const int64_t now_ms = world().clock.NowMs() - first_start_ms_;
    for (size_t i = 0; i < work_->splits.size(); ++i) {
      const SimulatedSplit& split = work_->splits[i];
      if (found_.contains(i) || split.appears_ms > now_ms) continue;
      if (split.parent >= 0 && !finished_.contains(static_cast<size_t>(split.parent))) continue;
      found_.insert(i);
      found.push_back({std::to_string(i), "0"});
      world().Note("found", {}, static_cast<int64_t>(i));
    }
    return found;
  }
  int64_t discovery_interval_ms() const override { return interval_ms_; }
  bool done() const override { return found_.size() == work_->splits.size(); }
  std::string Snapshot() const override {
    if (in_call_) world().Violation("the enumerator was asked for a snapshot during a discovery");
    std::string text;
    for (size_t i = 0; i < work_->splits.size(); ++i) {
      text += finished_.contains(i) ? 'f' : found_.contains(i) ? 'r' : '-';
    }
    return text;
  }
  Status Restore(const std::string& snapshot) override {
    for (size_t i = 0; i < snapshot.size(); ++i) {
      if (snapshot[i] != '-') found_.insert(i);
      if (snapshot[i] == 'f') finished_.insert(i);
    }
    return Status::Ok();
  }
  void SplitFinished(const std::string& split_id) override {
    if (in_call_) world().Violation("the enumerator heard of a finished split during a discovery");
    finished_.insert(std::stoull(split_id));
  }

 private:
  World& world() const { return process_->world(); }
  SimulatedProcess* const process_;
  const Workload* const work_;
  const int64_t first_start_ms_;
  int64_t interval_ms_ = 0;
  std::set<size_t> found_, finished_;
  bool in_call_ = false;
};

class Reader : public runtime::SourceReader {
 public:
  Reader(SimulatedProcess* process, const Workload* work, int64_t first_start_ms)
      : process_(process), work_(work), first_start_ms_(first_start_ms) {}

  Status Open(runtime::OperatorContext& context) override {
    context_ = &context;
    process_->executor().Pause();
    if (world().chance.Chance(world().faults.deploy)) {
      ++world().counts["failed deployments"];
      return Status::External("the source can't be reached");
    }
    return Status::Ok();
  }
  Status AddSplits(const std::vector<runtime::Split>& splits) override {
    if (no_more_ && !splits.empty())
      world().Violation("a reader was given splits after the last ones");
    for (const runtime::Split& split : splits) {
      reading_.push_back({std::stoi(split.id), std::stoll(split.position), 0, false});
      world().Note("split", split.id, reading_.back().next);
    }
    return Status::Ok();
  }
  void NoMoreSplits() override { no_more_ = true; }

  Result<Progress> Poll(runtime::ReadOutput* out) override {
    if (world().source_failures_left > 0 && world().chance.Chance(world().faults.source)) {
      --world().source_failures_left;
      ++world().counts["failed polls"];
      world().Note("fault", "poll");
      return Status::External("the source is gone");
    }
    const int64_t now_ms = world().clock.NowMs();
    std::vector<size_t> ready;
    int64_t next_ms = INT64_MAX;
    bool open = false;
    for (size_t i = 0; i < reading_.size(); ++i) {
      if (reading_[i].finished) continue;
      open = true;
      if (reading_[i].ready_ms <= now_ms) ready.push_back(i);
      next_ms = std::min(next_ms, reading_[i].ready_ms);
    }
    if (!open) return no_more_ ? Progress::kFinished : Progress::kBlocked;
    if (ready.empty()) {
      AskToBeWoken(next_ms);
      return Progress::kBlocked;
    }
    const size_t chosen = ready[world().chance.Below(ready.size())];
    Reading& reading = reading_[chosen];
    const SimulatedSplit& split = work_->splits[static_cast<size_t>(reading.split)];
    out->split = static_cast<int32_t>(chosen);
    const int64_t end = std::min(split.rows, reading.next + world().chance.Between(1, 20));
    if (end > reading.next) {
      runtime::BatchBuilder builder(context_->pool(), SourceRowType());
      for (; reading.next < end; ++reading.next) {
        const SimulatedRow row = work_->Row(reading.split, reading.next);
        builder.column(0).AppendString(row.key);
        builder.column(1).Append(row.value);
        builder.column(2).Append(row.time_ms);
        builder.column(3).Append(static_cast<int64_t>(reading.split));
        builder.column(4).Append(reading.next);
        builder.EndRow();
      }
      out->batch = builder.Finish();
    }
    if (reading.next == split.rows) {
      const int64_t closes_ms = first_start_ms_ + split.closes_ms;
      if (closes_ms > now_ms) {
        reading.ready_ms = closes_ms;
      } else if (out->batch == nullptr || world().chance.Chance(0.5)) {
        reading.finished = out->split_finished = true;
      }
    } else {
      reading.ready_ms = now_ms + world().chance.Between(0, split.most_pause_ms);
    }
    return Progress::kMore;
  }
  Result<std::vector<runtime::Split>> Snapshot() override {
    std::vector<runtime::Split> splits;
    for (const Reading& reading : reading_) {
      if (reading.finished) continue;
      splits.push_back({std::to_string(reading.split), std::to_string(reading.next)});
    }
    return splits;
  }

 private:
  struct Reading {
    int split;
    int64_t next;
    int64_t ready_ms;
    bool finished;
  };
  void AskToBeWoken(int64_t time_ms) {
    if (world().chance.Chance(0.5)) {
      context_->SetProcessingTimer(time_ms);
      return;
    }
    if (*fetches_ > 2) return;  // one of them will wake it
    ++*fetches_;
    context_->RunIo([process = process_, fetches = fetches_, wake = context_->waker(), time_ms] {
      process->executor().Sleep((time_ms - process->world().clock.NowMs()) * 1'000'000);
      --*fetches;
      wake();
    });
  }
  World& world() { return process_->world(); }

  SimulatedProcess* const process_;
  const Workload* const work_;
  const int64_t first_start_ms_;
  runtime::OperatorContext* context_ = nullptr;
  std::vector<Reading> reading_;
  std::shared_ptr<int> fetches_ = std::make_shared<int>(0);
  bool no_more_ = false;
};

class SimulatedSource : public runtime::Source {
 public:
  SimulatedSource(SimulatedProcess* process, const Workload* work, int64_t first_start_ms)
      : process_(process), work_(work), first_start_ms_(first_start_ms) {}
  Result<std::unique_ptr<runtime::SplitEnumerator>> MakeEnumerator() override {
    return std::unique_ptr<runtime::SplitEnumerator>(
        std::make_unique<Enumerator>(process_, work_, first_start_ms_));
  }
  Result<std::unique_ptr<runtime::SourceReader>> MakeReader() override {
    return std::unique_ptr<runtime::SourceReader>(
        std::make_unique<Reader>(process_, work_, first_start_ms_));
  }
  bool bounded() const override { return true; }

 private:
  SimulatedProcess* const process_;
  const Workload* const work_;
  const int64_t first_start_ms_;
};

class Generator : public runtime::WatermarkGenerator {
 public:
  explicit Generator(int64_t disorder_ms) : disorder_ms_(disorder_ms) {}
  Result<runtime::Timestamp> OnBatch(const runtime::Batch& batch,
                                     std::vector<runtime::Timestamp>* marks) override {
    marks->clear();
    for (int32_t i = 0; i < batch.num_rows(); ++i) {
      const auto time = batch.column(2).At<int64_t>(batch.PhysicalRow(i));
      mark_ = std::max(mark_, time - disorder_ms_ - 1);
      marks->push_back(mark_);
    }
    return mark_;
  }

 private:
  const int64_t disorder_ms_;
  runtime::Timestamp mark_ = runtime::kMinTimestamp;
};

}  // namespace

runtime::ConnectorInfo SimulatedConnector(SimulatedProcess* process, const Workload* work,
                                          int64_t first_start_ms) {
  runtime::ConnectorInfo info;
  info.name = "simulated";
  info.make_source = [=](const runtime::TableSpec&) -> Result<std::unique_ptr<runtime::Source>> {
    return std::unique_ptr<runtime::Source>(
        std::make_unique<SimulatedSource>(process, work, first_start_ms));
  };
  return info;
}

runtime::WatermarkFactory SimulatedWatermarks(const Workload* work) {
  return
      [work](const std::string&, const runtime::RowType&,
             const runtime::JobSettings&) -> Result<std::unique_ptr<runtime::WatermarkGenerator>> {
        return std::unique_ptr<runtime::WatermarkGenerator>(
            std::make_unique<Generator>(work->disorder_ms));
      };
}

}  // namespace millrace::tests
