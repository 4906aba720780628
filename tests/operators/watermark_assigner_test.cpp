#include "operators/watermark_assigner.h"

#include <catch2/catch.hpp>

#include "tests/harness/operator_driver.h"
#include "tests/operators/expression_fixture.h"

using namespace millrace::operators::testing;  // NOLINT
using millrace::operators::SqlWatermarkGenerator;
using millrace::operators::WatermarkAssigner;
using millrace::runtime::BatchPtr;
using millrace::runtime::kMaxTimestamp;
using millrace::runtime::kMinTimestamp;
using Strings = std::vector<std::string>;

namespace {

// The least of a context: a clock and a timer.
class Context : public millrace::runtime::OperatorContext {
 public:
  const millrace::runtime::JobSettings& settings() const override { return settings_; }
  const millrace::runtime::RunIdentity& run() const override { return run_; }
  int subtask() const override { return 0; }
  int parallelism() const override { return 1; }
  int max_parallelism() const override { return 128; }
  millrace::runtime::MemoryPool& pool() override { return millrace::runtime::ProcessPool(); }
  millrace::runtime::MetricGroup& metrics() override { std::abort(); }
  int64_t now_ms() const override { return now; }
  const millrace::runtime::Clock& clock() const override { std::abort(); }
  millrace::runtime::Result<millrace::runtime::FileSystem*> file_system(std::string_view) override {
    std::abort();
  }
  void RunIo(std::function<void()>) override { std::abort(); }
  millrace::runtime::Timestamp watermark() const override { return kMinTimestamp; }
  millrace::runtime::KeyedTable& keyed(int) override { std::abort(); }
  millrace::runtime::ListEntries& list(int) override { std::abort(); }
  uint8_t* const* rows(int, int) override { std::abort(); }
  void SetProcessingTimer(int64_t time_ms) override {
    if (timer < 0 || time_ms < timer) timer = time_ms;
  }
  std::function<void()> waker() override {
    return [] {};
  }

  int64_t now = 1000;
  int64_t timer = -1;

 private:
  millrace::runtime::JobSettings settings_;
  millrace::runtime::RunIdentity run_;
};

const millrace::runtime::RowType kType = {{"ts", Type("TIMESTAMP(3)")}};

json MinusOneSecond() {
  return Call("-", "TIMESTAMP(3)",
              {Ref(0, "TIMESTAMP(3)"), Literal("INTERVAL SECOND(6) NOT NULL", "1000")});
}

std::unique_ptr<millrace::runtime::Operator> Make(json config) {
  config["watermarkExpr"] = MinusOneSecond();
  config["rowtimeFieldIndex"] = 0;
  millrace::runtime::OperatorSpec spec;
  spec.config = config.dump();
  spec.inputs = {kType};
  spec.output = kType;
  auto made = WatermarkAssigner::Make(spec, {});
  if (!made.ok()) throw std::runtime_error(made.status().message());
  return std::move(*made);
}

// What goes out: rows by their seconds, watermarks as "W" and milliseconds.
Strings Run(millrace::runtime::Operator& op, const BatchPtr& batch) {
  Strings out;
  while (true) {
    millrace::runtime::Output output;
    auto progress = op.Process(0, batch, output);
    if (!progress.ok()) return {"!! " + progress.status().message()};
    if (!output.empty()) {
      const BatchPtr emitted = output.Take();
      for (int32_t i = 0; i < emitted->num_rows(); ++i) {
        out.push_back(
            std::to_string(emitted->column(0).At<int64_t>(emitted->PhysicalRow(i)) / 1000));
      }
    }
    const auto watermark = op.NextWatermark();
    if (watermark != kMinTimestamp) out.push_back("W" + std::to_string(watermark));
    if (*progress != millrace::runtime::Progress::kMore) return out;
  }
}

BatchPtr Seconds(const std::vector<int>& seconds, Form form = Form::kFlat) {
  std::vector<Row> rows;
  for (const int second : seconds) {
    char text[32];
    std::snprintf(text, sizeof text, "1970-01-01 00:%02d:%02d", second / 60, second % 60);
    rows.push_back({std::string(text)});
  }
  return MakeBatch(kType, rows, form);
}

}  // namespace

