#include "runtime/engine/job_options.h"

#include <catch2/catch.hpp>

namespace millrace::runtime {
namespace {

using Catch::Contains;

TEST_CASE("without options a job takes no checkpoints and does not restart") {
  Result<JobOptions> options = ReadJobOptions({});
  REQUIRE(options.ok());
  CHECK(options->checkpoint_interval_ms == 0);
  CHECK(options->checkpoint_directory.empty());
  CHECK(options->restart == RestartStrategy::kNone);
  CHECK(options->settings.batch_rows == kDefaultBatchRows);
  CHECK(options->settings.time_zone == "UTC");
  CHECK(options->checkpoints_retained == 1);
  CHECK(options->channel_bytes == 1 << 20);
}

TEST_CASE("with checkpoints a job restarts with growing pauses") {
  Result<JobOptions> options = ReadJobOptions({{"execution.checkpointing.interval", "2 s"},
                                               {"execution.checkpointing.dir", "file:///somewhere"},
                                               {"millrace.batch.rows", "7"},
                                               {"table.local-time-zone", "Europe/Berlin"}});
  REQUIRE(options.ok());
  CHECK(options->checkpoint_interval_ms == 2000);
  CHECK(options->checkpoint_directory == "file:///somewhere");
  CHECK(options->restart == RestartStrategy::kExponentialDelay);
  CHECK(options->restart_delay_ms == 1000);
  CHECK(options->restart_max_delay_ms == 60'000);
  CHECK(options->restart_multiplier == 1.5);
  CHECK(options->settings.batch_rows == 7);
  CHECK(options->settings.time_zone == "Europe/Berlin");
}

TEST_CASE("restart strategies read their own options") {
  Result<JobOptions> options = ReadJobOptions({{"restart-strategy.type", "fixed-delay"},
                                               {"restart-strategy.fixed-delay.attempts", "5"},
                                               {"restart-strategy.fixed-delay.delay", "10 ms"}});
  REQUIRE(options.ok());
  CHECK(options->restart == RestartStrategy::kFixedDelay);
  CHECK(options->restart_attempts == 5);
  CHECK(options->restart_delay_ms == 10);
  options = ReadJobOptions({{"restart-strategy.type", "failure-rate"},
                            {"restart-strategy.failure-rate.max-failures-per-interval", "3"},
                            {"restart-strategy.failure-rate.failure-rate-interval", "5 min"}});
  REQUIRE(options.ok());
  CHECK(options->restart == RestartStrategy::kFailureRate);
  CHECK(options->restart_attempts == 3);
  CHECK(options->failure_interval_ms == 300'000);
}

TEST_CASE("unknown options are refused with the nearest known, Flink's others let through") {
  Result<JobOptions> options = ReadJobOptions({{"millrace.batch.row", "7"}});
  REQUIRE_FALSE(options.ok());
  CHECK(options.status().fault() == Fault::kUser);
  CHECK_THAT(options.status().message(),
             Contains("millrace.batch.row") && Contains("millrace.batch.rows"));
  CHECK(ReadJobOptions({{"table.exec.mini-batch.enabled", "true"}, {"rest.port", "8081"}}).ok());
}

TEST_CASE("values that can't be are refused by name") {
  const std::pair<const char*, const char*> kWrong[] = {
      {"millrace.batch.rows", "0"},
      {"millrace.batch.rows", "many"},
      {"execution.checkpointing.interval", "soon"},
      {"restart-strategy.type", "never"},
      {"millrace.channel.size", "1 parsec"}};
  for (const auto& [name, value] : kWrong) {
    INFO(name << " = " << value);
    Result<JobOptions> options = ReadJobOptions({{name, value}});
    REQUIRE_FALSE(options.ok());
    CHECK(options.status().fault() == Fault::kUser);
    CHECK_THAT(options.status().message(), Contains(name));
  }
  // An interval without a folder to keep checkpoints in.
  Result<JobOptions> options = ReadJobOptions({{"execution.checkpointing.interval", "1 s"}});
  REQUIRE_FALSE(options.ok());
  CHECK_THAT(options.status().message(), Contains("execution.checkpointing.dir"));
}

}  // namespace
}  // namespace millrace::runtime
