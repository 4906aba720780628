#pragma once

#include "runtime/api/registry.h"

namespace millrace::connectors {

// Describes 'print': writes each change as a line in Flink's row form, "+I[1, a]", to standard
// output or standard error. With 'print-identifier' the line begins "id> ", at a parallelism above
// 1 "id:1> " (without an identifier "1> ").
runtime::ConnectorInfo MakePrintConnector();
// Describes 'collect': what a bare SELECT of the SQL shell is sent to. As print, without
// prefixes; with 'collect.style' = 'table' as a table for people (changelog_table.h).
runtime::ConnectorInfo MakeCollectConnector();

}  // namespace millrace::connectors