TEST_CASE("periodic watermarks cut a batch only before a row that they make late") {
  for (const Form form : {Form::kFlat, Form::kSelection}) {
    Context context;
    auto op = Make({{"intervalMs", 200}});
    REQUIRE(op->Open(context).ok());
    // In order: one batch, one watermark behind it.
    CHECK(Run(*op, Seconds({1, 2, 3, 4}, form)) == Strings{"1", "2", "3", "4", "W3000"});
    // 5 is late behind 10, whose watermark is 9: it has to be out before.
    CHECK(Run(*op, Seconds({10, 5, 11, 12}, form)) ==
          Strings{"10", "W9000", "5", "11", "12", "W11000"});
    // Out of order within the delay is not late.
    CHECK(Run(*op, Seconds({20, 20, 19, 21}, form)) ==
          Strings{"20", "20", "W19000", "19", "21", "W20000"});
  }
}

TEST_CASE("the same rows are late at batch size 1") {
  Context context;
  auto op = Make({{"intervalMs", 200}});
  REQUIRE(op->Open(context).ok());
  Strings out;
  for (const int second : {10, 5, 11, 12}) {
    for (std::string& text : Run(*op, Seconds({second}))) out.push_back(text);
  }
  CHECK(out == Strings{"10", "W9000", "5", "11", "W10000", "12", "W11000"});
}

TEST_CASE("on-event watermarks cut wherever they rise") {
  Context context;
  auto op = Make({{"emit", "on-event"}});
  REQUIRE(op->Open(context).ok());
  CHECK(Run(*op, Seconds({1, 2, 2, 3})) == Strings{"1", "2", "W1000", "2", "3", "W2000"});
}

TEST_CASE("small rises wait for the interval") {
  Context context;
  auto op = Make({{"intervalMs", 5000}});
  REQUIRE(op->Open(context).ok());
  CHECK(Run(*op, Seconds({1, 2, 3})) == Strings{"1", "2", "3"});
  REQUIRE(context.timer == context.now + 5000);
  millrace::runtime::Output output;
  REQUIRE(op->OnTimer(context.timer, output).ok());
  CHECK(op->NextWatermark() == 2000);
  CHECK(op->NextWatermark() == kMinTimestamp);
}

TEST_CASE("idleness, the last watermark, NULL times") {
  Context context;
  auto op = Make({{"idleTimeoutMs", 100}});
  REQUIRE(op->Open(context).ok());
  CHECK(op->Idle() == std::optional<bool>(false));
  context.now = 1200;
  millrace::runtime::Output output;
  REQUIRE(op->OnTimer(1200, output).ok());
  CHECK(op->Idle() == std::optional<bool>(true));
  Run(*op, Seconds({7}));
  CHECK(op->Idle() == std::optional<bool>(false));
  CHECK(op->ForwardWatermark(5) == kMinTimestamp);
  CHECK(op->ForwardWatermark(kMaxTimestamp) == kMaxTimestamp);
  CHECK(
      Run(*op, MakeBatch(kType, {Row{std::nullopt}})) ==
      Strings{"!! RowTime field should not be null, please convert it to a non-null long value."});
}

TEST_CASE("a source's watermarks are the running maximum") {
  auto generator = SqlWatermarkGenerator::Make(MinusOneSecond().dump(), kType, {});
  REQUIRE(generator.ok());
  std::vector<millrace::runtime::Timestamp> marks;
  auto last = (*generator)->OnBatch(*Seconds({3, 1, 5}, Form::kSelection), &marks);
  REQUIRE(last.ok());
  CHECK(*last == 4000);
  CHECK(marks == std::vector<millrace::runtime::Timestamp>{2000, 2000, 4000});
}
