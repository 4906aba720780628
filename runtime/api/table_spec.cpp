#include "runtime/api/table_spec.h"

#include <nlohmann/json.hpp>

namespace millrace::runtime {

namespace {

using Json = nlohmann::json;

Json RowToJson(const RowType& row) {
  Json json = Json::array();
  for (const Field& field : row) {
    json.push_back({{"name", field.name}, {"type", field.type.ToString()}});
  }
  return json;
}

Result<RowType> RowFromJson(const Json& json) {
  RowType row;
  for (const Json& field : json) {
    ASSIGN_OR_RETURN(LogicalType type, LogicalType::Parse(field.at("type").get<std::string>()));
    row.push_back({field.at("name"), std::move(type)});
  }
  return row;
}

Result<TableSpec> FromJson(const Json& json) {
  TableSpec table;
  table.identifier = json.at("identifier");
  table.connector = json.at("connector");
  ASSIGN_OR_RETURN(table.physical, RowFromJson(json.at("physical")));
  ASSIGN_OR_RETURN(table.produced, RowFromJson(json.at("produced")));
  table.projection = json.at("projection").get<std::vector<std::vector<int>>>();
  table.metadata = json.at("metadata").get<std::vector<std::string>>();
  table.partition_keys = json.at("partitionKeys").get<std::vector<std::string>>();
  table.primary_key = json.at("primaryKey").get<std::vector<int>>();
  table.options = json.at("options").get<std::map<std::string, std::string>>();
  table.abilities = json.at("abilities").dump();
  return table;
}

}  // namespace

std::string TableSpecToJson(const TableSpec& table) {
  return Json{{"identifier", table.identifier},
              {"connector", table.connector},
              {"physical", RowToJson(table.physical)},
              {"produced", RowToJson(table.produced)},
              {"projection", table.projection},
              {"metadata", table.metadata},
              {"partitionKeys", table.partition_keys},
              {"primaryKey", table.primary_key},
              {"options", table.options},
              {"abilities", table.abilities.empty() ? Json::array()
                                                    : Json::parse(table.abilities, nullptr, false)}}
      .dump();
}

Result<TableSpec> TableSpecFromJson(const std::string& json) {
  try {
    return FromJson(Json::parse(json));
  } catch (const Json::exception& e) {
    return Status::Internal(std::string("table of a source or sink can't be read: ") + e.what());
  }
}

Result<SourceConfig> SourceConfigFromJson(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    SourceConfig config;
    ASSIGN_OR_RETURN(config.table, FromJson(json.at("table")));
    if (json.contains("watermark")) {
      const Json& watermark = json.at("watermark");
      config.watermark_json = watermark.dump();
      config.on_event = watermark.value("emit", "periodic") == "on-event";
      config.interval_ms = watermark.value("intervalMs", int64_t{200});
      config.idle_timeout_ms = watermark.value("idleTimeoutMs", int64_t{0});
    }
    return config;
  } catch (const Json::exception& e) {
    return Status::Internal(std::string("config of a source can't be read: ") + e.what());
  }
}

}  // namespace millrace::runtime
