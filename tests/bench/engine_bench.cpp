// Measures whole jobs, built as JobGraphs and run by the engine in this process: rows per
// CPU-second of all threads together (generator, exchange, state, checkpoints), median of five
// windows after a warm-up. Each job is drained at the end and its sums compared with a plain
// loop's. tests/bench/engine.md says what bounds each.
//
//   engine_bench [--seconds N] [--json FILE] [--directory DIR] [NAME ...]

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "jobs/cli/local_runtime.h"
#include "runtime/api/table_spec.h"
#include "runtime/engine/job_graph.h"
#include "runtime/engine/job_master.h"
#include "tests/bench/generated_rows.h"
#include "tests/bench/large_state_rows.h"
#include "tests/bench/measured_parts.h"

namespace millrace::bench {
namespace {

using nlohmann::json;

constexpr int kWindows = 5;

double seconds = 3;
std::string directory;

// ---- Figures ----

struct Figure {
  std::string name;
  double value;
  std::string unit;
  double floor;  // of rates the least, of costs and times the most; 0: none
};
std::vector<Figure> figures;

void Report(const std::string& name, double value, const std::string& unit, double floor = 0) {
  std::printf("%-60s %12.3f %-16s", name.c_str(), value, unit.c_str());
  if (floor != 0) std::printf(" %10g", floor);
  std::printf("\n");
  std::fflush(stdout);
  figures.push_back({name, value, unit, floor});
}

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "engine_bench: %s\n", what.c_str());
  std::exit(1);
}
template <typename T>
T Require(Result<T> result) {
  if (!result.ok()) Fail(result.status().ToString());
  return std::move(*result);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double ProcessCpuSeconds() {
  rusage usage;
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds_of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

// ---- Running a job ----

struct Measured {
  std::vector<double> rates;  // M rows per CPU-second, one a window
  double cores = 0;           // CPU-seconds per second
  int checkpoints = 0;        // completed within the windows
  double checkpoint_bytes = 0;
  ResidentPeak resident;
};

class Bench {
 public:
  explicit Bench(const jobs::LocalRuntimeOptions& options = {})
      : runtime_(Require(jobs::LocalRuntime::Make(options))), registry_(jobs::MakeRegistry()) {
    AddBenchConnectors(registry_.get());
    AddManyKeysConnectors(registry_.get());
    measured_executor_ =
        std::make_unique<MeasuredExecutor>(runtime_->environment().executor, &longest_);
    measured_backend_ =
        std::make_unique<MeasuredBackend>(runtime_->environment().state_backend, &longest_);
  }
  Longest& longest() { return longest_; }

  // Runs it, reads numRecordsIn of operator `uid` around `windows` windows, drains it. `measured`:
  // through the parts that measure slices. `rows_before`: that the operator must have had before.
  Measured Run(const JobGraph& graph, const std::string& uid, int windows, bool measured = false,
               int64_t rows_before = 0) {
    sums_in = sums_out = {};
    rows_in = 0;
    WorkerEnvironment environment = Environment(measured);
    std::shared_ptr<JobMaster> job = Require(JobMaster::Make(graph, environment, {}));
    job->Start();
    const double begin = Now();
    while (RowsOf(*job, uid) == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      if (IsTerminal(job->status().state) || Now() - begin > 30) FailJob(*job);
    }
    while (RowsOf(*job, uid) < rows_before) {
      Sleep(*job, 0.05);
      if (Now() - begin > 300) FailJob(*job);
    }
    Sleep(*job, std::max(1.5, seconds / 2));
    RaiseTo(&longest_.early, longest_.slice.exchange(0));
    const int64_t first_checkpoint = NewestCheckpoint(*job);
    Measured result;
    double all_cpu = 0, all_wall = 0;
    for (int w = 0; w < windows; ++w) {
      const int64_t rows = RowsOf(*job, uid);
      const double cpu = ProcessCpuSeconds(), wall = Now();
      for (int part = 0; part < 50; ++part) {
        Sleep(*job, seconds / 50);
        result.resident.Sample();
      }
      const int64_t more = RowsOf(*job, uid) - rows;
      const double used = ProcessCpuSeconds() - cpu;
      all_cpu += used;
      all_wall += Now() - wall;
      result.rates.push_back(static_cast<double>(more) / used * 1e-6);
      std::map<int64_t, CheckpointInfo> seen;
      for (const CheckpointInfo& info : job->status().checkpoints) {
        if (info.id <= first_checkpoint || info.id <= last_counted_) continue;
        if (info.state != CheckpointInfo::State::kCompleted) continue;
        last_counted_ = info.id;
        ++result.checkpoints;
        result.checkpoint_bytes += static_cast<double>(info.state_bytes);
      }
    }
    last_counted_ = 0;
    const int64_t longest_slice = longest_.slice;
    result.cores = all_cpu / all_wall;
    job->StopJob("", true, nullptr);
    if (job->Wait() != JobState::kFinished) FailJob(*job);
    longest_.slice = longest_slice;
    job.reset();
    // What the job still removes itself may go first; the last call gets the rest.
    std::error_code ignored;
    std::filesystem::remove_all(directory, ignored);
    return result;
  }

  // Runs a job that ends by itself.
  void RunToEnd(const JobGraph& graph) {
    std::shared_ptr<JobMaster> job = Require(JobMaster::Make(graph, Environment(false), {}));
    job->Start();
    if (job->Wait() != JobState::kFinished) FailJob(*job);
  }

 private:
  WorkerEnvironment Environment(bool measured) const {
    WorkerEnvironment environment = runtime_->environment();
    environment.registry = registry_.get();
    if (measured) {
      environment.executor = measured_executor_.get();
      environment.state_backend = measured_backend_.get();
    }
    return environment;
  }
  static double Now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
  static void Sleep(const JobMaster& job, double time) {
    std::this_thread::sleep_for(std::chrono::duration<double>(time));
    if (IsTerminal(job.status().state)) FailJob(job);
  }
  [[noreturn]] static void FailJob(const JobMaster& job) {
    const JobStatus status = job.status();
    Fail("job is " + std::string(NameOf(status.state)) +
         (status.failures.empty() ? "" : ": " + status.failures.back()));
  }
  static int64_t RowsOf(const JobMaster& job, const std::string& uid) {
    int64_t rows = 0;
    for (const JobMaster::SubtaskMetrics& subtask : job.CollectMetrics()) {
      for (const auto& [name, numbers] : subtask.numbers) {
        if (name != uid) continue;
        if (auto found = numbers.find("numRecordsIn"); found != numbers.end())
          rows += found->second;
      }
    }
    return rows;
  }
  static int64_t NewestCheckpoint(const JobMaster& job) {
    int64_t newest = 0;
    for (const CheckpointInfo& info : job.status().checkpoints) {
      if (info.state == CheckpointInfo::State::kCompleted) newest = std::max(newest, info.id);
    }
    return newest;
  }

  Longest longest_;
  std::unique_ptr<jobs::LocalRuntime> runtime_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<MeasuredExecutor> measured_executor_;
  std::unique_ptr<MeasuredBackend> measured_backend_;
  int64_t last_counted_ = 0;
};

// Compares column `out` of the sink with what the plain loop gave.
void RequireSum(const std::string& name, size_t out, uint64_t expected) {
  if (sums_out[out] == expected) return;
  Fail(name + ": column " + std::to_string(out) + " adds up to " + std::to_string(sums_out[out]) +
       ", a plain loop to " + std::to_string(expected));
}

// ---- Graphs ----

json Ref(int index, const std::string& type = "BIGINT") {
  return {{"kind", "INPUT_REF"}, {"inputIndex", index}, {"type", type}};
}
json Literal(json value, const std::string& type = "BIGINT NOT NULL") {
  return {{"kind", "LITERAL"}, {"value", std::move(value)}, {"type", type}};
}
json Call(const std::string& name, const std::string& type, json operands) {
  return {{"kind", "CALL"},
          {"internalName", "$" + name + "$1"},
          {"operands", std::move(operands)},
          {"type", type}};
}
json AggregateCall(const std::string& name, json arguments, const std::string& type) {
  return {{"name", "x"},
          {"internalName", "$" + name + "$1"},
          {"argList", std::move(arguments)},
          {"filterArg", -1},
          {"distinct", false},
          {"approximate", false},
          {"ignoreNulls", false},
          {"type", type}};
}

ChainedOperator Table(const std::string& kind, const std::string& connector, const RowType& row,
                      std::map<std::string, std::string> options, int parent) {
  TableSpec table;
  table.identifier = connector;
  table.connector = connector;
  table.physical = table.produced = row;
  table.options = std::move(options);
  table.options["connector"] = connector;
  table.abilities = "[]";
  ChainedOperator chained;
  chained.spec.uid = chained.spec.kind = kind;
  chained.spec.config = json{{"table", json::parse(TableSpecToJson(table))}}.dump();
  (kind == "source" ? chained.spec.output : chained.spec.inputs.emplace_back()) = row;
  if (kind == "sink") chained.spec.output = row;
  chained.parent = parent;
  return chained;
}

ChainedOperator Step(const std::string& kind, const RowType& input, const RowType& output,
                     const json& config, int parent) {
  ChainedOperator chained;
  chained.spec.uid = chained.spec.kind = kind;
  chained.spec.inputs = {input};
  chained.spec.output = output;
  chained.spec.config = config.dump();
  chained.parent = parent;
  return chained;
}

Vertex VertexOf(const std::string& uid, int parallelism, std::vector<ChainedOperator> operators) {
  Vertex vertex;
  vertex.uid = vertex.name = uid;
  vertex.parallelism = parallelism;
  vertex.operators = std::move(operators);
  return vertex;
}

Edge HashEdge(int from_operator, std::vector<int> keys, const RowType& type) {
  Edge edge;
  edge.from_vertex = 0;
  edge.from_operator = from_operator;
  edge.to_vertex = 1;
  edge.kind = ExchangeKind::kHash;
  edge.key_columns = std::move(keys);
  edge.type = type;
  return edge;
}

const LogicalType kBigInt(TypeKind::kBigInt);
const LogicalType kCount(TypeKind::kBigInt, false);

// datagen -> calc -> `sink`; `with_calc` false: the rows as they are. `rows` < 0: no end.
JobGraph CalcGraph(int64_t rows, bool with_calc, const std::string& sink) {
  const RowType input = {{"a", kBigInt}, {"b", kBigInt}, {"c", kBigInt}};
  const RowType output = {{"x", kBigInt}, {"y", kBigInt}, {"z", kBigInt}};
  std::map<std::string, std::string> options = {{"rows-per-second", "-1"}};
  for (const char* column : {"a", "b", "c"})
    options["fields." + std::string(column) + ".null-rate"] = "0.0625";
  if (rows >= 0) options["number-of-rows"] = std::to_string(rows);
  const json a = Ref(0), b = Ref(1), c = Ref(2);
  const json config = {
      {"projection",
       json::array({Call("+", "BIGINT", {a, Call("*", "BIGINT", {Literal(3), b})}),
                    Call("-", "BIGINT", {Call("*", "BIGINT", {a, b}), c}),
                    Call("CASE", "BIGINT", {Call(">", "BOOLEAN", {c, Literal(0)}), a, b})})},
      {"condition", Call(">", "BOOLEAN", {a, Literal(0)})}};
  std::vector<ChainedOperator> chain = {Table("source", "datagen", input, options, -1)};
  if (with_calc) chain.push_back(Step("calc", input, output, config, 0));
  chain.push_back(
      Table("sink", sink, with_calc ? output : input, {}, static_cast<int>(chain.size()) - 1));
  JobGraph graph;
  graph.name = "calc";
  graph.vertices = {VertexOf("calc", 2, std::move(chain))};
  return graph;
}

JobGraph KeyedGraph(Shape shape, int64_t mini_batch_rows, bool checkpoints) {
  const RowType input = RowTypeOf(shape);
  const RowType output = {input[0], {"c", kCount}, {"s", kCount}};
  const json config = {
      {"grouping", {0}},
      {"aggCalls",
       {AggregateCall("COUNT", json::array(), "BIGINT NOT NULL"),
        AggregateCall("SUM", {1}, "BIGINT NOT NULL")}},
      {"aggCallNeedRetractions", {false, false}},
      {"generateUpdateBefore", true},
      {"needRetraction", false},
      {"stateTtlMs", 0},
      {"miniBatch", {{"enabled", mini_batch_rows > 0}, {"size", mini_batch_rows}}}};
  JobGraph graph;
  graph.name = "keyed";
  graph.vertices = {
      VertexOf("rows", 2,
               {Table("source", shape == Shape::kKeyed ? "generated-keyed" : "generated-strings",
                      input, {}, -1)}),
      VertexOf("aggregate", 2,
               {Step("group-aggregate", input, output, config, -1),
                Table("sink", "sum", output, {}, 0)})};
  graph.edges = {HashEdge(0, {0}, input)};
  if (checkpoints) {
    graph.options["execution.checkpointing.interval"] = "1 s";
    graph.options["execution.checkpointing.dir"] = directory;
  }
  return graph;
}

// A row a millisecond of event time: 10 M rows a window of 10,000 s, 100 rows a key in each, as in
// the prototype's 10 s at a million rows a second.
JobGraph TumblingGraph() {
  const LogicalType time = LogicalType::Timestamp(3);
  const RowType generated = RowTypeOf(Shape::kTimed);
  const RowType timed = {{"k", kCount}, {"t", time.WithTimeAttribute(TimeAttribute::kRowtime)}};
  const RowType output = {{"k", kCount}, {"c", kCount}, {"window_end", time.AsNullable(false)}};
  const json calc = {
      {"projection", json::array({Ref(0, "BIGINT NOT NULL"),
                                  Call("+", "TIMESTAMP(3)",
                                       {Literal("2020-01-01 00:00:00", "TIMESTAMP(3) NOT NULL"),
                                        Ref(1, "INTERVAL SECOND(3) NOT NULL")})})},
      {"condition", nullptr}};
  const json assigner = {{"watermarkExpr", Call("-", "TIMESTAMP(3)",
                                                {Ref(1, "TIMESTAMP(3)"),
                                                 Literal("1000", "INTERVAL SECOND(6) NOT NULL")})},
                         {"rowtimeFieldIndex", 1},
                         {"idleTimeoutMs", 0},
                         {"emit", "periodic"},
                         {"intervalMs", 200}};
  const json window = {
      {"grouping", {0}},
      {"aggCalls", json::array({AggregateCall("COUNT", json::array(), "BIGINT NOT NULL")})},
      {"windowing",
       {{"strategy", "TimeAttribute"},
        {"window", {{"type", "TumblingWindow"}, {"size", "PT10000S"}}},
        {"timeAttributeType",
         {{"type", "TIMESTAMP_WITHOUT_TIME_ZONE"}, {"precision", 3}, {"kind", "ROWTIME"}}},
        {"timeAttributeIndex", 1},
        {"isRowtime", true}}},
      {"namedWindowProperties",
       json::array({{{"name", "window_end"}, {"property", {{"kind", "WindowEnd"}}}}})},
      {"needRetraction", false}};
  JobGraph graph;
  graph.name = "tumbling";
  graph.vertices = {VertexOf("rows", 1,
                             {Table("source", "generated-timed", generated, {}, -1),
                              Step("calc", generated, timed, calc, 0),
                              Step("watermark-assigner", timed, timed, assigner, 1)}),
                    VertexOf("window", 2,
                             {Step("window-aggregate", timed, output, window, -1),
                              Table("sink", "sum", output, {}, 0)})};
  graph.edges = {HashEdge(2, {0}, timed)};
  return graph;
}

JobGraph ExchangeGraph() {
  const RowType row = RowTypeOf(Shape::kWide);
  JobGraph graph;
  graph.name = "exchange";
  graph.vertices = {VertexOf("rows", 1, {Table("source", "generated-wide", row, {}, -1)}),
                    VertexOf("receivers", 8, {Table("sink", "sum", row, {}, -1)})};
  graph.edges = {HashEdge(0, {0}, row)};
  return graph;
}

// ---- Cases ----

constexpr char kRate[] = "M rows/s/core";

void RunCalc(Bench& bench) {
  const std::string name = "datagen -> calc -> blackhole";
  sums_in = sums_out = {};
  bench.RunToEnd(CalcGraph(1'000'000, true, "sum"));
  bench.RunToEnd(CalcGraph(1'000'000, false, "sum-of-calc"));
  for (size_t c = 0; c < 3; ++c) RequireSum(name, c, sums_in[c]);
  const Measured run = bench.Run(CalcGraph(-1, true, "blackhole"), "calc", kWindows);
  Report(name, Median(run.rates), kRate, 100);
}

void CheckKeyed(const std::string& name) {
  RequireSum(name, 1, rows_in);
  RequireSum(name, 2, sums_in[1]);
}

void ReportCheckpoints(const std::string& name, const Measured& run) {
  Report(name + ", checkpoints completed meanwhile", run.checkpoints, "");
  Report(name + ", bytes of one", run.checkpoint_bytes / std::max(1, run.checkpoints) * 1e-6, "MB");
}

void RunKeyed(Bench& bench, const std::string& name, Shape shape, int64_t mini_batch_rows,
              double floor) {
  const Measured run =
      bench.Run(KeyedGraph(shape, mini_batch_rows, true), "group-aggregate", kWindows);
  CheckKeyed(name);
  Report(name, Median(run.rates), kRate, floor);
  ReportCheckpoints(name, run);
}

// With and without checkpoints in turn, so that both meet the same load of the machine.
void RunEveryUpdate(Bench& bench) {
  const std::string name = "COUNT, SUM by BIGINT key, every update";
  Measured all;
  std::vector<double> without, costs;
  for (int w = 0; w < kWindows; ++w) {
    const Measured bare = bench.Run(KeyedGraph(Shape::kKeyed, 0, false), "group-aggregate", 1);
    CheckKeyed(name);
    const Measured run = bench.Run(KeyedGraph(Shape::kKeyed, 0, true), "group-aggregate", 1);
    CheckKeyed(name);
    without.push_back(bare.rates[0]);
    all.rates.push_back(run.rates[0]);
    all.checkpoints += run.checkpoints;
    all.checkpoint_bytes += run.checkpoint_bytes;
    costs.push_back((1 - run.rates[0] / bare.rates[0]) * 100);
  }
  Report(name, Median(all.rates), kRate, 20);
  ReportCheckpoints(name, all);
  Report(name + ", no checkpoints", Median(without), kRate);
  Report(name + ", cost of checkpoints", Median(costs), "%", 5);
  Longest& longest = bench.longest();
  longest.slice = longest.early = longest.checkpoint = 0;
  bench.Run(KeyedGraph(Shape::kKeyed, 0, true), "group-aggregate", 1, true);
  CheckKeyed(name);
  const auto ms = [](int64_t nanos) { return static_cast<double>(nanos) * 1e-6; };
  Report(name + ", longest step of a checkpoint, CPU", ms(longest.checkpoint), "ms", 1);
  Report(name + ", longest slice of the executor, CPU", ms(longest.slice), "ms", 1);
  Report(name + ", longest slice while state grows, CPU", ms(longest.early), "ms");
}

JobGraph CountGraph(const std::string& source) {
  const RowType input = {{"k", kCount}};
  const RowType output = {{"k", kCount}, {"c", kCount}};
  const json config = {{"grouping", {0}},
                       {"aggCalls", json::array({AggregateCall("COUNT", json::array(), "BIGINT NOT NULL")})},
                       {"aggCallNeedRetractions", {false}},
                       {"generateUpdateBefore", true},
                       {"needRetraction", false},
                       {"stateTtlMs", 0},
                       {"miniBatch", {{"enabled", false}, {"size", 0}}}};
  JobGraph graph;
  graph.name = "count";
  graph.vertices = {VertexOf("rows", 2, {Table("source", source, input, {}, -1)}),
                    VertexOf("aggregate", 2,
                             {Step("group-aggregate", input, output, config, -1),
                              Table("sink", "sum", output, {}, 0)})};
  graph.edges = {HashEdge(0, {0}, input)};
  graph.options["execution.checkpointing.interval"] = "1 s";
  graph.options["execution.checkpointing.dir"] = directory;
  return graph;
}

// State of 340 MB (34 bytes a key in memory) in a twentieth of that. Its own runtime, with that budget; what the
// process holds with one key is the bare process.
void RunLargerThanMemory(Bench&, const std::string& source, const std::string& name, double floor) {
  constexpr int64_t kBudget = kManyKeys * 34 / 20;
  jobs::LocalRuntimeOptions options;
  options.state_memory_bytes = static_cast<uint64_t>(kBudget);
  Bench bench(options);
  const double all_seconds = std::exchange(seconds, 1);
  const Measured bare = bench.Run(CountGraph("one-key"), "group-aggregate", 1);
  seconds = all_seconds;
  const Measured run =
      bench.Run(CountGraph(source), "group-aggregate", kWindows, false, kManyKeys + 1'000'000);
  RequireSum(name, 1, rows_in);
  Report(name, Median(run.rates) * 1e3, "K rows/s/core", floor);
  ReportCheckpoints(name, run);
  Report(name + ", resident over the bare process",
         static_cast<double>(run.resident.peak() - bare.resident.peak()) * 1e-6, "MB", kBudget * 1e-6);
  Report(name + ", the bare process", static_cast<double>(bare.resident.peak()) * 1e-6, "MB");
}

void RunTumbling(Bench& bench) {
  const std::string name = "tumbling COUNT by key, 100 K keys";
  const Measured run = bench.Run(TumblingGraph(), "window-aggregate", kWindows);
  RequireSum(name, 1, rows_in);
  Report(name, Median(run.rates), kRate, 40);
}

void RunExchange(Bench& bench) {
  const std::string name = "exchange of 126-byte rows to 8 destinations";
  const Measured run = bench.Run(ExchangeGraph(), "sink", kWindows);
  for (size_t c = 0; c < 4; ++c) RequireSum(name, c, sums_in[c]);
  Report(name, Median(run.rates), kRate, 40);
}

struct Case {
  const char* name;
  void (*run)(Bench&);
};
constexpr Case kCases[] = {
    // First, while the process is small.
    {"large-state",
     [](Bench& bench) {
       RunLargerThanMemory(bench, "many-keys", "COUNT by 10 M uniform keys, state 20 times the memory", 150);
     }},
    {"large-state-zipf",
     [](Bench& bench) {
       RunLargerThanMemory(bench, "many-keys-zipf", "COUNT by 10 M Zipf 0.99 keys, state 20 times the memory", 400);
     }},
    {"calc", RunCalc},
    {"mini-batch",
     [](Bench& bench) {
       RunKeyed(bench, "COUNT, SUM by BIGINT key, mini-batch of 50 K", Shape::kKeyed, 50'000, 20);
     }},
    {"every-update", RunEveryUpdate},
    {"strings",
     [](Bench& bench) {
       RunKeyed(bench, "COUNT, SUM by VARCHAR key of 20 bytes, every update", Shape::kStrings, 0,
                8);
     }},
    {"tumbling", RunTumbling},
    {"exchange", RunExchange},
};

int Main(int argc, char** argv) {
  std::string json_path;
  std::vector<std::string> names;
  std::string parent = std::filesystem::temp_directory_path();
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (i + 1 < argc && argument == "--seconds") {
      seconds = std::atof(argv[++i]);
    } else if (i + 1 < argc && argument == "--json") {
      json_path = argv[++i];
    } else if (i + 1 < argc && argument == "--directory") {
      parent = argv[++i];
    } else if (argument.starts_with("-")) {
      std::fprintf(
          stderr,
          "usage: engine_bench [--seconds N] [--json FILE] [--directory DIR] [NAME ...]\nNAME:");
      for (const Case& one : kCases) std::fprintf(stderr, " %s", one.name);
      std::fprintf(stderr, "\n");
      return 2;
    } else {
      names.push_back(argument);
    }
  }
  for (const std::string& name : names) {
    if (std::none_of(std::begin(kCases), std::end(kCases),
                     [&](const Case& one) { return name == one.name; })) {
      Fail("there is no case of this name: " + name);
    }
  }
  directory = parent + "/millrace-engine-bench-" + std::to_string(::getpid());
  double load[1] = {0};
  if (::getloadavg(load, 1) != 1) load[0] = -1;
  std::printf("load of the machine before: %.1f; windows of %.1f s, checkpoints below %s\n",
              load[0], seconds, parent.c_str());
  std::printf("%-60s %12s %-16s %10s\n", "name", "value", "unit", "floor");
  {
    Bench bench;
    for (const Case& one : kCases) {
      if (names.empty() || std::find(names.begin(), names.end(), one.name) != names.end())
        one.run(bench);
    }
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  if (!json_path.empty()) {
    json report = json::array();
    for (const Figure& figure : figures) {
      report.push_back({{"name", figure.name},
                        {"value", figure.value},
                        {"unit", figure.unit},
                        {"floor", figure.floor}});
    }
    std::ofstream(json_path) << report.dump(2) << "\n";
  }
  return 0;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) { return millrace::bench::Main(argc, argv); }
