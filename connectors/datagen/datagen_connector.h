#pragma once

#include "runtime/api/registry.h"

namespace millrace::connectors {

// Describes 'datagen': makes rows of random or sequential values, with the options of Flink's.
// A value is a function of the column, the split and the row's number in it, so a restored job goes
// on with exactly the rows that it would have made.
runtime::ConnectorInfo MakeDatagenConnector();

}  // namespace millrace::connectors
