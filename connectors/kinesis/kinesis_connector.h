#pragma once

#include "runtime/api/registry.h"

namespace millrace::connectors {

// Describes 'kinesis': reads and writes streams of Amazon Kinesis Data Streams, or of whatever
// speaks its API, our own log first of all.
runtime::ConnectorInfo MakeKinesisConnector();

}  // namespace millrace::connectors
