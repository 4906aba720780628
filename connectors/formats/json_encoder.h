#pragma once

#include <memory>

#include "connectors/formats/format.h"
#include "connectors/formats/json_options.h"

namespace millrace::connectors {

// Makes the encoder of rows to JSON objects, byte for byte as Flink's: fields in the table's order,
// NULL as null, no blanks.
runtime::Result<std::unique_ptr<Encoder>> MakeJsonEncoder(const EncoderSpec& spec,
                                                          const JsonOptions& options);

}  // namespace millrace::connectors
