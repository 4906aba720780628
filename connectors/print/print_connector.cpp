#include "connectors/print/print_connector.h"

#include <unistd.h>

#include <atomic>

#include "connectors/print/changelog_table.h"
#include "runtime/types/text/value_text.h"

namespace millrace::connectors {

namespace {

using namespace runtime;  // NOLINT: this file is about the runtime's contracts

constexpr OptionSpec kOptions[] = {
    {"print-identifier", OptionType::kString, nullptr, "Put before each line, with '> '."},
    {"standard-error", OptionType::kBool, "false", "Write to standard error."},
    {"sink.parallelism", OptionType::kInt, nullptr, "Subtasks of the sink.", "", false, false,
     true}};
constexpr OptionSpec kCollectOptions[] = {
    {"collect.id", OptionType::kString, nullptr, "Set by the SQL shell."},
    {"collect.style", OptionType::kEnum, "rows",
     "'rows' as print writes them, or a 'table'. Set by the SQL shell.", "rows,table"}};

class PrintWriter : public SinkWriter {
 public:
  PrintWriter(RowType type, std::string identifier, bool with_subtask, int descriptor)
      : type_(std::move(type)),
        identifier_(std::move(identifier)),
        with_subtask_(with_subtask),
        descriptor_(descriptor) {}

  Status Open(OperatorContext& context) override {
    prefix_ = identifier_;
    if (with_subtask_ && context.parallelism() > 1) {
      if (!prefix_.empty()) prefix_ += ":";
      prefix_ += std::to_string(context.subtask() + 1);
    }
    if (!prefix_.empty()) prefix_ += "> ";
    return Status::Ok();
  }
  Result<Progress> Write(const BatchPtr& batch) override {
    text_.clear();
    for (int32_t i = 0; i < batch->num_rows(); ++i) {
      text_ += prefix_;
      PrintRow(type_, *batch, batch->PhysicalRow(i), &text_);
      text_ += '\n';
    }
    WriteAll(descriptor_, text_);
    return Progress::kNeedInput;
  }
  Result<Progress> Prepare(int64_t, bool, std::vector<std::string>*) override {
    return Progress::kNeedInput;
  }

 private:
  const RowType type_;
  const std::string identifier_;
  const bool with_subtask_;
  const int descriptor_;
  std::string prefix_;
  std::string text_;
};

class PrintSink : public Sink {
 public:
  PrintSink(RowType type, std::string identifier, bool with_subtask, int descriptor)
      : type_(std::move(type)),
        identifier_(std::move(identifier)),
        with_subtask_(with_subtask),
        descriptor_(descriptor) {}
  Result<std::unique_ptr<SinkWriter>> MakeWriter() override {
    return std::make_unique<PrintWriter>(type_, identifier_, with_subtask_, descriptor_);
  }
  Result<std::unique_ptr<SinkCommitter>> MakeCommitter() override {
    return std::unique_ptr<SinkCommitter>();
  }

 private:
  const RowType type_;
  const std::string identifier_;
  const bool with_subtask_;
  const int descriptor_;
};

class TableWriter : public SinkWriter {
 public:
  TableWriter(std::shared_ptr<ChangelogTable> table, std::shared_ptr<std::atomic<int>> open)
      : table_(std::move(table)), open_(std::move(open)) {}
  Status Open(OperatorContext&) override {
    table_->Begin();
    return Status::Ok();
  }
  Result<Progress> Write(const BatchPtr& batch) override {
    table_->Write(*batch);
    return Progress::kNeedInput;
  }
  Result<Progress> Prepare(int64_t, bool end_of_input, std::vector<std::string>*) override {
    if (end_of_input && open_->fetch_sub(1) == 1) table_->Finish();
    return Progress::kNeedInput;
  }

 private:
  const std::shared_ptr<ChangelogTable> table_;
  const std::shared_ptr<std::atomic<int>> open_;  // subtasks that have not ended
};

// One table of all subtasks.
class TableSink : public Sink {
 public:
  TableSink(RowType type, TimeZone zone, int parallelism)
      : table_(std::make_shared<ChangelogTable>(std::move(type), std::move(zone), STDOUT_FILENO)),
        open_(std::make_shared<std::atomic<int>>(parallelism)) {}
  Result<std::unique_ptr<SinkWriter>> MakeWriter() override {
    return std::make_unique<TableWriter>(table_, open_);
  }
  Result<std::unique_ptr<SinkCommitter>> MakeCommitter() override {
    return std::unique_ptr<SinkCommitter>();
  }

 private:
  const std::shared_ptr<ChangelogTable> table_;
  const std::shared_ptr<std::atomic<int>> open_;
};

}  // namespace

ConnectorInfo MakePrintConnector() {
  ConnectorInfo info;
  info.name = "print";
  info.options = kOptions;
  info.sink_changelog = "all";
  info.abilities = {"partition"};
  info.make_sink = [](const TableSpec& table) -> Result<std::unique_ptr<Sink>> {
    const std::string own[] = {"connector"};
    ASSIGN_OR_RETURN(Options options, Options::Parse(kOptions, table.options, own));
    return std::make_unique<PrintSink>(
        table.produced, options.Find("print-identifier").value_or(""), true,
        options.Bool("standard-error") ? STDERR_FILENO : STDOUT_FILENO);
  };
  return info;
}

ConnectorInfo MakeCollectConnector() {
  ConnectorInfo info;
  info.name = "collect";
  info.options = kCollectOptions;
  info.sink_changelog = "all";
  info.make_sink = [](const TableSpec& table) -> Result<std::unique_ptr<Sink>> {
    const std::string own[] = {"connector"};
    ASSIGN_OR_RETURN(Options options, Options::Parse(kCollectOptions, table.options, own));
    if (options.String("collect.style") == "table") {
      ASSIGN_OR_RETURN(TimeZone zone, TimeZone::Find(table.time_zone));
      return std::make_unique<TableSink>(table.produced, std::move(zone), table.parallelism);
    }
    return std::make_unique<PrintSink>(table.produced, "", false, STDOUT_FILENO);
  };
  return info;
}

}  // namespace millrace::connectors
