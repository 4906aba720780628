#include "tests/simulation/probe.h"

#include "tests/simulation/workload.h"

namespace millrace::tests {
namespace {

using runtime::Progress;
using runtime::Result;
using runtime::Status;

class Probe : public runtime::Operator {
 public:
  Probe(SimulatedProcess* process, bool late_allowed, std::string uid)
      : process_(process), late_allowed_(late_allowed), uid_(std::move(uid)) {}

  Status Open(runtime::OperatorContext& context) override {
    context_ = &context;
    World& world = process_->world();
    process_->executor().Pause();
    if (world.chance.Chance(world.faults.deploy)) {
      ++world.counts["failed deployments"];
      return Status::External("the operator can't be opened");
    }
    return Status::Ok();
  }
  Result<Progress> Process(int, const runtime::BatchPtr& batch, runtime::Output& out) override {
    if (next_row_ == 0) {
      if (finished_) Wrong("a batch after the end");
      for (int32_t i = 0; i < batch->num_rows(); ++i) {
        const auto time = batch->column(2).At<int64_t>(batch->PhysicalRow(i));
        if (time > watermark_ || batch->column(3).At<int64_t>(batch->PhysicalRow(i)) < 0) continue;
        ++process_->world().counts["late rows at " + uid_];
        process_->world().Note("late", uid_, watermark_ - time);
        if (late_allowed_) continue;
        Wrong("a row that is late by " + std::to_string(watermark_ - time) + " ms");
      }
    }
    Random& chance = process_->world().chance;
    if (!waited_ && chance.Chance(0.03)) {
      // Blocks for a while, as an operator does that waits for an answer.
      waited_ = true;
      answered_ = std::make_shared<bool>(false);
      context_->RunIo([process = process_, answered = answered_, wake = context_->waker()] {
        process->executor().Pause();
        *answered = true;
        wake();
      });
    }
    if (waited_ && !*answered_) return Progress::kBlocked;
    const int32_t left = batch->num_rows() - next_row_;
    const auto rows = chance.Chance(0.7) ? left : static_cast<int32_t>(chance.Between(1, left));
    out.Emit(rows == batch->num_rows()
                 ? batch
                 : runtime::SliceRows(context_->pool(), batch, next_row_, rows));
    if (rows < left) {
      next_row_ += rows;
      return Progress::kMore;
    }
    next_row_ = 0;
    waited_ = false;
    return Progress::kNeedInput;
  }
  Result<Progress> OnWatermark(runtime::Timestamp time, runtime::Output&) override {
    if (next_row_ != 0) Wrong("a watermark within a batch");
    if (time <= watermark_) Wrong("a watermark that does not rise");
    watermark_ = time;
    process_->world().Note("watermark", uid_, context_->subtask(), time);
    return Progress::kNeedInput;
  }
  Result<Progress> PrepareBarrier(int64_t checkpoint_id, runtime::Output&) override {
    if (next_row_ != 0) Wrong("a barrier within a batch");
    if (checkpoint_id <= checkpoint_id_) Wrong("barriers out of order");
    checkpoint_id_ = checkpoint_id;
    return Progress::kNeedInput;
  }
  Result<Progress> Finish(int, runtime::Output&) override {
    if (finished_) Wrong("a second end");
    if (watermark_ != runtime::kMaxTimestamp) Wrong("an end before the last watermark");
    finished_ = true;
    return Progress::kNeedInput;
  }

 private:
  void Wrong(const std::string& what) {
    process_->world().Violation(uid_ + "/" + std::to_string(context_->subtask()) + " was given " +
                                what);
  }
  SimulatedProcess* const process_;
  const bool late_allowed_;
  const std::string uid_;
  runtime::OperatorContext* context_ = nullptr;
  runtime::Timestamp watermark_ = runtime::kMinTimestamp;
  int64_t checkpoint_id_ = 0;
  int32_t next_row_ = 0;
  bool waited_ = false;
  std::shared_ptr<bool> answered_;
  bool finished_ = false;
};

class Census : public runtime::Operator {
 public:
  std::vector<runtime::StateSpec> States() const override {
    runtime::StateSpec spec;
    spec.name = "rows";
    spec.kind = runtime::StateKind::kList;
    return {spec};
  }
  Status Open(runtime::OperatorContext& context) override {
    context_ = &context;
    for (const std::string& entry : context.list(0)) rows_ += std::stoll(entry);
    return Status::Ok();
  }
  Result<Progress> Process(int, const runtime::BatchPtr& batch, runtime::Output& out) override {
    rows_ += batch->num_rows();
    out.Emit(batch);
    return Progress::kNeedInput;
  }
  Result<Progress> PrepareBarrier(int64_t, runtime::Output&) override {
    context_->list(0) = {std::to_string(rows_)};
    return Progress::kNeedInput;
  }
  Result<Progress> Finish(int, runtime::Output& out) override {
    runtime::BatchBuilder builder(context_->pool(), SourceRowType());
    builder.column(0).AppendString("rows counted");
    builder.column(1).Append(rows_);
    builder.column(2).Append(int64_t{0});
    builder.column(3).Append(int64_t{-1});
    builder.column(4).Append(int64_t{0});
    builder.EndRow();
    out.Emit(builder.Finish());
    rows_ = 0;  // said once, also if the job goes on from the final checkpoint
    return Progress::kNeedInput;
  }

 private:
  runtime::OperatorContext* context_ = nullptr;
  int64_t rows_ = 0;
};

}  // namespace

void RegisterProbes(runtime::Registry* registry, SimulatedProcess* process, const Workload& work) {
  const bool may_be_late = work.rows_may_be_late(), later = work.splits_found_later > 0;
  registry->AddOperator(
      "probe",
      [=](const runtime::OperatorSpec& spec,
          const runtime::JobSettings&) -> Result<std::unique_ptr<runtime::Operator>> {
        // Behind a second exchange also the first split found later: both sides of the first were
        // idle.
        const bool late_allowed = may_be_late || (later && spec.uid == "probe-write");
        return std::unique_ptr<runtime::Operator>(
            std::make_unique<Probe>(process, late_allowed, spec.uid));
      });
  registry->AddOperator(
      "census",
      [](const runtime::OperatorSpec&,
         const runtime::JobSettings&) -> Result<std::unique_ptr<runtime::Operator>> {
        return std::unique_ptr<runtime::Operator>(std::make_unique<Census>());
      });
}

}  // namespace millrace::tests
