#pragma once

#include <memory>

#include "connectors/formats/format.h"
#include "runtime/api/option_table.h"

namespace millrace::connectors {

// Makes the decoders and encoders of one format. A row a format in format.cpp. The functions get specs
// whose `projection` and `columns` are filled, and the format's own options, checked.
struct FormatFactory {
  const char* name;
  runtime::OptionTable options;
  runtime::Result<std::unique_ptr<Decoder>> (*make_decoder)(const DecoderSpec& spec,
                                                            const runtime::Options& options);
  runtime::Result<std::unique_ptr<Encoder>> (*make_encoder)(const EncoderSpec& spec,
                                                            const runtime::Options& options);
};

const FormatFactory& JsonFormat();
const FormatFactory& CsvFormat();
const FormatFactory& RawFormat();

// The text of a record for an error message, cut if it is long.
std::string ShownRecord(std::string_view record);

}  // namespace millrace::connectors
