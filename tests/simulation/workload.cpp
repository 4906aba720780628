#include "tests/simulation/workload.h"

#include <algorithm>

namespace millrace::tests {

Workload Workload::Make(uint64_t seed) {
  Random random(seed * 7919 + 13);
  Workload work;
  work.seed = seed;
  work.keys = static_cast<int>(random.Between(1, 60));
  work.step_ms = random.Between(1, 40);
  work.disorder_ms = random.Chance(0.5) ? random.Between(0, 300) : 0;
  work.window_ms = random.Between(1, 20) * 100;
  const int64_t first = random.Between(1, 6);
  const int64_t later = random.Chance(0.4) ? 0 : random.Chance(0.6) ? 1 : random.Between(2, 3);
  const bool children = random.Chance(0.5);
  for (int64_t i = 0; i < first + later; ++i) {
    SimulatedSplit split;
    split.rows = random.Chance(0.15) ? 0 : random.Between(1, 350);
    split.most_pause_ms = random.Chance(0.7) ? random.Between(0, 40) : 0;
    if (random.Chance(0.2)) split.closes_ms = random.Between(0, 4000);
    if (i >= first) {
      // Found one after the other, each with rows behind those of all before: none is late.
      split.time_from_ms = 0;
      for (const SimulatedSplit& before : work.splits) {
        split.time_from_ms =
            std::max(split.time_from_ms, before.time_from_ms + before.rows * work.step_ms);
      }
      split.time_from_ms += work.disorder_ms + 1;
      if (children) {
        split.parent = static_cast<int>(i == first ? random.Between(0, first - 1) : i - 1);
      } else {
        split.appears_ms = work.splits.back().appears_ms + random.Between(1, 1500);
      }
    }
    work.splits.push_back(split);
  }
  work.splits_found_later = static_cast<int>(later);
  work.discovers_by_time = later > 0 && (!children || random.Chance(0.3));
  work.idle_timeout_ms = random.Chance(0.3) ? random.Between(20, 500) : 0;
  return work;
}

SimulatedRow Workload::Row(int split, int64_t offset) const {
  const uint64_t mixed = Random::Mixed(seed * 1'000'003 + static_cast<uint64_t>(split) * 65'537 +
                                       static_cast<uint64_t>(offset));
  const int key = static_cast<int>(mixed % static_cast<uint64_t>(keys));
  SimulatedRow row;
  row.key = "k" + std::to_string(key);
  if (key % 3 == 1) row.key += " with a name that is too long to be stored inline";
  row.value = key * 10 + 1;
  row.time_ms = 1'600'000'000'000 + splits[static_cast<size_t>(split)].time_from_ms +
                offset * step_ms -
                static_cast<int64_t>((mixed >> 32) % static_cast<uint64_t>(disorder_ms + 1));
  return row;
}

int64_t Workload::rows() const {
  int64_t sum = 0;
  for (const SimulatedSplit& split : splits) sum += split.rows;
  return sum;
}

std::map<std::string, std::vector<std::string>> Workload::Expected(
    const std::vector<int64_t>& read) const {
  std::map<std::string, std::vector<std::string>> expected;
  std::map<std::string, std::pair<int64_t, int64_t>> sums;
  std::map<std::pair<std::string, int64_t>, std::pair<int64_t, int64_t>> windows;
  auto& raw = expected["raw"];
  auto& counts = expected["counts"];
  for (size_t s = 0; s < splits.size(); ++s) {
    for (int64_t i = 0; i < read[s]; ++i) {
      const SimulatedRow row = Row(static_cast<int>(s), i);
      raw.push_back(row.key + '|' + std::to_string(row.value) + '|' + std::to_string(row.time_ms) +
                    '|' + std::to_string(s) + '|' + std::to_string(i));
      auto& [count, sum] = sums[row.key];
      counts.push_back(row.key + '|' + std::to_string(++count) + '|' +
                       std::to_string(sum += row.value));
      const int64_t start = row.time_ms - row.time_ms % window_ms;
      auto& [in_window, of_window] = windows[{row.key, start}];
      ++in_window;
      of_window += row.value;
    }
  }
  for (const auto& [key, window] : windows) {
    expected["windows"].push_back(key.first + '|' + std::to_string(window.first) + '|' +
                                  std::to_string(window.second) + '|' + std::to_string(key.second) +
                                  '|' + std::to_string(key.second + window_ms));
  }
  for (auto& [sink, rows] : expected) std::sort(rows.begin(), rows.end());
  return expected;
}

const runtime::RowType& SourceRowType() {
  using runtime::LogicalType;
  using runtime::TypeKind;
  static const runtime::RowType type = [] {
    return runtime::RowType{{"k", LogicalType::VarChar()},
                            {"v", LogicalType(TypeKind::kBigInt, false)},
                            {"t", LogicalType::Timestamp(3)},
                            {"split", LogicalType(TypeKind::kBigInt, false)},
                            {"at", LogicalType(TypeKind::kBigInt, false)}};
  }();
  return type;
}

}  // namespace millrace::tests
