#include "tests/harness/operator_driver.h"

#include <algorithm>
#include <stdexcept>

#include "runtime/types/text/value_text.h"

namespace millrace::tests {

using runtime::Access;
using runtime::Batch;
using runtime::BatchPtr;
using runtime::Output;
using runtime::Progress;
using runtime::Result;
using runtime::RowKind;
using runtime::RowType;
using runtime::StateKind;
using runtime::Status;

namespace {

void ThrowIfFailed(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

std::vector<std::string> SplitTop(std::string_view text, std::string_view separator) {
  std::vector<std::string> parts;
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    depth += text[i] == '(' || text[i] == '<' ? 1 : 0;
    depth -= text[i] == ')' || text[i] == '>' ? 1 : 0;
    if (depth == 0 && text.substr(i, separator.size()) == separator) {
      parts.emplace_back(text.substr(begin, i - begin));
      begin = i + separator.size();
      i = begin - 1;
    }
  }
  parts.emplace_back(text.substr(begin));
  return parts;
}

class Metrics : public runtime::MetricGroup {
 public:
  runtime::Counter& counter(std::string_view name) override { return counters_[std::string(name)]; }
  runtime::Gauge& gauge(std::string_view name) override { return gauges_[std::string(name)]; }
  void SetText(std::string_view, std::string) override {}

 private:
  std::map<std::string, runtime::Counter> counters_;
  std::map<std::string, runtime::Gauge> gauges_;
};

}  // namespace

RowType MakeRowType(std::string_view fields) {
  RowType type;
  for (const std::string& field : SplitTop(fields, ", ")) {
    const size_t space = field.find(' ');
    auto parsed = runtime::LogicalType::Parse(std::string_view(field).substr(space + 1));
    ThrowIfFailed(parsed.status());
    type.push_back({field.substr(0, space), parsed.value()});
  }
  return type;
}

BatchPtr MakeBatch(const RowType& type, const std::vector<std::string>& rows) {
  runtime::BatchBuilder builder(runtime::ProcessPool(), type);
  runtime::TimeZone zone;
  for (std::string_view row : rows) {
    RowKind kind = RowKind::kInsert;
    const size_t open = row.find('[');
    if (row.substr(0, open) == "-U") kind = RowKind::kUpdateBefore;
    if (row.substr(0, open) == "+U") kind = RowKind::kUpdateAfter;
    if (row.substr(0, open) == "-D") kind = RowKind::kDelete;
    const auto values = SplitTop(row.substr(open + 1, row.size() - open - 2), ", ");
    if (values.size() != type.size()) throw std::runtime_error("row: " + std::string(row));
    for (size_t c = 0; c < values.size(); ++c) {
      auto& column = builder.column(static_cast<int>(c));
      if (values[c] == "null") {
        column.AppendNull();
      } else {
        ThrowIfFailed(runtime::ParseValue(values[c], &zone, &column));
      }
    }
    builder.EndRow(kind);
  }
  return builder.Finish();
}

std::vector<std::string> PrintBatch(const RowType& type, const Batch& batch) {
  std::vector<std::string> rows;
  for (int32_t i = 0; i < batch.num_rows(); ++i) {
    runtime::PrintRow(type, batch, batch.PhysicalRow(i), &rows.emplace_back());
  }
  return rows;
}

class OperatorDriver::Requests : public runtime::KeyRequests {
 public:
  explicit Requests(Context* context) : context_(context) {}
  void Add(int state, Access access, const runtime::KeyNames& names) override;

 private:
  Context* context_;
};

class OperatorDriver::Context : public runtime::OperatorContext {
 public:
  Context(const runtime::JobSettings& settings, const Options& options)
      : now(options.now_ms),
        settings_(settings),
        subtask_(options.subtask),
        parallelism_(options.parallelism) {}

  const runtime::JobSettings& settings() const override { return settings_; }
  const runtime::RunIdentity& run() const override { return run_; }
  int subtask() const override { return subtask_; }
  int parallelism() const override { return parallelism_; }
  int max_parallelism() const override { return 128; }
  runtime::MemoryPool& pool() override { return runtime::ProcessPool(); }
  runtime::MetricGroup& metrics() override { return metrics_; }
  int64_t now_ms() const override { return now; }
  const runtime::Clock& clock() const override { return runtime::SystemClock(); }
  Result<runtime::FileSystem*> file_system(std::string_view) override {
    return Status::Internal("no file system");
  }
  void RunIo(std::function<void()> work) override { work(); }
  runtime::Timestamp watermark() const override { return watermark_now; }
  runtime::KeyedTable& keyed(int index) override { return *keyed_tables.at(index); }
  runtime::ListEntries& list(int index) override { return lists.at(index); }
  uint8_t* const* rows(int index, int request) override {
    return resolved.at(index).at(static_cast<size_t>(request))->data();
  }
  void SetProcessingTimer(int64_t time_ms) override {
    if (timer < 0 || time_ms < timer) timer = time_ms;
  }
  std::function<void()> waker() override {
    return [] {};
  }

