#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/types/status.h"

namespace millrace::runtime {

enum class OptionType : uint8_t { kString, kBool, kInt, kDouble, kDuration, kMemorySize, kEnum, kMap };

// Declares one option. An option is declared once, as one of these rows; SQL planning (the Java
// factories are generated from them), REST, --help and the documentation all read it.
struct OptionSpec {
  const char* name;           // Flink's name where Flink has it; for kMap a prefix with the dot: "properties."
  OptionType type;
  const char* default_value;  // text form; nullptr: none
  const char* words;          // what it does, one or two sentences
  const char* choices = "";   // kEnum: comma-separated; a value outside is refused
  bool required = false;
  bool secret = false;        // masked wherever options are shown
  bool planning_only = false; // read by the planner; the runtime ignores it silently
};

using OptionTable = std::span<const OptionSpec>;

// Holds option values by name, as text, checked against a table.
class Options {
 public:
  Options() = default;
  // Checks names, types and required ones. An unknown name is refused with the nearest known one.
  // Names in `also_known` (from "connector", formats) are let through unread.
  static Result<Options> Parse(OptionTable table, const std::map<std::string, std::string>& values,
                               std::span<const std::string> also_known = {});

  bool Has(std::string_view name) const;
  // The value or the default of the table. REQUIRES: the name is in the table, with that type
  // (checked); and that it has a value or a default, except for the Find forms.
  std::string String(std::string_view name) const;
  bool Bool(std::string_view name) const;
  int64_t Int(std::string_view name) const;
  double Double(std::string_view name) const;
  int64_t DurationMs(std::string_view name) const;
  uint64_t MemoryBytes(std::string_view name) const;
  std::optional<std::string> Find(std::string_view name) const;
  // Entries of a kMap option, prefix taken off.
  std::map<std::string, std::string> Map(std::string_view prefix) const;
  // For people: secrets replaced by "******".
  std::map<std::string, std::string> Masked() const;

 private:
  const OptionSpec& Spec(std::string_view name) const;

  OptionTable table_;
  std::map<std::string, std::string, std::less<>> values_;
};

// Flink's text forms: "10 s", "1 min", "500ms", "PT5S", a bare number is milliseconds.
Result<int64_t> ParseDurationMs(std::string_view text);
// "64 mb", "1g", "1048576"; units are powers of 1,024 as in Flink.
Result<uint64_t> ParseMemorySize(std::string_view text);
// The entry of `known` that differs least from `name` (edit distance); empty if none is near.
std::string NearestName(std::string_view name, std::span<const std::string> known);

}  // namespace millrace::runtime
