#pragma once

#include <memory>

#include "connectors/formats/csv_options.h"
#include "connectors/formats/format.h"

namespace millrace::connectors {

// Makes the encoder of rows to delimited lines, quoted where Jackson's CSV generator quotes: texts
// over 24 characters, and those with a backslash or a character up to the greater of delimiter and
// quote (so with blanks: timestamps are quoted).
runtime::Result<std::unique_ptr<Encoder>> MakeCsvEncoder(const EncoderSpec& spec,
                                                         const CsvOptions& options);

}  // namespace millrace::connectors
