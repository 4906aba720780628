#include <CLI/CLI.hpp>
#include <cstdio>

#include "jobs/cli/command.h"

namespace {
constexpr char kVersion[] = "0.1.0";
}

int main(int argc, char** argv) {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi2") ||
      !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("pclmul")) {
    std::fprintf(stderr,
                 "millrace: this processor lacks AVX2, BMI2, FMA or PCLMUL (x86-64-v3), which this "
                 "build needs; build from source for it with other -march flags\n");
    return millrace::jobs::kExitUsage;
  }
#endif
  CLI::App app{"Millrace: stream processing with Flink SQL, native.", "millrace"};
  app.footer(
      "Examples:\n"
      "  millrace sql -e \"SELECT 1 + 1\"                 one query, rows to standard output\n"
      "  millrace run job.sql                            a script of CREATE TABLE and INSERT\n"
      "  millrace run plan.json -p 2 -s checkpoints/ID   a compiled plan, resumed (no Java needed)\n"
      "  millrace log --directory /var/lib/log           the sharded log (Kinesis API)\n"
      "  millrace list                                   jobs of this machine\n");
  app.require_subcommand(1);
  millrace::jobs::RunAction run;
  millrace::jobs::AddRunCommand(app, &run);
  millrace::jobs::AddSqlCommand(app, &run);
  millrace::jobs::AddLogCommand(app, &run);
  millrace::jobs::AddPlanCommand(app, &run);
  millrace::jobs::AddOptionsCommand(app, &run);
  millrace::jobs::AddJobCommands(app, &run);
  app.add_subcommand("version", "Print the version")->callback([&run] {
    run = [] {
      std::printf("millrace %s (Flink SQL 2.3)\n", kVersion);
      return 0;
    };
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : millrace::jobs::kExitUsage;
  }
  return run ? run() : millrace::jobs::kExitUsage;
}
