#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "jobs/cli/command.h"
#include "jobs/cli/local_runtime.h"
#include "jobs/cli/planner_process.h"
#include "jobs/plan/plan_loader.h"
#include "operators/aggregate/aggregate_call.h"
#include "operators/expression/expression.h"

namespace millrace::jobs {

namespace {

using Json = nlohmann::json;

struct Arguments {
  std::string file;
  int parallelism = 1;
  bool json = false;
  bool supported = false;
  bool compiled = false;
  std::vector<std::string> settings;
};

Json RowJson(const runtime::RowType& row) {
  Json json = Json::array();
  for (const runtime::Field& field : row) {
    json.push_back({{"name", field.name}, {"type", field.type.ToString()}});
  }
  return json;
}

Json GraphJson(const runtime::JobGraph& graph) {
  Json vertices = Json::array();
  for (const runtime::Vertex& vertex : graph.vertices) {
    Json operators = Json::array();
    for (const runtime::ChainedOperator& op : vertex.operators) {
      operators.push_back({{"uid", op.spec.uid},
                           {"kind", op.spec.kind},
                           {"parent", op.parent},
                           {"description", op.spec.description},
                           {"output", RowJson(op.spec.output)},
                           {"config", Json::parse(op.spec.config, nullptr, false)}});
    }
    vertices.push_back({{"uid", vertex.uid},
                        {"name", vertex.name},
                        {"parallelism", vertex.parallelism},
                        {"operators", operators}});
  }
  Json edges = Json::array();
  for (const runtime::Edge& edge : graph.edges) {
    edges.push_back({{"from", {edge.from_vertex, edge.from_operator}},
                     {"to", {edge.to_vertex, edge.to_input}},
                     {"kind", NameOf(edge.kind)},
                     {"keys", edge.key_columns}});
  }
  return {{"name", graph.name},
          {"maxParallelism", graph.max_parallelism},
          {"vertices", vertices},
          {"edges", edges}};
}

// Flink's types in their serializable form; those that can be read are what SQL can use.
constexpr const char* kTypes[] = {"BOOLEAN",
                                  "TINYINT",
                                  "SMALLINT",
                                  "INT",
                                  "BIGINT",
                                  "FLOAT",
                                  "DOUBLE",
                                  "DECIMAL(38, 18)",
                                  "CHAR(10)",
                                  "VARCHAR(10)",
                                  "BINARY(10)",
                                  "VARBINARY(10)",
                                  "DATE",
                                  "TIME(3)",
                                  "TIMESTAMP(9)",
                                  "TIMESTAMP(9) WITH LOCAL TIME ZONE",
                                  "TIMESTAMP(9) WITH TIME ZONE",
                                  "INTERVAL YEAR TO MONTH",
                                  "INTERVAL DAY TO SECOND(3)",
                                  "ARRAY<INT>",
                                  "MAP<INT, INT>",
                                  "MULTISET<INT>",
                                  "ROW<`a` INT>",
                                  "VARIANT"};

// "DECIMAL" of DECIMAL(38, 18), "TIMESTAMP WITH TIME ZONE" of TIMESTAMP(9) WITH TIME ZONE.
std::string WithoutParameters(std::string_view type) {
  const size_t begin = type.find_first_of("(<");
  if (begin == std::string_view::npos) return std::string(type);
  const size_t end = type.find_last_of(")>");
  return std::string(type.substr(0, begin)) + std::string(type.substr(end + 1));
}

// What SQL can use: plan nodes, functions by group, aggregates, types, connectors, formats.
Json SupportedJson(const runtime::Registry& registry) {
  Json functions = Json::array();
  for (const operators::KnownFunction& function : operators::KnownFunctions()) {
    functions.push_back(
        {{"group", function.group}, {"name", function.name}, {"signature", function.signature}});
  }
  Json types = Json::array();
  for (const char* type : kTypes) {
    if (runtime::LogicalType::Parse(type).ok()) types.push_back(WithoutParameters(type));
  }
  Json connectors = Json::array();
  for (const auto& [name, info] : registry.connectors()) {
    connectors.push_back({{"name", name},
                          {"source", info.make_source != nullptr},
                          {"sink", info.make_sink != nullptr}});
  }
  Json formats = Json::array();
  for (const auto& [name, info] : registry.formats()) formats.push_back(name);
  return {{"nodes", SupportedNodes(registry)},
          {"functions", functions},
          {"aggregates", operators::SupportedAggregates()},
          {"types", types},
          {"connectors", connectors},
          {"formats", formats}};
}

void ShowSupported(const Json& supported) {
  for (const char* part : {"nodes", "aggregates", "types", "formats"}) {
    std::printf("%s\n", part);
    for (const Json& name : supported.at(part)) {
      std::printf("  %s\n", name.get<std::string>().c_str());
    }
  }
  std::printf("connectors\n");
  for (const Json& connector : supported.at("connectors")) {
    std::printf("  %s%s%s\n", connector.at("name").get<std::string>().c_str(),
                connector.at("source").get<bool>() ? " source" : "",
                connector.at("sink").get<bool>() ? " sink" : "");
  }
  std::printf("functions\n");
  for (const Json& function : supported.at("functions")) {
    std::printf("  %-22s %-12s %s\n", function.at("name").get<std::string>().c_str(),
                function.at("group").get<std::string>().c_str(),
                function.at("signature").get<std::string>().c_str());
  }
}

int Run(const Arguments& arguments) {
  const auto registry = MakeRegistry();
  if (arguments.supported) {
    const Json supported = SupportedJson(*registry);
    if (arguments.json) {
      std::printf("%s\n", supported.dump(1).c_str());
    } else {
      ShowSupported(supported);
    }
    return kExitOk;
  }
  if (arguments.file.empty()) return Complain("plan wants a file (or --supported)", kExitUsage);
  std::string content;
  if (!ReadFile(arguments.file, &content)) return kExitUsage;
  PlanSettings settings;
  settings.parallelism = arguments.parallelism;
  if (!ReadSettings(arguments.settings, &settings.options)) return kExitUsage;
  std::vector<PlannedJob> jobs;
  const size_t first = content.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && content[first] == '{') {
    jobs.push_back({arguments.file, content, {}, false});
  } else {
    auto planner = PlannerProcess::Start(*registry);
    if (!planner.ok()) return Complain(planner.status().message(), kExitUsage);
    auto answer = (*planner)->Compile(content, "", settings.options);
    if (!answer.ok())
      return Complain(arguments.file + ": " + answer.status().message(), kExitUsage);
    jobs = std::move(answer->jobs);
  }
  for (const PlannedJob& job : jobs) {
    if (arguments.compiled) {
      std::printf("%s\n", Json::parse(job.plan_json).dump(1).c_str());
      if (!job.options.empty()) {
        std::fprintf(stderr,
                     "note: a compiled plan does not hold what the script SETs; run it with");
        for (const auto& [key, value] : job.options) {
          std::fprintf(stderr, " -D '%s=%s'", key.c_str(), value.c_str());
        }
        std::fprintf(stderr, "\n");
      }
      continue;
    }
    settings.name = job.name;
    auto graph = LoadPlan(job.plan_json, *registry, settings);
    if (!graph.ok()) return Complain(graph.status().message(), kExitUsage);
    if (arguments.json) {
      std::printf("%s\n", GraphJson(*graph).dump(1).c_str());
    } else {
      std::printf("%s", graph->ToText().c_str());
    }
  }
  return kExitOk;
}

}  // namespace

