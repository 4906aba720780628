#pragma once

#include <memory>

#include "connectors/formats/csv_options.h"
#include "connectors/formats/format.h"

namespace millrace::connectors {

// Makes the decoder of delimited lines, with the rules of Jackson's CSV parser that Flink uses: a
// value is quoted only if the quote is its first character; quotes within are doubled; columns go by
// position.
runtime::Result<std::unique_ptr<Decoder>> MakeCsvDecoder(const DecoderSpec& spec,
                                                         const CsvOptions& options);

}  // namespace millrace::connectors
