#include "tests/simulation/simulated_job.h"

#include <nlohmann/json.hpp>

#include "runtime/api/table_spec.h"

namespace millrace::tests {

namespace {

using Json = nlohmann::json;
using runtime::ChainedOperator;
using runtime::LogicalType;
using runtime::RowType;
using runtime::TypeKind;

LogicalType BigInt() { return LogicalType(TypeKind::kBigInt, false); }

Json AggregateCall(const char* function, Json arguments) {
  return {{"name", "x"},          {"internalName", function}, {"argList", std::move(arguments)},
          {"filterArg", -1},      {"distinct", false},        {"approximate", false},
          {"ignoreNulls", false}, {"type", "BIGINT NOT NULL"}};
}

Json AggregateCalls() {
  return Json::array({AggregateCall("$COUNT$1", Json::array()), AggregateCall("$SUM$1", {1})});
}

ChainedOperator Make(const std::string& uid, const std::string& kind, int parent, RowType output) {
  ChainedOperator chained;
  chained.spec.uid = uid;
  chained.spec.kind = chained.spec.description = kind;
  chained.spec.inputs = {SourceRowType()};
  chained.spec.output = std::move(output);
  chained.spec.config = "{}";
  chained.parent = parent;
  return chained;
}

ChainedOperator Table(const std::string& uid, const std::string& kind, const std::string& connector,
                      const RowType& row, int parent, Json watermark = nullptr) {
  runtime::TableSpec table;
  table.identifier = uid;
  table.connector = connector;
  table.physical = table.produced = row;
  table.options = {{"connector", connector}};
  table.abilities = "[]";
  ChainedOperator chained = Make(uid, kind, parent, row);
  Json config = {{"table", Json::parse(runtime::TableSpecToJson(table))}};
  if (!watermark.is_null()) config["watermark"] = std::move(watermark);
  chained.spec.config = config.dump();
  chained.spec.inputs = kind == "sink" ? std::vector<RowType>{row} : std::vector<RowType>{};
  return chained;
}

std::string Ms(int64_t ms) { return std::to_string(ms) + " ms"; }

}  // namespace

JobShape JobShape::Make(Random& random) {
  JobShape shape;
  shape.max_parallelism = static_cast<int>(random.Chance(0.5) ? 128 : random.Between(4, 20));
  shape.third_vertex = random.Chance(0.5);
  shape.on_event_watermarks = random.Chance(0.3);
  return shape;
}

runtime::JobGraph MakeSimulatedJob(const JobShape& shape, const Workload& work, bool patient,
                                   Random& random) {
  const auto parallelism = [&] { return static_cast<int>(random.Between(1, 4)); };
  runtime::JobGraph graph;
  graph.name = "simulated";
  graph.max_parallelism = shape.max_parallelism;
  const RowType& row = SourceRowType();
  graph.vertices.push_back({"read",
                            "read",
                            parallelism(),
                            {Table("source", "source", "simulated", row, -1,
                                   {{"emit", shape.on_event_watermarks ? "on-event" : "periodic"},
                                    {"intervalMs", random.Between(1, 200)},
                                    {"idleTimeoutMs", work.idle_timeout_ms}}),
                             Make("probe-read", "probe", 0, row)}});
  ChainedOperator count = Make("count", "group-aggregate", 0,
                               {{"k", LogicalType::VarChar()}, {"c", BigInt()}, {"s", BigInt()}});
  count.spec.config =
      Json{{"grouping", {0}}, {"aggCalls", AggregateCalls()}, {"generateUpdateBefore", false}}
          .dump();
  ChainedOperator window = Make("window", "window-aggregate", 0,
                                {{"k", LogicalType::VarChar()},
                                 {"c", BigInt()},
                                 {"s", BigInt()},
                                 {"ws", LogicalType::Timestamp(3)},
                                 {"we", LogicalType::Timestamp(3)}});
  window.spec.config =
      Json{{"grouping", {0}},
           {"aggCalls", AggregateCalls()},
           {"needRetraction", false},
           {"windowing",
            {{"strategy", "TimeAttribute"},
             {"timeAttributeIndex", 2},
             {"isRowtime", true},
             {"window",
              {{"type", "TumblingWindow"},
               {"size", "PT" + std::to_string(work.window_ms / 1000) + "." +
                            std::to_string(work.window_ms % 1000 / 100) + "S"}}},
             {"timeAttributeType",
              {{"type", "TIMESTAMP_WITHOUT_TIME_ZONE"}, {"precision", 3}, {"kind", "ROWTIME"}}}}},
           {"namedWindowProperties",
            {{{"name", "ws"}, {"property", {{"kind", "WindowStart"}}}},
             {{"name", "we"}, {"property", {{"kind", "WindowEnd"}}}}}}}
          .dump();
  graph.vertices.push_back({"work",
                            "work",
                            parallelism(),
                            {Make("probe-work", "probe", -1, row), count,
                             Table("counts", "sink", "external", count.spec.output, 1), window,
                             Table("windows", "sink", "external", window.spec.output, 3),
                             Make("census", "census", 0, row)}});
  runtime::Edge hash;
  hash.from_operator = 1;
  hash.to_vertex = 1;
  hash.kind = runtime::ExchangeKind::kHash;
  hash.key_columns = {0};
  hash.type = row;
  graph.edges = {hash};
  if (shape.third_vertex) {
    graph.vertices.push_back(
        {"write",
         "write",
         parallelism(),
         {Make("probe-write", "probe", -1, row), Table("raw", "sink", "external", row, 0)}});
    runtime::Edge rebalance;
    rebalance.from_vertex = 1;
    rebalance.from_operator = 5;
    rebalance.to_vertex = 2;
    rebalance.kind = runtime::ExchangeKind::kRebalance;
    rebalance.type = row;
    graph.edges.push_back(rebalance);
  } else {
    graph.vertices[1].operators.push_back(Table("raw", "sink", "external", row, 5));
  }
  graph.options = {
      {"execution.checkpointing.interval",
       Ms(random.Chance(0.6) ? random.Between(5, 80) : random.Between(80, 600))},
      {"execution.checkpointing.dir", std::string("file://") + kCheckpointFolder},
      {"execution.checkpointing.num-retained", std::to_string(random.Between(1, 3))},
      {"execution.checkpointing.min-pause", Ms(random.Chance(0.5) ? 0 : random.Between(1, 200))},
      {"execution.checkpointing.timeout",
       Ms(patient || random.Chance(0.6) ? 600'000 : random.Between(20, 300))},
      {"execution.checkpointing.tolerable-failed-checkpoints",
       std::to_string(!patient && random.Chance(0.3) ? random.Between(0, 3) : 1'000'000)},
      {"millrace.batch.rows", std::to_string(random.Between(1, 64))},
      {"millrace.channel.size", std::to_string(random.Between(1, 40) * 256) + " b"}};
  switch (random.Below(3)) {
    case 0:
      graph.options["restart-strategy.type"] = "exponential-delay";
      graph.options["restart-strategy.exponential-delay.initial-backoff"] =
          Ms(random.Between(1, 300));
      graph.options["restart-strategy.exponential-delay.max-backoff"] = "2 s";
      break;
    case 1:
      graph.options["restart-strategy.type"] = "fixed-delay";
      graph.options["restart-strategy.fixed-delay.attempts"] = std::to_string(random.Between(1, 5));
      graph.options["restart-strategy.fixed-delay.delay"] = Ms(random.Between(1, 300));
      break;
    default:
      graph.options["restart-strategy.type"] = "failure-rate";
      graph.options["restart-strategy.failure-rate.delay"] = Ms(random.Between(1, 300));
      graph.options["restart-strategy.failure-rate.max-failures-per-interval"] =
          std::to_string(random.Between(1, 5));
  }
  return graph;
}

}  // namespace millrace::tests
