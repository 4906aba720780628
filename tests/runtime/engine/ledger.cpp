#include "tests/runtime/engine/ledger.h"

namespace millrace::runtime {

class LedgerWriter : public SinkWriter {
 public:
  explicit LedgerWriter(Ledger* ledger) : ledger_(ledger) {}
  Status Open(OperatorContext& context) override {
    context_ = &context;
    return Status::Ok();
  }
  Result<Progress> Write(const BatchPtr& batch) override {
    for (int32_t i = 0; i < batch->num_rows(); ++i) {
      const int32_t row = batch->PhysicalRow(i);
      rows_.emplace_back(batch->column(0).At<int64_t>(row), batch->column(1).At<int64_t>(row));
    }
    return Progress::kNeedInput;
  }
  Result<Progress> Prepare(int64_t checkpoint_id, bool, std::vector<std::string>* out) override {
    if (ledger_->may_prepare && !ledger_->may_prepare(context_->subtask(), checkpoint_id)) {
      context_->RunIo([wake = context_->waker()] {
        SystemClock().SleepFor(std::chrono::milliseconds(1));
        wake();
      });
      return Progress::kBlocked;
    }
    if (rows_.empty()) return Progress::kNeedInput;
    const std::string transaction = context_->run().run_id + "/" +
                                    std::to_string(context_->subtask()) + "/" +
                                    std::to_string(checkpoint_id);
    std::lock_guard lock(ledger_->mutex_);
    ledger_->prepared_[transaction] = std::exchange(rows_, {});
    out->push_back(transaction);
    return Progress::kNeedInput;
  }

 private:
  Ledger* const ledger_;
  OperatorContext* context_ = nullptr;
  std::vector<Ledger::Row> rows_;
};

class LedgerCommitter : public SinkCommitter {
 public:
  explicit LedgerCommitter(Ledger* ledger) : ledger_(ledger) {}
  Status Commit(std::span<const Committable> committables) override {
    if (ledger_->before_commit) RETURN_IF_ERROR(ledger_->before_commit());
    std::lock_guard lock(ledger_->mutex_);
    for (const Committable& committable : committables) {
      if (ledger_->done_.contains(committable.bytes)) continue;
      auto found = ledger_->prepared_.find(committable.bytes);
      if (found == ledger_->prepared_.end()) {
        return Status::Internal("no such transaction: " + committable.bytes);
      }
      for (const Ledger::Row& row : found->second) ++ledger_->committed_[row];
      ledger_->prepared_.erase(found);
      ledger_->done_.insert(committable.bytes);
      ++ledger_->commits_;
    }
    return Status::Ok();
  }
  Status AbortAfter(const RunIdentity&, std::span<const std::string>) override {
    std::lock_guard lock(ledger_->mutex_);
    ledger_->prepared_.clear();
    return Status::Ok();
  }

 private:
  Ledger* const ledger_;
};

void Ledger::Register(Registry& registry, const std::string& name) {
  class LedgerSink : public Sink {
   public:
    explicit LedgerSink(Ledger* ledger) : ledger_(ledger) {}
    Result<std::unique_ptr<SinkWriter>> MakeWriter() override {
      return std::make_unique<LedgerWriter>(ledger_);
    }
    Result<std::unique_ptr<SinkCommitter>> MakeCommitter() override {
      return std::make_unique<LedgerCommitter>(ledger_);
    }

   private:
    Ledger* const ledger_;
  };
  ConnectorInfo info;
  info.name = name;
  info.make_sink = [this](const TableSpec&) -> Result<std::unique_ptr<Sink>> {
    return std::make_unique<LedgerSink>(this);
  };
  registry.AddConnector(std::move(info));
}

}  // namespace millrace::runtime
