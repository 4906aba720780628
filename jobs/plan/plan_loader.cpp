#include "jobs/plan/plan_loader.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "jobs/plan/plan_table.h"
#include "operators/constraint_enforcer.h"
#include "runtime/api/option_table.h"
#include "runtime/api/table_spec.h"
#include "runtime/engine/job_options.h"

namespace millrace::jobs {

namespace {

using runtime::ChainedOperator;
using runtime::Edge;
using runtime::ExchangeKind;
using runtime::JobGraph;
using runtime::LogicalType;
using runtime::OperatorSpec;
using runtime::Registry;
using runtime::Result;
using runtime::RowType;
using runtime::Status;
using runtime::TableSpec;
using runtime::Vertex;
using Json = nlohmann::json;

constexpr char kPrefix[] = "stream-exec-";

// Nodes that are no operator of that name: they become edges, sources or several operators.
constexpr const char* kStructural[] = {"table-source-scan_1", "table-source-scan_2", "values_1",
                                       "exchange_1", "union_1", "sink_1", "sink_2"};
// Operators that plans have no node for.
constexpr const char* kInternal[] = {"constraint-enforcer", "sink-upsert-materializer"};

// Where the rows of a node come out.
struct NodeOutput {
  struct Place {
    int vertex;
    int op;
  };
  std::vector<Place> places;  // several: a union
  ExchangeKind exchange = ExchangeKind::kForward;
  std::vector<int> keys;
  RowType type;
};

class Loader {
 public:
  Loader(const Json& plan, const Registry& registry, const PlanSettings& settings)
      : plan_(plan), registry_(registry), settings_(settings) {}

  Result<JobGraph> Load();

 private:
  Status LoadNode(const Json& node);
  Status LoadSource(const Json& node, const std::string& uid);
  Status LoadValues(const Json& node, const std::string& uid);
  Status LoadExchange(const Json& node);
  Status LoadSink(const Json& node, const std::string& uid);
  Status LoadOperator(const Json& node, const std::string& uid, const std::string& kind);
  Result<NodeOutput> PlaceMaterializer(const Json& node, const std::string& uid,
                                       const TableSpec& table, std::vector<NodeOutput> inputs);
  // Puts an operator behind `inputs`: into the vertex of its only input, or at the head of a new one.
  NodeOutput Place(OperatorSpec spec, const std::vector<NodeOutput>& inputs);
  NodeOutput PlaceSource(OperatorSpec spec, int parallelism);
  Result<std::vector<NodeOutput>> InputsOf(const Json& node);
  Status Check(const OperatorSpec& spec) const;

