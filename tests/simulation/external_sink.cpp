#include <set>

#include "tests/simulation/external_system.h"

namespace millrace::tests {
namespace {

using runtime::Progress;
using runtime::Result;
using runtime::Status;

// One field as text; only the types that the simulated jobs have.
void AppendField(const runtime::Vector& column, const runtime::LogicalType& type, int32_t row,
                 std::string* to) {
  if (column.IsNull(row)) {
    *to += "null";
  } else if (type.kind() == runtime::TypeKind::kVarChar) {
    const runtime::StringRef text = column.At<runtime::StringRef>(row);
    to->append(text.data(), text.size());
  } else {
    *to += std::to_string(column.At<int64_t>(row));
  }
}

class Writer : public runtime::SinkWriter {
 public:
  Writer(SimulatedProcess* process, ExternalSystem* external, runtime::TableSpec table)
      : process_(process), external_(external), table_(std::move(table)) {}

  Status Open(runtime::OperatorContext& context) override {
    context_ = &context;
    World& world = process_->world();
    process_->executor().Pause();
    if (world.chance.Chance(world.faults.deploy)) {
      ++world.counts["failed deployments"];
      return Status::External("the external system can't be reached");
    }
    lane_->wake = context.waker();
    piece_rows_ = static_cast<size_t>(world.chance.Between(1, 200));
    return Status::Ok();
  }
  Status Restore(const std::vector<std::string>& states) override {
    for (const std::string& state : states) rows_ever_ += std::stoll(state);
    return Status::Ok();
  }
  Result<Progress> Write(const runtime::BatchPtr& batch) override {
    RETURN_IF_ERROR(lane_->status);
    if (lane_->running > 3) return Progress::kBlocked;
    for (int32_t i = 0; i < batch->num_rows(); ++i) {
      const int32_t row = batch->PhysicalRow(i);
      std::string text;
      for (int c = 0; c < batch->num_columns(); ++c) {
        if (c > 0) text += '|';
        AppendField(batch->column(c), table_.produced[static_cast<size_t>(c)].type, row, &text);
      }
      rows_.push_back(std::move(text));
    }
    rows_ever_ += batch->num_rows();
    if (rows_.size() >= piece_rows_) StagePiece();
    return Progress::kNeedInput;
  }
  Result<Progress> Prepare(int64_t checkpoint_id, bool end_of_input,
                           std::vector<std::string>* committables) override {
    RETURN_IF_ERROR(lane_->status);
    if (checkpoint_id <= last_prepared_) {
      process_->world().Violation("a sink was given the barrier of checkpoint " +
                                  std::to_string(checkpoint_id) + " after that of " +
                                  std::to_string(last_prepared_));
    }
    if (end_of_input && !ended_) {
      ended_ = true;
      rows_.push_back("rows ever|" + std::to_string(rows_ever_));
    }
    if (!rows_.empty()) StagePiece();
    if (lane_->running > 0) return Progress::kBlocked;
    RETURN_IF_ERROR(lane_->status);
    last_prepared_ = checkpoint_id;
    for (std::string& name : staged_) committables->push_back(std::move(name));
    staged_.clear();
    return Progress::kNeedInput;
  }
  Result<std::vector<std::string>> Snapshot() override {
    if (ended_) return std::vector<std::string>{"0"};
    return std::vector<std::string>{std::to_string(rows_ever_)};
  }

 private:
  struct Lane {  // shared with IO work, which may live longer
    std::function<void()> wake;
    int running = 0;
    Status status;
  };
  void StagePiece() {
    ExternalSystem::Transaction transaction;
    transaction.sink = table_.uid;
    transaction.job_id = context_->run().job_id;
    transaction.run_id = context_->run().run_id;
    transaction.subtask = context_->subtask();
    transaction.rows = std::move(rows_);
    rows_.clear();
    const std::string name = table_.uid + "/" + transaction.run_id + "/" +
                             std::to_string(context_->subtask()) + "/" + std::to_string(next_++);
    staged_.push_back(name);
    ++lane_->running;
    context_->RunIo([lane = lane_, process = process_, external = external_, name,
                     transaction = std::move(transaction)] {
      const Status status = external->Stage(*process, name, transaction);
      if (!status.ok() && lane->status.ok()) lane->status = status;
      --lane->running;
      lane->wake();
    });
  }

  SimulatedProcess* const process_;
  ExternalSystem* const external_;
  const runtime::TableSpec table_;
  runtime::OperatorContext* context_ = nullptr;
  const std::shared_ptr<Lane> lane_ = std::make_shared<Lane>();
  size_t piece_rows_ = 1;
  std::vector<std::string> rows_;
  std::vector<std::string> staged_;
  int64_t rows_ever_ = 0;
  int64_t next_ = 0;
  int64_t last_prepared_ = 0;
  bool ended_ = false;
};

class Committer : public runtime::SinkCommitter {
 public:
  Committer(SimulatedProcess* process, ExternalSystem* external, std::string uid)
      : process_(process), external_(external), uid_(std::move(uid)) {}

  Status Commit(std::span<const runtime::Committable> committables) override {
    for (const runtime::Committable& committable : committables) {
      // Only a failed call may be repeated, and whatever else was in it.
      if (!failed_before_ && committed_.contains(committable.bytes)) {
        process_->world().Violation("committed again, though the answer had been OK: " +
                                    committable.bytes);
      }
      const Status status =
          external_->Commit(*process_, committable.bytes, committable.checkpoint_id);
      if (!status.ok()) {
        failed_before_ = true;
        return status;
      }
      committed_.insert(committable.bytes);
    }
    return Status::Ok();
  }
  Status AbortAfter(const runtime::RunIdentity& run, std::span<const std::string>) override {
    return external_->AbortStaged(*process_, uid_, run.job_id);
  }

 private:
  SimulatedProcess* const process_;
  ExternalSystem* const external_;
  const std::string uid_;
  std::set<std::string> committed_;
  bool failed_before_ = false;
};

class ExternalSink : public runtime::Sink {
 public:
  ExternalSink(SimulatedProcess* process, ExternalSystem* external, runtime::TableSpec table)
      : process_(process), external_(external), table_(std::move(table)) {}
  Result<std::unique_ptr<runtime::SinkWriter>> MakeWriter() override {
    return std::unique_ptr<runtime::SinkWriter>(
        std::make_unique<Writer>(process_, external_, table_));
  }
  Result<std::unique_ptr<runtime::SinkCommitter>> MakeCommitter() override {
    return std::unique_ptr<runtime::SinkCommitter>(
        std::make_unique<Committer>(process_, external_, table_.uid));
  }

 private:
  SimulatedProcess* const process_;
  ExternalSystem* const external_;
  const runtime::TableSpec table_;
};

}  // namespace

runtime::ConnectorInfo ExternalConnector(SimulatedProcess* process, ExternalSystem* external) {
  runtime::ConnectorInfo info;
  info.name = "external";
  info.sink_changelog = "all";
  info.make_sink = [=](const runtime::TableSpec& table) -> Result<std::unique_ptr<runtime::Sink>> {
    return std::unique_ptr<runtime::Sink>(std::make_unique<ExternalSink>(process, external, table));
  };
  return info;
}

}  // namespace millrace::tests
