#pragma once

#include <string>
#include <vector>

#include "runtime/types/batch.h"
#include "runtime/types/status.h"

namespace millrace::connectors {

// Reads rows {"kind": "+I", "row": [...]} of a JSON-lines file and appends them to `rows`, whose type
// names all columns of a row in order. Slow and simple: for tests.
runtime::Status AppendJsonRows(const std::string& lines, const std::string& path,
                               runtime::BatchBuilder* rows);

}  // namespace millrace::connectors
