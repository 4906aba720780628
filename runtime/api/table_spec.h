#pragma once

#include <string>

#include "runtime/api/registry.h"

namespace millrace::runtime {

// The JSON form of a TableSpec: {"identifier","connector","physical":[{"name","type"}],"produced",
// "projection","metadata","partitionKeys","primaryKey","options","abilities"}. It is the "table" member
// of the config of operators "source" and "sink". job_id, uid and time_zone are not in it.
std::string TableSpecToJson(const TableSpec& table);
Result<TableSpec> TableSpecFromJson(const std::string& json);

// What else the config of a "source" holds: {"table":{..},"watermark":{..}}; watermark is absent or
// {"emit":"on-event|periodic","intervalMs":200,"idleTimeoutMs":0,...} and goes whole to the
// WatermarkFactory.
struct SourceConfig {
  TableSpec table;
  std::string watermark_json;  // empty: none
  bool on_event = false;
  int64_t interval_ms = 200;
  int64_t idle_timeout_ms = 0;
};
Result<SourceConfig> SourceConfigFromJson(const std::string& json);

}  // namespace millrace::runtime
