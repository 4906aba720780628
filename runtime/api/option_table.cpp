#include "runtime/api/option_table.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

namespace millrace::runtime {

namespace {

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) {
    text.remove_prefix(1);
  }
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) {
    text.remove_suffix(1);
  }
  return text;
}

// Splits "12 min" into 12 and "min".
bool SplitNumber(std::string_view text, int64_t* number, std::string* unit) {
  text = Trim(text);
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  if (error != std::errc()) return false;
  *unit = Lower(Trim(text.substr(static_cast<size_t>(end - text.data()))));
  return true;
}

struct Unit {
  const char* names;  // separated by spaces, with one at each end
  int64_t factor;
};

const Unit* FindUnit(std::span<const Unit> units, const std::string& unit) {
  for (const Unit& known : units) {
    if (std::string_view(known.names).find(" " + unit + " ") != std::string_view::npos) {
      return &known;
    }
  }
  return nullptr;
}

// ISO-8601 "P1DT2H3M4.5S", as java.time.Duration prints it.
Result<int64_t> ParseIsoDuration(std::string_view text) {
  const Status wrong = Status::User("not an ISO-8601 duration such as PT10S: " + std::string(text));
  bool negative = false;
  if (!text.empty() && text[0] == '-') {
    negative = true;
    text.remove_prefix(1);
  }
  if (text.empty() || std::toupper(static_cast<unsigned char>(text[0])) != 'P') return wrong;
  text.remove_prefix(1);
  double total_ms = 0;
  bool in_time = false;
  while (!text.empty()) {
    if (text[0] == 'T' || text[0] == 't') {
      in_time = true;
      text.remove_prefix(1);
      continue;
    }
    double number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end == text.data() + text.size()) return wrong;
    const char unit = static_cast<char>(std::toupper(static_cast<unsigned char>(*end)));
    if (unit == 'D' && !in_time) total_ms += number * 86400000;
    else if (unit == 'H' && in_time) total_ms += number * 3600000;
    else if (unit == 'M' && in_time) total_ms += number * 60000;
    else if (unit == 'S' && in_time) total_ms += number * 1000;
    else return wrong;
    text.remove_prefix(static_cast<size_t>(end + 1 - text.data()));
  }
  const int64_t ms = std::llround(total_ms);
  return negative ? -ms : ms;
}

Status CheckValue(const OptionSpec& spec, const std::string& value) {
  const auto wrong = [&](const std::string& expected) {
    return Status::User("Invalid value for option '" + std::string(spec.name) + "': " +
                        (spec.secret ? "******" : value) + ". Expected " + expected + ".");
  };
  switch (spec.type) {
    case OptionType::kBool:
      if (Lower(value) != "true" && Lower(value) != "false") return wrong("true or false");
      break;
    case OptionType::kInt: {
      int64_t number = 0;
      auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (error != std::errc() || end != value.data() + value.size()) return wrong("a whole number");
      break;
    }
    case OptionType::kDouble: {
      double number = 0;
      auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (error != std::errc() || end != value.data() + value.size()) return wrong("a number");
      break;
    }
    case OptionType::kDuration:
      if (!ParseDurationMs(value).ok()) return wrong("a duration such as '10 s' or '500 ms'");
      break;
    case OptionType::kMemorySize:
      if (!ParseMemorySize(value).ok()) return wrong("a memory size such as '64 mb'");
      break;
    case OptionType::kEnum: {
      const std::string list = "," + Lower(spec.choices) + ",";
      if (list.find("," + Lower(value) + ",") == std::string::npos) {
        return wrong("one of " + std::string(spec.choices));
      }
      break;
    }
    case OptionType::kString:
    case OptionType::kMap: break;
  }
  return Status::Ok();
}

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

Result<int64_t> ParseDurationMs(std::string_view text) {
  static constexpr Unit kUnits[] = {
      {" ms milli millis millisecond milliseconds ", 1}, {" s sec secs second seconds ", 1000},
      {" m min minute minutes ", 60000},                 {" h hour hours ", 3600000},
      {" d day days ", 86400000}};
  const std::string_view trimmed = Trim(text);
  if (!trimmed.empty() && (trimmed[0] == 'P' || trimmed[0] == 'p' || trimmed.starts_with("-P"))) {
    return ParseIsoDuration(trimmed);
  }
  int64_t number = 0;
  std::string unit;
  if (SplitNumber(text, &number, &unit)) {
    if (unit.empty()) return number;
    if (unit == "ns" || unit == "µs" || unit == "us") {
      return unit == "ns" ? number / 1000000 : number / 1000;
    }
    if (const Unit* known = FindUnit(kUnits, unit)) return number * known->factor;
  }
  return Status::User("not a duration such as '10 s', '500 ms' or 'PT10S': " + std::string(text));
}

