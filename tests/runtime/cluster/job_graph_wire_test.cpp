#include <catch2/catch.hpp>
// Catch's CHECK comes first.
#include "runtime/cluster/job_graph_wire.h"

namespace millrace::runtime {

namespace {

JobGraph MakeGraph() {
  const RowType row = {{"k", LogicalType(TypeKind::kBigInt, false)},
                       {"t", LogicalType::Timestamp(3)},
                       {"a`b", LogicalType::Array(LogicalType::Decimal(20, 3))}};
  JobGraph graph;
  graph.name = "job";
  graph.max_parallelism = 256;
  graph.options = {{"parallelism.default", "3"}, {"a", ""}};
  OperatorSpec source{"1_source", "source", "Source(x)", R"({"table":{}})", {}, row};
  OperatorSpec calc{"2_calc", "calc", "Calc", "{}", {row}, {row[0]}};
  OperatorSpec sink{"3_sink", "sink", "Sink", "{}", {{row[0]}}, {row[0]}};
  graph.vertices.push_back({"1_source", "Source(x)", 3, {{source, -1}, {calc, 0}}});
  graph.vertices.push_back({"3_sink", "Sink", 2, {{sink, -1}}});
  graph.edges.push_back({0, 1, 1, 0, ExchangeKind::kHash, {0}, {row[0]}});
  return graph;
}

}  // namespace

TEST_CASE("a job graph comes back from its wire form with every field") {
  const JobGraph graph = MakeGraph();
  REQUIRE(graph.Validate().ok());
  const std::string bytes = EncodeJobGraph(graph);
  Result<JobGraph> back = DecodeJobGraph(bytes);
  REQUIRE(back.ok());
  CHECK(*back == graph);
  for (ExchangeKind kind : {ExchangeKind::kForward, ExchangeKind::kRebalance,
                            ExchangeKind::kBroadcast, ExchangeKind::kSingle}) {
    JobGraph other = graph;
    other.edges[0].kind = kind;
    CHECK(*DecodeJobGraph(EncodeJobGraph(other)) == other);
  }
}

TEST_CASE("cut bytes are refused") {
  const std::string bytes = EncodeJobGraph(MakeGraph());
  for (size_t length = 0; length + 1 < bytes.size(); length += 7) {
    CHECK_FALSE(DecodeJobGraph(bytes.substr(0, length)).ok());
  }
}

}  // namespace millrace::runtime