  const Json& plan_;
  const Registry& registry_;
  const PlanSettings& settings_;
  runtime::JobSettings job_settings_;
  JobGraph graph_;
  std::map<int, std::vector<int>> sources_of_;  // node id: ids it reads, in order
  std::map<int, NodeOutput> outputs_;
};

// Makes the operator once, so that what it can't do is known before anything starts.
Status Loader::Check(const OperatorSpec& spec) const {
  return registry_.MakeOperator(spec, job_settings_).status();
}

NodeOutput Loader::PlaceSource(OperatorSpec spec, int parallelism) {
  Vertex vertex;
  vertex.uid = spec.uid;
  vertex.name = spec.description;
  vertex.parallelism = parallelism;
  NodeOutput output;
  output.type = spec.output;
  vertex.operators.push_back({std::move(spec), -1});
  graph_.vertices.push_back(std::move(vertex));
  output.places.push_back({static_cast<int>(graph_.vertices.size()) - 1, 0});
  return output;
}

NodeOutput Loader::Place(OperatorSpec spec, const std::vector<NodeOutput>& inputs) {
  NodeOutput output;
  output.type = spec.output;
  const NodeOutput& first = inputs[0];
  if (inputs.size() == 1 && first.places.size() == 1 && first.exchange == ExchangeKind::kForward) {
    const NodeOutput::Place at = first.places[0];
    Vertex& vertex = graph_.vertices[static_cast<size_t>(at.vertex)];
    vertex.operators.push_back({std::move(spec), at.op});
    output.places.push_back({at.vertex, static_cast<int>(vertex.operators.size()) - 1});
    return output;
  }
  Vertex vertex;
  vertex.uid = spec.uid;
  vertex.name = spec.description;
  vertex.parallelism = settings_.parallelism;
  for (const NodeOutput& input : inputs) {
    if (input.exchange == ExchangeKind::kSingle) vertex.parallelism = 1;
  }
  const int to = static_cast<int>(graph_.vertices.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    for (const NodeOutput::Place& from : inputs[i].places) {
      Edge edge;
      edge.from_vertex = from.vertex;
      edge.from_operator = from.op;
      edge.to_vertex = to;
      edge.to_input = static_cast<int>(i);
      edge.kind = inputs[i].exchange;
      edge.key_columns = inputs[i].keys;
      edge.type = inputs[i].type;
      if (edge.kind == ExchangeKind::kForward &&
          graph_.vertices[static_cast<size_t>(from.vertex)].parallelism != vertex.parallelism) {
        edge.kind = ExchangeKind::kRebalance;
      }
      graph_.edges.push_back(std::move(edge));
    }
  }
  vertex.operators.push_back({std::move(spec), -1});
  graph_.vertices.push_back(std::move(vertex));
  output.places.push_back({to, 0});
  return output;
}

Result<std::vector<NodeOutput>> Loader::InputsOf(const Json& node) {
  std::vector<NodeOutput> inputs;
  for (int id : sources_of_[node.at("id").get<int>()]) {
    auto found = outputs_.find(id);
    if (found == outputs_.end()) {
      return Status::User("reads node " + std::to_string(id) + ", which the plan does not have");
    }
    inputs.push_back(found->second);
  }
  if (inputs.empty()) return Status::User("has no input");
  return inputs;
}

Status Loader::LoadSource(const Json& node, const std::string& uid) {
  ASSIGN_OR_RETURN(PlannedSource planned, ReadSourceTable(node));
  ASSIGN_OR_RETURN(const runtime::ConnectorInfo* connector,
                   registry_.FindConnector(planned.table.connector));
  if (!connector->make_source) {
    return Status::User("connector '" + connector->name + "' can't be read from");
  }
  const auto can = [&](const char* ability) {
    return std::find(connector->abilities.begin(), connector->abilities.end(), ability) !=
           connector->abilities.end();
  };
  if (planned.table.abilities.find("\"SourceWatermark\"") != std::string::npos &&
      !can("source-watermark")) {
    return Status::User("SOURCE_WATERMARK(): connector '" + connector->name +
                        "' has no watermarks of its own; declare one by an expression");
  }
  // Wrong options are found now.
  TableSpec probe = planned.table;
  probe.time_zone = job_settings_.time_zone;
  RETURN_IF_ERROR(connector->make_source(probe).status().Within("table " + probe.identifier));

  OperatorSpec spec;
  spec.uid = uid;
  spec.kind = "source";
  spec.description = node.value("description", "");
  spec.output = planned.table.produced;
  Json config = {{"table", Json::parse(TableSpecToJson(planned.table))}};
  if (!planned.watermark_json.empty()) {
    config["watermark"] = Json::parse(planned.watermark_json);
    if (!registry_.watermark_factory()) return Status::User("there is no watermark factory");
    RETURN_IF_ERROR(registry_
                        .watermark_factory()(planned.watermark_json, planned.table.produced,
                                             job_settings_)
                        .status());
  }
  spec.config = config.dump();
  NodeOutput output = PlaceSource(std::move(spec), settings_.parallelism);
  if (!planned.filters.empty()) {
    Json condition = Json::parse(planned.filters[0]);
    for (size_t i = 1; i < planned.filters.size(); ++i) {
      condition = {{"kind", "CALL"},
                   {"syntax", "BINARY"},
                   {"internalName", "$AND$1"},
                   {"operands", {condition, Json::parse(planned.filters[i])}},
                   {"type", "BOOLEAN"}};
    }
    OperatorSpec calc;
    calc.uid = uid + "-filter";
    calc.kind = "calc";
    calc.description = "Calc(filters pushed into the source)";
    calc.inputs = {output.type};
    ASSIGN_OR_RETURN(calc.output, RowTypeOf(node.at("outputType")));
    calc.config =
        Json{{"projection", Json::parse(planned.filter_projection)}, {"condition", condition}}
            .dump();
    RETURN_IF_ERROR(Check(calc));
    output = Place(std::move(calc), {output});
  }
  outputs_[node.at("id").get<int>()] = std::move(output);
  return Status::Ok();
}

// Rows of literals: a sequence of row numbers, and a calc that picks each column by it.
Status Loader::LoadValues(const Json& node, const std::string& uid) {
  const Json& tuples = node.at("tuples");
  ASSIGN_OR_RETURN(RowType output_type, RowTypeOf(node.at("outputType")));
  TableSpec table;
  table.identifier = "VALUES";
  table.connector = "datagen";
  table.physical = {{"row", LogicalType(runtime::TypeKind::kInt, false)}};
  table.produced = table.physical;
  table.options = {{"connector", "datagen"},
                   {"number-of-rows", std::to_string(tuples.size())},
                   {"rows-per-second", "-1"}};
  if (!tuples.empty()) {
    table.options["fields.row.kind"] = "sequence";
    table.options["fields.row.start"] = "0";
    table.options["fields.row.end"] = std::to_string(tuples.size() - 1);
  }
  OperatorSpec source;
  source.uid = uid + "-rows";
  source.kind = "source";
  source.description = node.value("description", "");
  source.output = table.produced;
  source.config = Json{{"table", Json::parse(TableSpecToJson(table))}}.dump();
  NodeOutput rows = PlaceSource(std::move(source), 1);
  const Json number = {{"kind", "INPUT_REF"}, {"inputIndex", 0}, {"type", "INT NOT NULL"}};
  Json projection = Json::array();
  for (size_t column = 0; column < output_type.size(); ++column) {
    Json operands = Json::array();
    for (size_t row = 0; row + 1 < tuples.size(); ++row) {
      operands.push_back(
          {{"kind", "CALL"},
           {"syntax", "BINARY"},
           {"internalName", "$=$1"},
           {"operands",
            {number, {{"kind", "LITERAL"}, {"value", row}, {"type", "INT NOT NULL"}}}},
           {"type", "BOOLEAN NOT NULL"}});
      operands.push_back(tuples[row][column]);
    }
    if (tuples.empty()) {
      projection.push_back({{"kind", "LITERAL"},
                            {"value", nullptr},
                            {"type", output_type[column].type.AsNullable().ToString()}});
      continue;
    }
    operands.push_back(tuples[tuples.size() - 1][column]);
    const std::string type = output_type[column].type.ToString();
    for (size_t i = 0; i < operands.size(); ++i) {
      if (i % 2 == 0 && i + 1 < operands.size()) continue;
      operands[i] = {{"kind", "CALL"},
                     {"internalName", "$CAST$1"},
                     {"operands", Json::array({operands[i]})},
                     {"type", type}};
    }
    projection.push_back(operands.size() == 1 ? operands[0]
                                              : Json{{"kind", "CALL"},
                                                     {"internalName", "$CASE$1"},
                                                     {"operands", operands},
                                                     {"type", type}});
  }
  OperatorSpec calc;
  calc.uid = uid;
  calc.kind = "calc";
  calc.description = node.value("description", "");
  calc.inputs = {rows.type};
  calc.output = output_type;
  calc.config = Json{{"projection", projection}, {"condition", nullptr}}.dump();
  RETURN_IF_ERROR(Check(calc));
  outputs_[node.at("id").get<int>()] = Place(std::move(calc), {rows});
  return Status::Ok();
}

Status Loader::LoadExchange(const Json& node) {
  ASSIGN_OR_RETURN(std::vector<NodeOutput> inputs, InputsOf(node));
  NodeOutput output = inputs[0];
  if (output.exchange != ExchangeKind::kForward) return Status::User("follows another exchange");
  const Json& distribution = node.at("inputProperties").at(0).at("requiredDistribution");
  const std::string type = distribution.at("type");
  if (type == "HASH" && !distribution.at("keys").empty()) {
    output.exchange = ExchangeKind::kHash;
    output.keys = distribution.at("keys").get<std::vector<int>>();
  } else if (type == "SINGLETON" || type == "HASH") {
    output.exchange = ExchangeKind::kSingle;
  } else {
    return Status::User("distribution is not supported yet: " + type);
  }
  outputs_[node.at("id").get<int>()] = std::move(output);
  return Status::Ok();
}

Status Loader::LoadSink(const Json& node, const std::string& uid) {
  ASSIGN_OR_RETURN(std::vector<NodeOutput> inputs, InputsOf(node));
  const bool materialize = node.value("requireUpsertMaterialize", false);
  if (const auto conflict = node.find("conflictStrategy");
      materialize && conflict != node.end() && conflict->is_object()) {
    const std::string behavior = conflict->value("behavior", "");
    if (behavior != "DEDUPLICATE") {
      return Status::User("ON CONFLICT DO " + behavior +
                          " is not supported yet: take ON CONFLICT DO DEDUPLICATE");
    }
  }
  ASSIGN_OR_RETURN(TableSpec table, ReadSinkTable(node, registry_));
  ASSIGN_OR_RETURN(const runtime::ConnectorInfo* connector,
                   registry_.FindConnector(table.connector));
  if (!connector->make_sink) {
    return Status::User("connector '" + connector->name + "' can't be written to");
  }
  TableSpec probe = table;
  probe.time_zone = job_settings_.time_zone;
  RETURN_IF_ERROR(connector->make_sink(probe).status().Within("table " + probe.identifier));
  OperatorSpec spec;
  spec.uid = uid;
  spec.kind = "sink";
  spec.description = node.value("description", "");
  spec.inputs = {inputs[0].type};
  spec.output = table.produced;
  spec.config = Json{{"table", Json::parse(TableSpecToJson(table))}}.dump();
  if (spec.inputs[0].size() != table.produced.size()) {
    return Status::User("writes " + std::to_string(spec.inputs[0].size()) + " columns into a table of " +
                        std::to_string(table.produced.size()));
  }
  Json configuration = node.value("configuration", Json::object());
  // Plans do not keep this one.
  constexpr char kNested[] = "table.exec.sink.nested-constraint-enforcer";
  if (const auto nested = settings_.options.find(kNested); nested != settings_.options.end()) {
    configuration[kNested] = nested->second;
  }
  if (operators::ConstraintEnforcer::IsNeeded(spec.inputs[0], table.produced, configuration)) {
    OperatorSpec enforcer = spec;
    enforcer.uid = uid + "-constraints";
    enforcer.kind = "constraint-enforcer";
    enforcer.config =
        Json{{"configuration", configuration}, {"table", table.identifier}}.dump();
    enforcer.output = table.produced;
    RETURN_IF_ERROR(Check(enforcer));
    inputs = {Place(std::move(enforcer), inputs)};
  }
  if (materialize) {
    ASSIGN_OR_RETURN(NodeOutput materialized, PlaceMaterializer(node, uid, table, inputs));
    inputs = {std::move(materialized)};
  }
  Place(std::move(spec), inputs);
  return Status::Ok();
}

// Rows that come by other keys than the table's primary key, brought into order by it.
Result<NodeOutput> Loader::PlaceMaterializer(const Json& node, const std::string& uid,
                                             const TableSpec& table,
                                             std::vector<NodeOutput> inputs) {
  OperatorSpec spec;
  spec.uid = uid + "-materializer";
  spec.kind = "sink-upsert-materializer";
  spec.description = node.value("description", "");
  spec.inputs = {inputs[0].type};
  spec.output = inputs[0].type;
  int64_t ttl_ms = 0;
  for (const Json& state : node.value("state", Json::array())) {
    ASSIGN_OR_RETURN(ttl_ms, runtime::ParseDurationMs(state.at("ttl").get<std::string>()));
  }
  spec.config = Json{{"table", table.identifier},
                     {"primaryKey", table.primary_key},
                     {"inputUpsertKey", node.value("inputUpsertKey", Json(nullptr))},
                     {"stateTtlMs", ttl_ms}}
                    .dump();
  RETURN_IF_ERROR(Check(spec));
  if (inputs[0].exchange != ExchangeKind::kForward) {
    return Status::User("a sink with an upsert materializer behind another exchange");
  }
  inputs[0].exchange = ExchangeKind::kHash;
  inputs[0].keys = table.primary_key;
  return Place(std::move(spec), inputs);
}

Status Loader::LoadOperator(const Json& node, const std::string& uid, const std::string& kind) {
  ASSIGN_OR_RETURN(std::vector<NodeOutput> inputs, InputsOf(node));
  OperatorSpec spec;
  spec.uid = uid;
  spec.kind = kind;
  spec.description = node.value("description", "");
  for (const NodeOutput& input : inputs) spec.inputs.push_back(input.type);
  ASSIGN_OR_RETURN(spec.output, RowTypeOf(node.at("outputType")));
  // An operator's config is its node, with what the engine needs to know in plain numbers.
  Json config = node;
  for (const char* general : {"id", "type", "inputProperties", "outputType", "description"}) {
    config.erase(general);
  }
  const Json configuration = node.value("configuration", Json::object());
  int64_t ttl_ms = 0;
  for (const Json& state : node.value("state", Json::array())) {
    ASSIGN_OR_RETURN(ttl_ms, runtime::ParseDurationMs(state.at("ttl").get<std::string>()));
  }
  config["stateTtlMs"] = ttl_ms;
  config["miniBatch"] = {
      {"enabled", configuration.value("table.exec.mini-batch.enabled", "false") == "true"},
      {"size", std::strtoll(configuration.value("table.exec.mini-batch.size", "-1").c_str(), nullptr, 10)}};
  if (kind == "watermark-assigner") {
    ASSIGN_OR_RETURN(const int64_t idle_ms,
                     runtime::ParseDurationMs(
                         configuration.value("table.exec.source.idle-timeout", "0 ms")));
    config["idleTimeoutMs"] = idle_ms;
    if (!config.contains("emit")) config["emit"] = "periodic";
    if (!config.contains("intervalMs")) config["intervalMs"] = 200;
  }
  spec.config = config.dump();
  RETURN_IF_ERROR(Check(spec));
  outputs_[node.at("id").get<int>()] = Place(std::move(spec), inputs);
  return Status::Ok();
}

Status Loader::LoadNode(const Json& node) {
  const int id = node.at("id");
  const std::string type = node.at("type");
  if (!type.starts_with(kPrefix)) {
    return Status::User("type is not a streaming node: " + type +
                        " (batch plans can't be run; set 'execution.runtime-mode' = 'streaming')");
  }
  const std::string name = type.substr(sizeof(kPrefix) - 1);
  const std::string kind = name.substr(0, name.rfind('_'));
  const std::string uid = std::to_string(id) + "_" + kind;
  if (kind == "table-source-scan") return LoadSource(node, uid);
  if (kind == "values") return LoadValues(node, uid);
  if (kind == "exchange") return LoadExchange(node);
  if (kind == "sink") return LoadSink(node, uid);
  if (kind == "union") {
    ASSIGN_OR_RETURN(std::vector<NodeOutput> inputs, InputsOf(node));
    NodeOutput output;
    ASSIGN_OR_RETURN(output.type, RowTypeOf(node.at("outputType")));
    for (NodeOutput& input : inputs) {
      if (input.exchange != ExchangeKind::kForward) {
        return Status::User("a union behind an exchange is not supported yet");
      }
      output.places.insert(output.places.end(), input.places.begin(), input.places.end());
    }
    outputs_[id] = std::move(output);
    return Status::Ok();
  }
  if (!registry_.operators().contains(kind)) {
    return Status::User("there is no operator for this node yet: " + type);
  }
  return LoadOperator(node, uid, kind);
}

Result<JobGraph> Loader::Load() {
  ASSIGN_OR_RETURN(const runtime::JobOptions options, runtime::ReadJobOptions(settings_.options));
  job_settings_ = options.settings;
  graph_.name = settings_.name;
  graph_.options = settings_.options;
  graph_.max_parallelism = settings_.max_parallelism > 0
                               ? settings_.max_parallelism
                               : runtime::DefaultMaxParallelism(settings_.parallelism);
  const std::string version = plan_.at("flinkVersion");
  if (version != "1.20" && version != "1.19" && !version.starts_with("2.")) {
    return Status::User("plan is of Flink " + version + "; plans of 1.19 to 2.3 can be read");
  }
  for (const Json& edge : plan_.at("edges")) {
    sources_of_[edge.at("target").get<int>()].push_back(edge.at("source").get<int>());
  }
  // Nodes stand in topological order in plans; in others than Flink's they may not.
  std::vector<const Json*> waiting;
  for (const Json& node : plan_.at("nodes")) waiting.push_back(&node);
  std::map<int, bool> loaded;
  while (!waiting.empty()) {
    const auto ready = std::find_if(waiting.begin(), waiting.end(), [&](const Json* node) {
      const std::vector<int>& from = sources_of_[node->at("id").get<int>()];
      return std::all_of(from.begin(), from.end(), [&](int id) { return loaded[id]; });
    });
    if (ready == waiting.end()) {
      return Status::User("plan has an edge from a node that is not there, or a cycle, near node " +
                          std::to_string(waiting[0]->at("id").get<int>()));
    }
    const Json& node = **ready;
    const Status status = LoadNode(node);
    if (!status.ok()) {
      return status.Within("plan node " + std::to_string(node.at("id").get<int>()) + " (" +
                           node.at("type").get<std::string>() + "), " +
                           node.value("description", ""));
    }
    loaded[node.at("id").get<int>()] = true;
    waiting.erase(ready);
  }
  RETURN_IF_ERROR(graph_.Validate());
  return std::move(graph_);
}

}  // namespace

Result<JobGraph> LoadPlan(const std::string& plan_json, const Registry& registry,
                          const PlanSettings& settings) {
  try {
    const Json plan = Json::parse(plan_json);
    if (!plan.is_object() || !plan.contains("nodes") || !plan.contains("flinkVersion")) {
      return Status::User("this is not a compiled plan of Flink's: no 'nodes' and 'flinkVersion'");
    }
    return Loader(plan, registry, settings).Load();
  } catch (const Json::exception& e) {
    return Status::User(std::string("plan can't be read: ") + e.what());
  }
}

std::vector<std::string> SupportedNodes(const Registry& registry) {
  std::vector<std::string> nodes;
  for (const char* name : kStructural) nodes.push_back(std::string(kPrefix) + name);
  for (const auto& [kind, factory] : registry.operators()) {
    if (std::find(std::begin(kInternal), std::end(kInternal), kind) != std::end(kInternal)) continue;
    nodes.push_back(kPrefix + kind + "_1");
  }
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

}  // namespace millrace::jobs
