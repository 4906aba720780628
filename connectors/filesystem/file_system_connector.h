#pragma once

#include "runtime/api/registry.h"

namespace millrace::connectors {

// Describes 'filesystem': tables in folders of files, read and written in a format; written exactly
// once. Options, folders of partitions and file names as Flink's filesystem connector.
runtime::ConnectorInfo MakeFileSystemConnector();

}  // namespace millrace::connectors
