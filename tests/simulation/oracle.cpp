#include "tests/simulation/oracle.h"

#include <algorithm>
#include <iterator>

namespace millrace::tests {

namespace {

std::vector<std::string> Without(std::vector<std::string>* rows, const std::string& prefix) {
  std::vector<std::string> taken;
  std::erase_if(*rows, [&](const std::string& row) {
    if (!row.starts_with(prefix)) return false;
    taken.push_back(row.substr(prefix.size()));
    return true;
  });
  return taken;
}

int64_t SumOf(const std::vector<std::string>& numbers) {
  int64_t sum = 0;
  for (const std::string& number : numbers) sum += std::stoll(number);
  return sum;
}

std::string Difference(const std::vector<std::string>& found,
                       const std::vector<std::string>& expected) {
  std::vector<std::string> missing, extra;
  std::set_difference(expected.begin(), expected.end(), found.begin(), found.end(),
                      std::back_inserter(missing));
  std::set_difference(found.begin(), found.end(), expected.begin(), expected.end(),
                      std::back_inserter(extra));
  std::string text = std::to_string(missing.size()) + " rows are missing, " +
                     std::to_string(extra.size()) + " are too many, of " +
                     std::to_string(expected.size());
  for (size_t i = 0; i < std::min<size_t>(3, missing.size()); ++i) text += "\n  - " + missing[i];
  for (size_t i = 0; i < std::min<size_t>(3, extra.size()); ++i) text += "\n  + " + extra[i];
  return text;
}

}  // namespace

void CheckOutput(World* world, const Workload& work, const ExternalSystem& external, bool drained) {
  std::map<std::string, std::vector<std::string>> found;
  for (const char* sink : {"raw", "counts", "windows"}) {
    auto& rows = found[sink] = external.Committed(sink);
    const int64_t ever = SumOf(Without(&rows, "rows ever|"));
    if (ever != static_cast<int64_t>(rows.size())) {
      world->Violation("the writers of sink " + std::string(sink) + " remember " +
                       std::to_string(ever) + " rows, visible are " + std::to_string(rows.size()));
    }
  }
  auto& raw = found["raw"];
  const int64_t counted = SumOf(Without(&raw, "rows counted|"));
  std::vector<int64_t> read;
  for (const SimulatedSplit& split : work.splits) read.push_back(split.rows);
  if (drained) {
    std::fill(read.begin(), read.end(), 0);
    for (const std::string& row : raw) {
      const size_t at = row.rfind('|');
      const size_t split = row.rfind('|', at - 1);
      ++read[std::stoull(row.substr(split + 1))];
    }
  }
  const auto expected = work.Expected(read);
  for (const auto& [sink, rows] : expected) {
    if (sink == "windows" && work.rows_may_be_late()) continue;
    if (found[sink] != rows) {
      world->Violation("sink " + sink + ": " + Difference(found[sink], rows));
    }
  }
  if (counted != static_cast<int64_t>(raw.size())) {
    world->Violation("list state: " + std::to_string(counted) + " rows counted of " +
                     std::to_string(raw.size()));
  }
}

}  // namespace millrace::tests
