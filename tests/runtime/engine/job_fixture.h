#pragma once

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "connectors/register.h"
#include "operators/register.h"
#include "runtime/api/table_spec.h"
#include "runtime/engine/job_master.h"
#include "state/state_backend.h"

namespace millrace::runtime {

// A worker for tests: executor, registry, state, and a folder that goes when it does.
class TestWorker {
 public:
  explicit TestWorker(state::StateBackendOptions state = HashMap())
      : folder(std::filesystem::temp_directory_path() /
               ("engine-test-" + std::to_string(::getpid()) + "-" + NewJobId().substr(0, 8))),
        backend_(state::MakeStateBackend(InFolder(std::move(state), folder))),
        executor_(MakeThreadedExecutor(2, 8)) {
    std::filesystem::create_directories(folder);
    operators::RegisterOperators(registry);
    connectors::RegisterConnectors(&registry);
    environment.executor = executor_.get();
    environment.registry = &registry;
    environment.state_backend = backend_.get();
    environment.pool = MemoryPool::MakeRoot("test", 0);
    environment.file_systems = FileSystemOf;
  }
  ~TestWorker() {
    executor_.reset();
    backend_.reset();
    std::filesystem::remove_all(folder);
  }

  const std::filesystem::path folder;
  Registry registry;
  WorkerEnvironment environment;

 private:
  static state::StateBackendOptions HashMap() {
    state::StateBackendOptions options;
    options.type = state::BackendType::kHashMap;
    return options;
  }

  // What is evicted goes to the folder too.
  static state::StateBackendOptions InFolder(state::StateBackendOptions options,
                                             const std::filesystem::path& folder) {
    options.local_directory = (folder / "local").string();
    return options;
  }

  std::unique_ptr<StateBackend> backend_;
  std::unique_ptr<Executor> executor_;
};

// Finds one split, once: `id`, from position 0.
class OneSplitEnumerator : public SplitEnumerator {
 public:
  explicit OneSplitEnumerator(std::string id) : id_(std::move(id)) {}
  Result<std::vector<Split>> Discover() override {
    if (std::exchange(found_, true)) return std::vector<Split>{};
    return std::vector<Split>{{id_, "0"}};
  }
  std::string Snapshot() const override { return found_ ? "found" : ""; }
  Status Restore(const std::string& snapshot) override {
    found_ = snapshot == "found";
    return Status::Ok();
  }

 private:
  const std::string id_;
  bool found_ = false;
};

inline ChainedOperator TableOf(const std::string& kind, const std::string& connector,
                               const RowType& row, std::map<std::string, std::string> options,
                               int parent) {
  TableSpec table;
  table.identifier = table.connector = connector;
  table.physical = table.produced = row;
  table.options = std::move(options);
  table.options["connector"] = connector;
  table.abilities = "[]";
  ChainedOperator chained;
  chained.spec.uid = chained.spec.kind = kind;
  chained.spec.config =
      nlohmann::json{{"table", nlohmann::json::parse(TableSpecToJson(table))}}.dump();
  if (kind == "sink") chained.spec.inputs = {row};
  chained.spec.output = row;
  chained.parent = parent;
  return chained;
}

inline const RowType kNumbers = {{"k", LogicalType(TypeKind::kBigInt, false)},
                                 {"v", LogicalType(TypeKind::kBigInt, false)}};
inline const RowType kSums = {{"k", LogicalType(TypeKind::kBigInt, false)},
                              {"c", LogicalType(TypeKind::kBigInt, false)},
                              {"s", LogicalType(TypeKind::kBigInt, false)}};

// `source` (of kNumbers) -> hash of k -> COUNT(*), SUM(v) by k -> `sink`.
inline JobGraph SumGraph(ChainedOperator source, ChainedOperator sink, int parallelism) {
  ChainedOperator sum;
  sum.spec.uid = "sum";
  sum.spec.kind = "group-aggregate";
  sum.spec.inputs = {kNumbers};
  sum.spec.output = kSums;
  const auto call = [](const std::string& name, nlohmann::json arguments) {
    return nlohmann::json{{"name", "x"},
                          {"internalName", "$" + name + "$1"},
                          {"argList", std::move(arguments)},
                          {"filterArg", -1},
                          {"distinct", false},
                          {"approximate", false},
                          {"ignoreNulls", false},
                          {"type", "BIGINT NOT NULL"}};
  };
  sum.spec.config = nlohmann::json{
      {"grouping", {0}},
      {"aggCalls",
       {call("COUNT", nlohmann::json::array()), call("SUM", nlohmann::json::array({1}))}},
      {"generateUpdateBefore",
       false}}.dump();
  sink.parent = 0;
  JobGraph graph;
  graph.name = "sums";
  graph.vertices = {{"numbers", "numbers", parallelism, {std::move(source)}},
                    {"sums", "sums", parallelism, {std::move(sum), std::move(sink)}}};
  Edge edge;
  edge.to_vertex = 1;
  edge.kind = ExchangeKind::kHash;
  edge.key_columns = {0};
  edge.type = kNumbers;
  graph.edges = {edge};
  return graph;
}

}  // namespace millrace::runtime
