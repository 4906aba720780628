#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/api/operator.h"
#include "runtime/api/option_table.h"
#include "runtime/api/sink.h"
#include "runtime/api/source.h"

namespace millrace::runtime {

// What a connector is made from: one table of a plan.
struct TableSpec {
  std::string identifier;  // `catalog`.`database`.`table`, for messages
  std::string connector;
  RowType physical;        // physical columns of the table
  RowType produced;        // source: what is read, after projection, metadata columns last
                           // sink: what is written
  std::vector<std::vector<int>> projection;  // source: path of each produced column in `physical`;
                                             // empty: identity
  std::vector<std::string> metadata;         // keys of the metadata columns
  std::vector<std::string> partition_keys;
  std::vector<int> primary_key;              // columns of physical
  std::map<std::string, std::string> options;
  std::string abilities;                     // further abilities of the plan as JSON, "[]": none
  std::string job_id;
  std::string uid;                           // of the source or sink operator
  std::string time_zone = "UTC";
  int parallelism = 1;                       // subtasks of the source or sink
};

// Describes a connector to users, to the planner and to the runtime. A row a connector in
// connectors/register.cpp.
struct ConnectorInfo {
  std::string name;
  OptionTable options;
  std::vector<std::string> abilities;   // what the planner may push down: "projection", "limit", ...
  std::vector<Field> readable_metadata;
  std::vector<Field> writable_metadata;
  std::string source_changelog = "+I";  // row kinds that a source of it can give
  std::string sink_changelog = "+I";    // "+I", "upsert", "all"
  bool takes_format = false;
  std::function<Result<std::unique_ptr<Source>>(const TableSpec&)> make_source;  // null: no source
  std::function<Result<std::unique_ptr<Sink>>(const TableSpec&)> make_sink;      // null: no sink
};

// A format's options, for planning and help; the connectors use formats among themselves.
struct FormatInfo {
  std::string name;
  OptionTable options;
};

using OperatorFactory =
    std::function<Result<std::unique_ptr<Operator>>(const OperatorSpec&, const JobSettings&)>;
using WatermarkFactory =
    std::function<Result<std::unique_ptr<WatermarkGenerator>>(const std::string& config_json,
                                                              const RowType& row,
                                                              const JobSettings&)>;

// Holds what a process can run. Filled once by jobs/cli from each folder's register.cpp, then only
// read. Lookups of unknown names fail with the nearest known one.
class Registry {
 public:
  void AddOperator(const std::string& kind, OperatorFactory factory);
  void AddConnector(ConnectorInfo info);
  void AddFormat(FormatInfo info);
  void SetWatermarkFactory(WatermarkFactory factory) { watermark_factory_ = std::move(factory); }

  Result<std::unique_ptr<Operator>> MakeOperator(const OperatorSpec& spec,
                                                 const JobSettings& settings) const;
  Result<const ConnectorInfo*> FindConnector(const std::string& name) const;
  const std::map<std::string, OperatorFactory>& operators() const { return operators_; }
  const std::map<std::string, ConnectorInfo>& connectors() const { return connectors_; }
  const std::map<std::string, FormatInfo>& formats() const { return formats_; }
  const WatermarkFactory& watermark_factory() const { return watermark_factory_; }

 private:
  std::map<std::string, OperatorFactory> operators_;
  std::map<std::string, ConnectorInfo> connectors_;
  std::map<std::string, FormatInfo> formats_;
  WatermarkFactory watermark_factory_;
};

}  // namespace millrace::runtime
