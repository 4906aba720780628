#pragma once

#include "runtime/api/registry.h"

namespace millrace::connectors {

// Describes 'blackhole': a sink that takes every change and drops it. Every value is read, so that a
// benchmark pays for making it; the sum of what was read is the metric "checksum".
runtime::ConnectorInfo MakeBlackholeConnector();

}  // namespace millrace::connectors