void AddPlanCommand(CLI::App& app, RunAction* run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("plan", "Show how a job would run, without running it");
  command->add_option("file", arguments->file, "script.sql or plan.json");
  command->add_option("-p,--parallelism", arguments->parallelism, "Subtasks of each vertex (1)");
  command->add_option("-D", arguments->settings, "Set an option: -D key=value");
  command->add_flag("--json", arguments->json, "The job graph as JSON");
  command->add_flag("--compiled", arguments->compiled, "The compiled plan of the SQL instead");
  command->add_flag("--supported", arguments->supported,
                    "What SQL can use: plan nodes, functions, types, connectors, formats");
  command->footer("Example:\n  millrace plan job.sql -p 2\n");
  command->callback([arguments, run] { *run = [arguments] { return Run(*arguments); }; });
}

void AddOptionsCommand(CLI::App& app, RunAction* run) {
  CLI::App* command = app.add_subcommand("options", "Options of connectors and formats");
  auto name = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  command->add_option("name", *name, "A connector or format; none: all");
  command->add_flag("--json", *json, "As the planner reads them");
  command->callback([name, json, run] {
    *run = [name, json] {
      const auto registry = MakeRegistry();
      if (*json) {
        std::printf("%s\n", ConnectorsJson(*registry).c_str());
        return static_cast<int>(kExitOk);
      }
      const auto show = [&](const std::string& title, runtime::OptionTable table) {
        std::printf("%s\n", title.c_str());
        for (const runtime::OptionSpec& spec : table) {
          if (*spec.name == '\0') continue;
          std::printf(
              "  %-44s %s%s%s\n      %s\n", spec.name, spec.required ? "required" : "default ",
              spec.required ? "" : (spec.default_value == nullptr ? "(none)" : spec.default_value),
              spec.secret ? ", secret" : "", spec.words);
        }
      };
      bool found = name->empty();
      for (const auto& [key, info] : registry->connectors()) {
        if (!name->empty() && key != *name) continue;
        found = true;
        show("connector '" + key + "'", info.options);
      }
      for (const auto& [key, info] : registry->formats()) {
        if (!name->empty() && key != *name) continue;
        found = true;
        show("format '" + key + "'", info.options);
      }
      if (!found) return Complain("no connector or format of this name: " + *name, kExitUsage);
      return static_cast<int>(kExitOk);
    };
  });
}

}  // namespace millrace::jobs
