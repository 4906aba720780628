#include "connectors/values/values_connector.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "connectors/values/json_rows.h"
#include "runtime/types/text/value_text.h"

namespace millrace::connectors {

namespace {

using namespace runtime;  // NOLINT: this file is about the runtime's contracts

constexpr OptionSpec kOptions[] = {
    {"values.rows-file", OptionType::kString, nullptr, "Source: file of rows."},
    {"values.rows-after-file", OptionType::kString, nullptr, "Source: file of rows behind them."},
    {"values.metadata", OptionType::kString, "", "Source: keys of metadata behind the columns."},
    {"values.output-file", OptionType::kString, nullptr, "Sink: file for the changes."},
    {"terminating", OptionType::kBool, "true", "Source: whether it ends after the last row."},
    {"source.num-element-to-skip", OptionType::kInt, "-1", "Source: rows not given."},
    {"", OptionType::kMap, nullptr, "Options of Flink's test connector that act in planning."}};

std::string EncodePosition(int64_t row) { return "\1" + std::to_string(row); }

class ValuesEnumerator : public SplitEnumerator {
 public:
  Result<std::vector<Split>> Discover() override {
    std::vector<Split> found;
    if (!discovered_) found.push_back({"rows", EncodePosition(0)});
    discovered_ = true;
    return found;
  }
  std::string Snapshot() const override { return discovered_ ? "\1d" : "\1"; }
  Status Restore(const std::string& snapshot) override {
    discovered_ = snapshot == "\1d";
    return Status::Ok();
  }

 private:
  bool discovered_ = false;
};

class ValuesReader : public SourceReader {
 public:
  ValuesReader(TableSpec table, Options options)
      : table_(std::move(table)), options_(std::move(options)) {}

  Status Open(OperatorContext& context) override {
    context_ = &context;
    RowType all = table_.physical;
    const std::string metadata = options_.String("values.metadata");
    std::vector<std::string> keys;
    for (size_t begin = 0; begin < metadata.size();) {
      const size_t end = std::min(metadata.find(',', begin), metadata.size());
      keys.push_back(metadata.substr(begin, end - begin));
      begin = end + 1;
    }
    // Types of metadata are those of the produced columns; keys that are not read have none.
    const size_t first_metadata = table_.produced.size() - table_.metadata.size();
    std::vector<int> metadata_at;
    for (const std::string& key : keys) {
      LogicalType type(TypeKind::kNull);
      for (size_t m = 0; m < table_.metadata.size(); ++m) {
        if (table_.metadata[m] == key) type = table_.produced[first_metadata + m].type;
      }
      all.push_back({key, type});
    }
    BatchBuilder rows(context.pool(), all);
    for (const char* name : {"values.rows-file", "values.rows-after-file"}) {
      const std::optional<std::string> path = options_.Find(name);
      if (!path.has_value()) continue;
      ASSIGN_OR_RETURN(FileSystem* const files, context.file_system(*path));
      ASSIGN_OR_RETURN(const std::string lines, files->ReadAll(*path));
      RETURN_IF_ERROR(AppendJsonRows(lines, *path, &rows));
    }
    total_ = rows.num_rows();
    if (total_ == 0) return Status::Ok();
    BatchPtr batch = rows.Finish();
    std::vector<VectorPtr> columns;
    for (size_t c = 0; c < table_.produced.size(); ++c) {
      if (c >= first_metadata) {
        const auto found = std::find(keys.begin(), keys.end(), table_.metadata[c - first_metadata]);
        if (found == keys.end()) {
          return Status::User("values: metadata is not in 'values.metadata': " +
                              table_.metadata[c - first_metadata]);
        }
        columns.push_back(batch->shared_column(
            static_cast<int>(table_.physical.size() + static_cast<size_t>(found - keys.begin()))));
        continue;
      }
      std::vector<int> path = {static_cast<int>(c)};
      if (!table_.projection.empty()) path = table_.projection[c];
      VectorPtr column = batch->shared_column(path[0]);
      for (size_t step = 1; step < path.size(); ++step) {
        column = column->children()[static_cast<size_t>(path[step])];
      }
      columns.push_back(std::move(column));
    }
    rows_ = WithColumns(*batch, std::move(columns), false);
    return Status::Ok();
  }
  Status AddSplits(const std::vector<Split>& splits) override {
    for (const Split& split : splits) {
      next_ = std::stoll(split.position.substr(1));
      has_split_ = true;
    }
    return Status::Ok();
  }
  void NoMoreSplits() override { no_more_ = true; }
  Result<Progress> Poll(ReadOutput* out) override {
    if (!has_split_ || finished_) return no_more_ ? Progress::kFinished : Progress::kBlocked;
    out->split = 0;
    if (next_ < total_) {
      const auto count =
          static_cast<int32_t>(std::min<int64_t>(context_->settings().batch_rows, total_ - next_));
      out->batch = SliceRows(context_->pool(), rows_, static_cast<int32_t>(next_), count);
      next_ += count;
      return Progress::kMore;
    }
    if (!options_.Bool("terminating")) return Progress::kBlocked;
    finished_ = true;
    out->split_finished = true;
    return Progress::kMore;
  }
  Result<std::vector<Split>> Snapshot() override {
    std::vector<Split> splits;
    if (has_split_ && !finished_) splits.push_back({"rows", EncodePosition(next_)});
    return splits;
  }

