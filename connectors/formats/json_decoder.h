#pragma once

#include <memory>

#include "connectors/formats/format.h"
#include "connectors/formats/json_options.h"

namespace millrace::connectors {

// Makes the decoder of JSON objects (or arrays of them): simdjson's on-demand parser straight into
// column builders, about a memory copy and one pass a record, no allocation a row.
runtime::Result<std::unique_ptr<Decoder>> MakeJsonDecoder(const DecoderSpec& spec,
                                                          const JsonOptions& options);

}  // namespace millrace::connectors
