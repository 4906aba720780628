#include "connectors/formats/format.h"

#include <cstring>

#include "connectors/formats/format_factory.h"

namespace millrace::connectors {
namespace {

using runtime::Options;
using runtime::Result;
using runtime::Status;

constexpr const char* kFormatKeys[] = {"format", "key.format", "value.format"};
constexpr size_t kShownBytes = 1000;

const FormatFactory* const* AllFormats() {
  static const FormatFactory* const formats[] = {&JsonFormat(), &CsvFormat(), &RawFormat(), nullptr};
  return formats;
}

Result<const FormatFactory*> FindFormat(const std::string& name) {
  std::vector<std::string> known;
  for (const FormatFactory* const* format = AllFormats(); *format != nullptr; ++format) {
    if (name == (*format)->name) return *format;
    known.emplace_back((*format)->name);
  }
  std::string message = "Could not find any format for 'format' = '" + name + "'.";
  const std::string nearest = runtime::NearestName(name, known);
  if (!nearest.empty()) message += " Did you mean '" + nearest + "'?";
  message += " Available formats are: json, csv, raw.";
  return Status::User(message);
}

// Takes the entries under `prefix` out and checks them; errors name them as the table does.
Result<Options> FormatOptions(const FormatFactory& format, const std::string& prefix,
                              const std::map<std::string, std::string>& table_options) {
  const std::string before = prefix + format.name + ".";
  std::map<std::string, std::string> own;
  for (const auto& [name, value] : table_options) {
    if (name.starts_with(before)) own[name.substr(before.size())] = value;
  }
  Result<Options> options = Options::Parse(format.options, own);
  if (!options.ok()) {
    return options.status().Within("options of format '" + std::string(format.name) +
                                   "', written with '" + before + "' before their names");
  }
  return options;
}

}  // namespace

size_t Decoder::Cut(std::string_view bytes, bool at_end, size_t max_records,
                    std::vector<std::string_view>* records) const {
  size_t taken = 0;
  for (size_t count = 0; count < max_records && taken < bytes.size(); ++count) {
    const char* begin = bytes.data() + taken;
    const void* found = std::memchr(begin, '\n', bytes.size() - taken);
    if (found == nullptr && !at_end) break;
    const char* end =
        found == nullptr ? bytes.data() + bytes.size() : static_cast<const char*>(found);
    std::string_view record(begin, static_cast<size_t>(end - begin));
    taken += record.size() + (found == nullptr ? 0 : 1);
    if (record.ends_with('\r')) record.remove_suffix(1);
    records->push_back(record);
  }
  return taken;
}

std::string ShownRecord(std::string_view record) {
  if (record.size() <= kShownBytes) return std::string(record);
  return std::string(record.substr(0, kShownBytes)) + "... (" + std::to_string(record.size()) +
         " bytes)";
}

Result<std::unique_ptr<Decoder>> MakeDecoder(const DecoderSpec& spec) {
  ASSIGN_OR_RETURN(const FormatFactory* format, FindFormat(spec.format));
  ASSIGN_OR_RETURN(const Options options, FormatOptions(*format, spec.prefix, spec.options));
  DecoderSpec filled = spec;
  if (spec.no_columns) {
    CHECK_THAT_HOLDS(filled.projection.empty() && filled.columns.empty());
    return format->make_decoder(filled, options);
  }
  if (filled.projection.empty() && filled.columns.empty()) {
    for (size_t i = 0; i < spec.record.size(); ++i) {
      filled.projection.push_back({static_cast<int>(i)});
    }
  }
  if (filled.columns.empty()) {
    for (size_t i = 0; i < filled.projection.size(); ++i) {
      filled.columns.push_back(static_cast<int>(i));
    }
  } else if (filled.projection.empty()) {
    for (size_t i = 0; i < filled.columns.size(); ++i) {
      filled.projection.push_back({static_cast<int>(i)});
    }
  }
  CHECK_THAT_HOLDS(filled.columns.size() == filled.projection.size());
  return format->make_decoder(filled, options);
}

Result<std::unique_ptr<Encoder>> MakeEncoder(const EncoderSpec& spec) {
  ASSIGN_OR_RETURN(const FormatFactory* format, FindFormat(spec.format));
  ASSIGN_OR_RETURN(const Options options, FormatOptions(*format, spec.prefix, spec.options));
  EncoderSpec filled = spec;
  if (filled.columns.empty()) {
    for (size_t i = 0; i < spec.record.size(); ++i) filled.columns.push_back(static_cast<int>(i));
  }
  CHECK_THAT_HOLDS(filled.columns.size() == filled.record.size());
  return format->make_encoder(filled, options);
}

Result<std::unique_ptr<Decoder>> MakeDecoder(
    const std::string& format, const runtime::RowType& row,
    const std::map<std::string, std::string>& table_options, const std::string& time_zone) {
  DecoderSpec spec;
  spec.format = format;
  spec.record = row;
  spec.options = table_options;
  spec.time_zone = time_zone;
  return MakeDecoder(spec);
}

Result<std::unique_ptr<Encoder>> MakeEncoder(
    const std::string& format, const runtime::RowType& row,
    const std::map<std::string, std::string>& table_options, const std::string& time_zone) {
  EncoderSpec spec;
  spec.format = format;
  spec.record = row;
  spec.options = table_options;
  spec.time_zone = time_zone;
  return MakeEncoder(spec);
}

std::vector<runtime::FormatInfo> Formats() {
  std::vector<runtime::FormatInfo> infos;
  for (const FormatFactory* const* format = AllFormats(); *format != nullptr; ++format) {
    infos.push_back({(*format)->name, (*format)->options});
  }
  return infos;
}

std::map<std::string, std::string> ConnectorOptions(
    const std::map<std::string, std::string>& table_options) {
  std::map<std::string, std::string> own = table_options;
  own.erase("connector");
  for (const std::string key : kFormatKeys) {
    const auto named = table_options.find(key);
    if (named == table_options.end()) continue;
    const std::string before = key.substr(0, key.size() - 6) + named->second + ".";
    std::erase_if(own, [&](const auto& entry) { return entry.first.starts_with(before); });
  }
  return own;
}

}  // namespace millrace::connectors