Result<uint64_t> ParseMemorySize(std::string_view text) {
  static constexpr Unit kUnits[] = {{" b bytes ", 1},
                                    {" k kb kibibytes ", 1024},
                                    {" m mb mebibytes ", 1 << 20},
                                    {" g gb gibibytes ", 1 << 30},
                                    {" t tb tebibytes ", int64_t{1} << 40}};
  int64_t number = 0;
  std::string unit;
  if (SplitNumber(text, &number, &unit) && number >= 0) {
    if (unit.empty()) return static_cast<uint64_t>(number);
    if (const Unit* known = FindUnit(kUnits, unit)) {
      return static_cast<uint64_t>(number * known->factor);
    }
  }
  return Status::User("not a memory size such as '64 mb' or '1g': " + std::string(text));
}

std::string NearestName(std::string_view name, std::span<const std::string> known) {
  std::string nearest;
  size_t least = std::max<size_t>(3, name.size() / 2);
  for (const std::string& candidate : known) {
    const size_t distance = EditDistance(name, candidate);
    if (distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

Result<Options> Options::Parse(OptionTable table, const std::map<std::string, std::string>& values,
                               std::span<const std::string> also_known) {
  Options options;
  options.table_ = table;
  for (const auto& [name, value] : values) {
    const OptionSpec* spec = nullptr;
    for (const OptionSpec& candidate : table) {
      if (candidate.type != OptionType::kMap) {
        if (name != candidate.name) continue;
        spec = &candidate;
        break;
      }
      if (spec == nullptr && name.starts_with(candidate.name)) spec = &candidate;
    }
    if (spec == nullptr) {
      if (std::find(also_known.begin(), also_known.end(), name) != also_known.end()) continue;
      std::vector<std::string> known(also_known.begin(), also_known.end());
      for (const OptionSpec& candidate : table) known.emplace_back(candidate.name);
      std::string message = "Unsupported option found: '" + name + "'.";
      const std::string nearest = NearestName(name, known);
      if (!nearest.empty()) message += " Did you mean '" + nearest + "'?";
      std::sort(known.begin(), known.end());
      message += " Supported options:";
      for (const std::string& candidate : known) message += "\n" + candidate;
      return Status::User(message);
    }
    RETURN_IF_ERROR(CheckValue(*spec, value));
    options.values_[name] = value;
  }
  std::string missing;
  for (const OptionSpec& spec : table) {
    if (spec.required && !options.values_.contains(spec.name)) {
      missing += "\n" + std::string(spec.name);
    }
  }
  if (!missing.empty()) {
    return Status::User("One or more required options are missing.\n\nMissing required options are:\n" +
                        missing);
  }
  return options;
}

const OptionSpec& Options::Spec(std::string_view name) const {
  for (const OptionSpec& spec : table_) {
    if (name == spec.name) return spec;
  }
  CHECK_THAT_HOLDS(false && "an option that its table declares");
  __builtin_unreachable();
}

bool Options::Has(std::string_view name) const { return values_.find(name) != values_.end(); }

std::optional<std::string> Options::Find(std::string_view name) const {
  auto found = values_.find(name);
  if (found != values_.end()) return found->second;
  const OptionSpec& spec = Spec(name);
  if (spec.default_value == nullptr) return std::nullopt;
  return spec.default_value;
}

std::string Options::String(std::string_view name) const {
  std::optional<std::string> value = Find(name);
  CHECK_THAT_HOLDS(value.has_value());
  return *value;
}

bool Options::Bool(std::string_view name) const { return Lower(String(name)) == "true"; }
int64_t Options::Int(std::string_view name) const { return std::stoll(String(name)); }
double Options::Double(std::string_view name) const { return std::stod(String(name)); }
int64_t Options::DurationMs(std::string_view name) const {
  return ParseDurationMs(String(name)).value();
}
uint64_t Options::MemoryBytes(std::string_view name) const {
  return ParseMemorySize(String(name)).value();
}

std::map<std::string, std::string> Options::Map(std::string_view prefix) const {
  std::map<std::string, std::string> entries;
  for (const auto& [name, value] : values_) {
    if (name.size() > prefix.size() && name.starts_with(prefix)) {
      entries[name.substr(prefix.size())] = value;
    }
  }
  return entries;
}

std::map<std::string, std::string> Options::Masked() const {
  std::map<std::string, std::string> shown;
  for (const auto& [name, value] : values_) {
    bool secret = false;
    for (const OptionSpec& spec : table_) {
      secret |= spec.secret && (spec.type == OptionType::kMap ? name.starts_with(spec.name)
                                                              : name == spec.name);
    }
    shown[name] = secret ? "******" : value;
  }
  return shown;
}

}  // namespace millrace::runtime
