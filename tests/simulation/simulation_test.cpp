#include "tests/simulation/simulation.h"

#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>

namespace millrace::tests {
namespace {

// MILLRACE_SIMULATION_SEED=N runs that seed alone, and prints what happens in it;
// MILLRACE_SIMULATION_SEEDS=FIRST:COUNT runs others than the usual ones.
std::optional<uint64_t> SeedAsked() {
  const char* text = std::getenv("MILLRACE_SIMULATION_SEED");
  if (text == nullptr) return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

char abort_note[96];

// A failed CHECK ends the program: says at least in which seed.
void OnAbort(int) {
  ssize_t ignored = ::write(2, abort_note, std::char_traits<char>::length(abort_note));
  (void)ignored;
}

SimulationOutcome Run(uint64_t seed, bool print = false) {
  std::snprintf(abort_note, sizeof(abort_note),
                "the program ended in MILLRACE_SIMULATION_SEED=%llu\n",
                static_cast<unsigned long long>(seed));
  ::signal(SIGABRT, OnAbort);
  SimulationOutcome outcome = RunSimulation(seed, print);
  ::signal(SIGABRT, SIG_DFL);
  return outcome;
}

void RunSeeds(uint64_t first, uint64_t count) {
  std::map<std::string, int64_t> counts;
  uint64_t events = 0;
  double seconds = 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    const auto began = std::chrono::steady_clock::now();
    const SimulationOutcome outcome = Run(seed);
    events += outcome.events;
    seconds += outcome.virtual_seconds;
    for (const auto& [what, times] : outcome.counts) counts[what] += times;
    if (std::getenv("MILLRACE_SIMULATION_VERBOSE") != nullptr) {
      std::printf("seed %llu: %llu events, %.1f virtual s, %.3f s\n",
                  static_cast<unsigned long long>(seed),
                  static_cast<unsigned long long>(outcome.events), outcome.virtual_seconds,
                  std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
      std::fflush(stdout);
    }
    if (outcome.violation.empty()) continue;
    FAIL_CHECK("MILLRACE_SIMULATION_SEED=" << seed << ": " << outcome.violation);
  }
  std::printf("%llu seeds, %llu events, %.0f virtual seconds\n",
              static_cast<unsigned long long>(count), static_cast<unsigned long long>(events),
              seconds);
  for (const auto& [what, times] : counts) {
    std::printf("  %8lld %s\n", static_cast<long long>(times), what.c_str());
  }
}

TEST_CASE("a job on simulated time, disk and scheduler, with faults and crashes, is exact") {
  if (const auto seed = SeedAsked()) {
    const SimulationOutcome outcome = Run(*seed, true);
    INFO("MILLRACE_SIMULATION_SEED=" << *seed);
    CHECK(outcome.violation == "");
    return;
  }
  uint64_t first = 1, count = 1000;
  if (const char* range = std::getenv("MILLRACE_SIMULATION_SEEDS")) {
    char* end = nullptr;
    first = std::strtoull(range, &end, 10);
    if (*end == ':') count = std::strtoull(end + 1, nullptr, 10);
  }
  RunSeeds(first, count);
}

TEST_CASE("ten thousand seeds", "[nightly]") {
  if (!SeedAsked()) RunSeeds(1000, 10'000);
}

TEST_CASE("a seed gives the same trace each time") {
  if (SeedAsked()) return;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("MILLRACE_SIMULATION_SEED=" << seed);
    const SimulationOutcome first = Run(seed);
    const SimulationOutcome second = Run(seed);
    CHECK(first.events == second.events);
    CHECK(first.trace_hash == second.trace_hash);
    CHECK(first.virtual_seconds == second.virtual_seconds);
  }
}

}  // namespace
}  // namespace millrace::tests
