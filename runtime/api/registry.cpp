#include "runtime/api/registry.h"

namespace millrace::runtime {

namespace {

template <typename T>
Status Unknown(const std::string& what, const std::string& name,
               const std::map<std::string, T>& known) {
  std::vector<std::string> names;
  for (const auto& [key, value] : known) names.push_back(key);
  std::string message = "unknown " + what + " '" + name + "'.";
  const std::string nearest = NearestName(name, names);
  if (!nearest.empty()) message += " Did you mean '" + nearest + "'?";
  message += " Known:";
  for (const std::string& candidate : names) message += " " + candidate;
  return Status::User(message);
}

}  // namespace

void Registry::AddOperator(const std::string& kind, OperatorFactory factory) {
  CHECK_THAT_HOLDS(operators_.emplace(kind, std::move(factory)).second);
}
void Registry::AddConnector(ConnectorInfo info) {
  std::string name = info.name;
  CHECK_THAT_HOLDS(connectors_.emplace(std::move(name), std::move(info)).second);
}
void Registry::AddFormat(FormatInfo info) {
  std::string name = info.name;
  CHECK_THAT_HOLDS(formats_.emplace(std::move(name), std::move(info)).second);
}

Result<std::unique_ptr<Operator>> Registry::MakeOperator(const OperatorSpec& spec,
                                                         const JobSettings& settings) const {
  auto found = operators_.find(spec.kind);
  if (found == operators_.end()) return Unknown("operator", spec.kind, operators_);
  Result<std::unique_ptr<Operator>> made = found->second(spec, settings);
  if (!made.ok()) return made.status().Within(spec.description.empty() ? spec.uid : spec.description);
  return made;
}

Result<const ConnectorInfo*> Registry::FindConnector(const std::string& name) const {
  auto found = connectors_.find(name);
  if (found == connectors_.end()) return Unknown("connector", name, connectors_);
  return &found->second;
}

}  // namespace millrace::runtime
