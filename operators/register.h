#pragma once

#include "runtime/api/registry.h"

namespace millrace::operators {

// Adds every operator of this folder, and the watermark generator of the SQL clause.
void RegisterOperators(runtime::Registry& registry);

}  // namespace millrace::operators