 private:
  const TableSpec table_;
  const Options options_;
  OperatorContext* context_ = nullptr;
  BatchPtr rows_;
  int64_t total_ = 0;
  int64_t next_ = 0;
  bool has_split_ = false;
  bool no_more_ = false;
  bool finished_ = false;
};

class ValuesSource : public Source {
 public:
  ValuesSource(TableSpec table, Options options)
      : table_(std::move(table)), options_(std::move(options)) {}
  Result<std::unique_ptr<SplitEnumerator>> MakeEnumerator() override {
    return std::make_unique<ValuesEnumerator>();
  }
  Result<std::unique_ptr<SourceReader>> MakeReader() override {
    return std::make_unique<ValuesReader>(table_, options_);
  }
  bool bounded() const override { return options_.Bool("terminating"); }

 private:
  const TableSpec table_;
  const Options options_;
};

// Appends lines to a file that all subtasks share.
class ValuesWriter : public SinkWriter {
 public:
  ValuesWriter(RowType type, std::string path) : type_(std::move(type)), path_(std::move(path)) {}
  ~ValuesWriter() override {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Status Open(OperatorContext&) override {
    if (path_.empty()) return Status::Ok();
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor_ < 0) return Status::FromErrno("open", path_, errno);
    return Status::Ok();
  }
  Result<Progress> Write(const BatchPtr& batch) override {
    if (descriptor_ < 0) return Progress::kNeedInput;
    text_.clear();
    for (int32_t i = 0; i < batch->num_rows(); ++i) {
      PrintRow(type_, *batch, batch->PhysicalRow(i), &text_);
      text_ += '\n';
    }
    if (::write(descriptor_, text_.data(), text_.size()) != static_cast<ssize_t>(text_.size())) {
      return Status::FromErrno("write", path_, errno);
    }
    return Progress::kNeedInput;
  }
  Result<Progress> Prepare(int64_t, bool, std::vector<std::string>*) override {
    return Progress::kNeedInput;
  }

 private:
  const RowType type_;
  const std::string path_;
  int descriptor_ = -1;
  std::string text_;
};

class ValuesSink : public Sink {
 public:
  ValuesSink(RowType type, std::string path) : type_(std::move(type)), path_(std::move(path)) {}
  Result<std::unique_ptr<SinkWriter>> MakeWriter() override {
    return std::make_unique<ValuesWriter>(type_, path_);
  }
  Result<std::unique_ptr<SinkCommitter>> MakeCommitter() override {
    return std::unique_ptr<SinkCommitter>();
  }

 private:
  const RowType type_;
  const std::string path_;
};

}  // namespace

ConnectorInfo MakeValuesConnector() {
  ConnectorInfo info;
  info.name = "values";
  info.options = kOptions;
  info.source_changelog = "all";
  info.sink_changelog = "all";
  info.abilities = {"projection",       "nested-projection", "filter",        "watermark",
                    "source-watermark", "metadata",          "partition",     "bucketing",
                    "overwrite",        "static-partition",  "target-columns"};
  info.make_source = [](const TableSpec& table) -> Result<std::unique_ptr<Source>> {
    ASSIGN_OR_RETURN(Options options, Options::Parse(kOptions, table.options));
    return std::make_unique<ValuesSource>(table, std::move(options));
  };
  info.make_sink = [](const TableSpec& table) -> Result<std::unique_ptr<Sink>> {
    ASSIGN_OR_RETURN(Options options, Options::Parse(kOptions, table.options));
    return std::make_unique<ValuesSink>(table.produced,
                                        options.Find("values.output-file").value_or(""));
  };
  return info;
}

}  // namespace millrace::connectors
