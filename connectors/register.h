#pragma once

#include "runtime/api/registry.h"

namespace millrace::connectors {

// Adds every connector and format of this folder.
void RegisterConnectors(runtime::Registry* registry);

}  // namespace millrace::connectors
