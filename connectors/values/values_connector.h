#pragma once

#include "runtime/api/registry.h"

namespace millrace::connectors {

// Describes 'values': the connector of tests. A source reads rows from JSON-lines files, a sink writes
// each change as a line of Flink's row form to a file. Options and the form of rows are described in
// tests/conformance/README.md; the others of Flink's test connector are let through.
runtime::ConnectorInfo MakeValuesConnector();

}  // namespace millrace::connectors
