#include "jobs/plan/plan_table.h"

#include <algorithm>
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

Json Combine(const char* function, const Json& left, const Json& right) {
  return {{"kind", "CALL"},
          {"syntax", "BINARY"},
          {"internalName", function},
          {"operands", {left, right}},
          {"type", "BOOLEAN"}};
}

// CAST(column AS STRING) = 'value'
Json PartitionEquals(const RowType& row, const std::string& column, const std::string& value) {
  int index = 0;
  while (static_cast<size_t>(index) < row.size() && row[static_cast<size_t>(index)].name != column) {
    ++index;
  }
  if (static_cast<size_t>(index) == row.size()) return nullptr;
  const std::string text = "VARCHAR(2147483647)";
  const Json cast = {{"kind", "CALL"},
                     {"internalName", "$CAST$1"},
                     {"operands", Json::array({InputRef(index, row[static_cast<size_t>(index)].type)})},
                     {"type", text}};
  return Combine("$=$1", cast, {{"kind", "LITERAL"}, {"value", value}, {"type", text + " NOT NULL"}});
}

// The name under which connectors list what the planner may push into a sink.
std::string AbilityName(const std::string& type) {
  if (type == "Bucketing") return "bucketing";
  if (type == "Overwrite") return "overwrite";
  if (type == "Partitioning") return "static-partition";
  if (type == "TargetColumnWriting") return "target-columns";
  return type;
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
  if (name == "RAW" && json.value("class", "") == "org.apache.flink.table.api.dataview.MapView") {
    // The distinct values of a local aggregate, on their way to the global one: value to count.
    const Json& external = json.at("externalDataType");
    const std::string logical =
        external.is_string() ? external.get<std::string>()
                             : external.at("logicalType").get<std::string>();
    const size_t begin = logical.find("MAP<");
    const size_t end = logical.rfind('>');  // of STRUCTURED<..., `map` MAP<...>>
    if (begin != std::string::npos && end > begin) {
      return LogicalType::Parse(logical.substr(begin, end - begin));
    }
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
    } else if (type == "SourceWatermark") {
      others.push_back(ability);  // if the connector has watermarks of its own
    } else if (type == "PartitionPushDown") {
      // A filter like others: one of the partitions, by the text of its columns.
      Json any;
      for (const Json& partition : ability.at("partitions")) {
        Json all;
        for (const auto& [column, value] : partition.items()) {
          Json is = PartitionEquals(current, column, value.get<std::string>());
          all = all.is_null() ? is : Combine("$AND$1", all, is);
        }
        any = any.is_null() ? all : Combine("$OR$1", any, all);
      }
      if (any.is_null()) {
        any = {{"kind", "LITERAL"}, {"value", false}, {"type", "BOOLEAN NOT NULL"}};
      }
      planned.filters.push_back(any.dump());
    } else if (type == "LimitPushDown") {
      others.push_back(ability);  // the plan has its own limit node
    } else {
      return Status::User("what was pushed into the source is not supported yet: " + type);
    }
  }
  // The planner has acted on these; connectors do not know them.
  std::erase_if(table.options,
                [](const auto& option) { return option.first.starts_with("scan.watermark."); });
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

Result<TableSpec> ReadSinkTable(const Json& node, const runtime::Registry& registry) {
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
  ASSIGN_OR_RETURN(const runtime::ConnectorInfo* connector, registry.FindConnector(table.connector));
  for (const Json& other : others) {
    const std::string type = other.at("type");
    const auto& abilities = connector->abilities;
    if (std::find(abilities.begin(), abilities.end(), AbilityName(type)) == abilities.end()) {
      return Status::User("connector '" + connector->name +
                          "' does not have what the plan pushes into the sink: " + type);
    }
  }
  return table;
}

}  // namespace millrace::jobs
