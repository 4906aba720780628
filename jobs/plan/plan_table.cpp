#include "jobs/plan/plan_table.h"

#include <nlohmann/json.hpp>

namespace millrace::jobs {

namespace {

using runtime::Field;
using runtime::LogicalType;
using runtime::Result;
using runtime::RowType;
using runtime::Status;
using runtime::TableSpec;
using runtime::TimeAttribute;
using Json = nlohmann::json;

Status ReadResolvedTable(const Json& table, TableSpec* spec) {
  spec->identifier = table.at("identifier");
  if (!table.contains("resolvedTable")) {
    return Status::User("plan holds table " + spec->identifier +
                        " by name only: compile it with 'table.plan.compile.catalog-objects' = "
                        "'ALL', and not from a temporary table");
  }
  const Json& resolved = table.at("resolvedTable");
  const Json& schema = resolved.at("schema");
  for (const Json& column : schema.at("columns")) {
    if (column.value("kind", "PHYSICAL") != "PHYSICAL") continue;
    ASSIGN_OR_RETURN(LogicalType type, TypeOf(column.at("dataType")));
    spec->physical.push_back({column.at("name"), std::move(type)});
  }
  if (schema.contains("primaryKey")) {
    for (const Json& name : schema.at("primaryKey").at("columns")) {
      for (size_t i = 0; i < spec->physical.size(); ++i) {
        if (spec->physical[i].name == name.get<std::string>()) {
          spec->primary_key.push_back(static_cast<int>(i));
        }
      }
    }
  }
  if (resolved.contains("partitionKeys")) {
    spec->partition_keys = resolved.at("partitionKeys").get<std::vector<std::string>>();
  }
  if (!resolved.contains("options") || !resolved.at("options").contains("connector")) {
    return Status::User("plan holds table " + spec->identifier +
                        " without its options: compile it with "
                        "'table.plan.compile.catalog-objects' = 'ALL'");
  }
  spec->options = resolved.at("options").get<std::map<std::string, std::string>>();
  spec->connector = spec->options.at("connector");
  return Status::Ok();
}

Json InputRef(int index, const LogicalType& type) {
  return {{"kind", "INPUT_REF"}, {"inputIndex", index}, {"type", type.ToString()}};
}

}  // namespace

Result<LogicalType> TypeOf(const Json& json) {
  if (json.is_string()) return LogicalType::Parse(json.get<std::string>());
  if (!json.is_object() || !json.contains("type")) {
    return Status::User("type of the plan is not understood: " + json.dump());
  }
  const std::string name = json.at("type");
  const bool nullable = json.value("nullable", true);
  if (name == "ROW") {
    std::vector<Field> fields;
    for (const Json& field : json.at("fields")) {
      ASSIGN_OR_RETURN(LogicalType type, TypeOf(field.at("fieldType")));
      fields.push_back({field.at("name"), std::move(type)});
    }
    return LogicalType::Row(std::move(fields)).AsNullable(nullable);
  }
  if (name == "TIMESTAMP_WITHOUT_TIME_ZONE" || name == "TIMESTAMP_WITH_LOCAL_TIME_ZONE") {
    const int precision = json.value("precision", 3);
    LogicalType type = name == "TIMESTAMP_WITHOUT_TIME_ZONE" ? LogicalType::Timestamp(precision)
                                                             : LogicalType::TimestampLtz(precision);
    const std::string kind = json.value("kind", "REGULAR");
    if (kind == "ROWTIME") type = type.WithTimeAttribute(TimeAttribute::kRowtime);
    if (kind == "PROCTIME") type = type.WithTimeAttribute(TimeAttribute::kProctime);
    return type.AsNullable(nullable);
  }
  return Status::User("type of the plan is not supported yet: " + json.dump());
}

Result<RowType> RowTypeOf(const Json& json) {
  ASSIGN_OR_RETURN(LogicalType type, TypeOf(json));
  return type.children();
}

Result<PlannedSource> ReadSourceTable(const Json& node) {
  PlannedSource planned;
  const Json& scan = node.at("scanTableSource");
  RETURN_IF_ERROR(ReadResolvedTable(scan.at("table"), &planned.table));
  TableSpec& table = planned.table;
  ASSIGN_OR_RETURN(RowType output, RowTypeOf(node.at("outputType")));
  table.produced = output;
  Json others = Json::array();
  RowType current = table.physical;  // type to which the next ability's expressions refer
  bool projected_after_filter = false;
  Json filter_projection;
  for (const Json& ability : scan.value("abilities", Json::array())) {
    const std::string type = ability.at("type");
    if (ability.contains("producedType") && !ability.at("producedType").is_null()) {
      ASSIGN_OR_RETURN(current, RowTypeOf(ability.at("producedType")));
    }
    if (type == "ProjectPushDown") {
      const auto fields = ability.at("projectedFields").get<std::vector<std::vector<int>>>();
      if (planned.filters.empty()) {
        table.projection = fields;
      } else {
        // The filters need the columns as they were: the calc behind them projects.
        projected_after_filter = true;
        filter_projection = Json::array();
        for (const std::vector<int>& path : fields) {
          const Field* field = &table.physical[static_cast<size_t>(path[0])];
          Json expression = InputRef(path[0], field->type);
          for (size_t step = 1; step < path.size(); ++step) {
            field = &field->type.children()[static_cast<size_t>(path[step])];
            expression = {{"kind", "FIELD_ACCESS"}, {"name", field->name}, {"expr", expression}};
          }
          filter_projection.push_back(std::move(expression));
        }
      }
    } else if (type == "ReadingMetadata") {
      table.metadata = ability.at("metadataKeys").get<std::vector<std::string>>();
    } else if (type == "FilterPushDown") {
      for (const Json& predicate : ability.at("predicates")) {
        planned.filters.push_back(predicate.dump());
      }
    } else if (type == "WatermarkPushDown") {
      Json watermark = {{"watermarkExpr", ability.at("watermarkExpr")},
                        {"idleTimeoutMs", ability.value("idleTimeoutMillis", int64_t{0})},
                        {"emit", "periodic"},
                        {"intervalMs", 200}};
      const Json parameters = ability.value("watermarkParams", Json(nullptr));
      if (parameters.is_object()) {
        if (parameters.value("emitStrategy", "") == "ON_EVENT") watermark["emit"] = "on-event";
        const int64_t idle_ms = parameters.value("sourceIdleTimeout", int64_t{-1});
        if (idle_ms > 0) watermark["idleTimeoutMs"] = idle_ms;
        if (parameters.value("alignGroupName", Json(nullptr)).is_string()) {
          return Status::User("watermark alignment of sources is not supported yet");
        }
      }
      if (watermark["idleTimeoutMs"].get<int64_t>() < 0) watermark["idleTimeoutMs"] = 0;
      planned.watermark_json = watermark.dump();
    } else if (type == "LimitPushDown" || type == "PartitionPushDown") {
      others.push_back(ability);
    } else {
      return Status::User("what was pushed into the source is not supported yet: " + type);
    }
  }
  // The planner has acted on these; connectors do not know them.
  std::erase_if(table.options,
                [](const auto& option) { return option.first.starts_with("scan.watermark."); });
  for (const Json& other : others) {
    if (other.at("type") != "PartitionPushDown") continue;  // the plan has its own limit node
    return Status::User("what was pushed into the source is not supported yet: PartitionPushDown");
  }
  if (!planned.filters.empty()) {
    if (projected_after_filter) {
      if (!table.metadata.empty()) {
        return Status::User("a filter pushed down together with metadata is not supported yet");
      }
      table.produced = table.physical;
      planned.filter_projection = filter_projection.dump();
    } else {
      Json identity = Json::array();
      for (size_t i = 0; i < output.size(); ++i) {
        identity.push_back(InputRef(static_cast<int>(i), output[i].type));
      }
      planned.filter_projection = identity.dump();
    }
  }
  table.abilities = others.dump();
  return planned;
}

Result<TableSpec> ReadSinkTable(const Json& node) {
  TableSpec table;
  const Json& sink = node.at("dynamicTableSink");
  RETURN_IF_ERROR(ReadResolvedTable(sink.at("table"), &table));
  table.produced = table.physical;
  Json others = Json::array();
  for (const Json& ability : sink.value("abilities", Json::array())) {
    const std::string type = ability.at("type");
    if (type == "WritingMetadata") {
      table.metadata = ability.at("metadataKeys").get<std::vector<std::string>>();
      ASSIGN_OR_RETURN(table.produced, RowTypeOf(ability.at("consumedType")));
    } else if (type == "Partitioning" && ability.value("partition", Json::object()).empty()) {
      continue;  // dynamic partitions: the columns say which
    } else {
      others.push_back(ability);
    }
  }
  table.abilities = others.dump();
  if (!others.empty()) {
    return Status::User("what was pushed into the sink is not supported yet: " +
                        others[0].at("type").get<std::string>());
  }
  return table;
}

}  // namespace millrace::jobs