  void ReleasePins() {
    for (auto& [index, table] : keyed_tables) table->ReleasePins();
    resolved.clear();
    if (state != nullptr) state->Housekeep();
  }

  std::map<int, std::unique_ptr<MemoryTable>> tables;
  std::unique_ptr<runtime::SubtaskState> state;
  std::map<int, runtime::KeyedTable*> keyed_tables;
  std::map<int, runtime::ListEntries> lists;
  std::map<int, std::vector<std::unique_ptr<std::vector<uint8_t*>>>> resolved;
  runtime::Timestamp watermark_now = runtime::kMinTimestamp;
  int64_t timer = -1;
  int64_t now;

 private:
  const runtime::JobSettings& settings_;
  const int subtask_;
  const int parallelism_;
  runtime::RunIdentity run_;
  Metrics metrics_;
};

void OperatorDriver::Requests::Add(int state, Access access, const runtime::KeyNames& names) {
  auto rows = std::make_unique<std::vector<uint8_t*>>(static_cast<size_t>(names.count) + 1);
  auto& table = *context_->keyed_tables.at(state);
  for (;;) {
    auto ready = table.Resolve(names, access, rows->data());
    ThrowIfFailed(ready.status());
    if (*ready == runtime::Readiness::kReady) break;
  }
  context_->resolved[state].push_back(std::move(rows));
}

OperatorDriver::OperatorDriver(Factory factory, runtime::OperatorSpec spec, Options options)
    : factory_(std::move(factory)), spec_(std::move(spec)), options_(std::move(options)) {
  settings_.batch_rows = options_.batch_rows;
  settings_.time_zone = options_.time_zone;
  context_ = std::make_unique<Context>(settings_, options_);
  context_->lists = options_.from.lists;
  if (options_.make_state) context_->state = options_.make_state();
  Start();
}
OperatorDriver::~OperatorDriver() = default;

void OperatorDriver::Start() {
  auto made = factory_(spec_, settings_);
  ThrowIfFailed(made.status());
  operator_ = std::move(made).value();
  const std::vector<runtime::StateSpec> specs = operator_->States();
  for (size_t i = 0; i < specs.size(); ++i) {
    const auto index = static_cast<int>(i);
    if (specs[i].kind == StateKind::kList || specs[i].kind == StateKind::kUnionList) {
      context_->lists[index];
      continue;
    }
    if (context_->state != nullptr) {
      auto opened = context_->state->Open(spec_.uid, specs[i]);
      ThrowIfFailed(opened.status());
      context_->keyed_tables[index] = opened.value();
      continue;
    }
    auto table = std::make_unique<MemoryTable>(specs[i]);
    table->SetTime(context_->now);
    table->set_pending(options_.pending);
    if (context_->tables.count(index) != 0) {
      table->Restore(context_->tables[index]->Snapshot());
    } else if (options_.from.tables.count(index) != 0) {
      table->Restore(options_.from.tables[index]);
    }
    context_->keyed_tables[index] = table.get();
    context_->tables[index] = std::move(table);
  }
  ThrowIfFailed(operator_->Open(*context_));
}

std::vector<std::string> OperatorDriver::Drain(
    const std::function<Result<Progress>(Output&)>& call) {
  std::vector<std::string> emitted;
  for (int calls = 0;; ++calls) {
    Output out;
    const auto progress = call(out);
    ThrowIfFailed(progress.status());
    if (!out.empty()) {
      const BatchPtr batch = out.Take();
      if (batch->num_rows() > options_.batch_rows) throw std::runtime_error("batch over the limit");
      for (int c = 0; c < batch->num_columns(); ++c) {
        const auto want = spec_.output.at(static_cast<size_t>(c)).type.physical();
        if (batch->column(c).physical() != want) {
          throw std::runtime_error("output column " + std::to_string(c) + " has another type");
        }
      }
      batches_.push_back(batch);
    }
    if (options_.elements) RecordElements(&emitted);
    if (progress.value() != Progress::kMore && progress.value() != Progress::kBlocked) break;
    if (calls > 10'000'000) throw std::runtime_error("no end");
  }
  context_->ReleasePins();
  if (copying_ && context_->state->CopySome(1)) copying_ = false;
  // Printed only now, so that a view into state shows.
  for (; printed_ < batches_.size(); ++printed_) {
    for (std::string& row : PrintBatch(spec_.output, *batches_[printed_])) {
      emitted.push_back(std::move(row));
    }
  }
  changelog_.insert(changelog_.end(), emitted.begin(), emitted.end());
  return emitted;
}

// With elements the rows are printed at once, to stand before the watermark behind them.
void OperatorDriver::RecordElements(std::vector<std::string>* emitted) {
  for (; printed_ < batches_.size(); ++printed_) {
    for (std::string& row : PrintBatch(spec_.output, *batches_[printed_])) {
      emitted->push_back(std::move(row));
    }
  }
  const runtime::Timestamp watermark = operator_->NextWatermark();
  if (watermark != runtime::kMinTimestamp) {
    emitted->push_back("watermark " + std::to_string(watermark));
  }
  const bool idle = operator_->Idle().value_or(false);
  if (idle != idle_) emitted->push_back(idle ? "idle" : "active");
  idle_ = idle;
}

DriverSnapshot OperatorDriver::Freeze(int64_t checkpoint_id) {
  DriverSnapshot snapshot;
  snapshot.lists = context_->lists;
  for (const auto& [index, table] : context_->tables) snapshot.tables[index] = table->Snapshot();
  if (context_->state != nullptr) {
    context_->state->Freeze(checkpoint_id, false);
    copying_ = true;
  }
  return snapshot;
}

runtime::SubtaskState* OperatorDriver::state() { return context_->state.get(); }

void OperatorDriver::Between() {
  if (options_.restore_between && context_->state == nullptr) Restore();
}

std::vector<std::string> OperatorDriver::ProcessPiece(const BatchPtr& batch, int input) {
  for (auto& [index, table] : context_->tables) table->SetTime(context_->now);
  if (context_->state != nullptr) context_->state->SetTime(context_->now);
  Requests requests(context_.get());
  context_->resolved.clear();
  ThrowIfFailed(operator_->NameKeys(input, *batch, requests));
  return Drain([&](Output& out) { return operator_->Process(input, batch, out); });
}

std::vector<std::string> OperatorDriver::Process(const BatchPtr& batch, int input) {
  std::vector<std::string> all;
  for (int32_t begin = 0; begin < batch->num_rows(); begin += options_.input_rows) {
    const int32_t count = std::min(options_.input_rows, batch->num_rows() - begin);
    BatchPtr piece = runtime::SliceRows(runtime::ProcessPool(), batch, begin, count);
    if (!options_.selected) {
      piece = runtime::Compact(runtime::ProcessPool(), spec_.inputs.at(static_cast<size_t>(input)),
                               piece);
    }
    for (std::string& row : ProcessPiece(piece, input)) all.push_back(std::move(row));
    Between();
  }
  return all;
}

std::vector<std::string> OperatorDriver::Process(const std::vector<std::string>& rows, int input) {
  std::vector<std::string> given = rows;
  if (options_.selected) {  // every other row is noise
    given.clear();
    for (const std::string& row : rows) given.insert(given.end(), {row, row});
  }
  BatchPtr batch = MakeBatch(spec_.inputs.at(static_cast<size_t>(input)), given);
  if (options_.selected) {
    runtime::BufferPtr kept = runtime::ProcessPool().Allocate(rows.size() * sizeof(int32_t));
    for (size_t i = 0; i < rows.size(); ++i) {
      reinterpret_cast<int32_t*>(kept->data())[i] = static_cast<int32_t>(2 * i + 1);
    }
    auto selected = std::make_shared<Batch>(*batch);
    selected->SetSelection(std::move(kept), static_cast<int32_t>(rows.size()));
    batch = std::move(selected);
  }
  return Process(batch, input);
}

std::vector<std::string> OperatorDriver::Watermark(int64_t time) {
  context_->watermark_now = time;
  watermark_ = time;
  auto all = Drain([&](Output& out) { return operator_->OnWatermark(time, out); });
  Between();
  return all;
}

std::vector<std::string> OperatorDriver::Barrier() {
  return Drain([&](Output& out) { return operator_->PrepareBarrier(1, out); });
}

std::vector<std::string> OperatorDriver::AdvanceTo(int64_t now_ms) {
  std::vector<std::string> all;
  while (context_->timer >= 0 && context_->timer <= now_ms) {
    context_->now = std::max(context_->now, context_->timer);
    context_->timer = -1;
    const int64_t now = context_->now;
    for (std::string& row : Drain([&](Output& out) { return operator_->OnTimer(now, out); })) {
      all.push_back(std::move(row));
    }
  }
  context_->now = now_ms;
  return all;
}

std::vector<std::string> OperatorDriver::Finish(int input) {
  return Drain([&](Output& out) { return operator_->Finish(input, out); });
}

void OperatorDriver::Restore() {
  Barrier();
  operator_.reset();
  context_->timer = -1;
  context_->watermark_now = runtime::kMinTimestamp;
  Start();
}

int64_t OperatorDriver::counter(const std::string& name) const {
  return context_->metrics().counter(name).value();
}

int64_t OperatorDriver::num_rows(int index) const {
  return context_->keyed_tables.at(index)->num_rows();
}

}  // namespace millrace::tests
