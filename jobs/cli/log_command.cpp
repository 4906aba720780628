#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "connectors/log/log_service.h"
#include "jobs/cli/command.h"

namespace millrace::jobs {

namespace {

int Run(const std::map<std::string, std::string>& values) {
  auto options = runtime::Options::Parse(connectors::LogServiceOptions(), values);
  if (!options.ok()) return Complain("log: " + options.status().message(), kExitUsage);
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGINT);
  sigaddset(&wanted, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
  signal(SIGPIPE, SIG_IGN);
  auto service = connectors::LogService::Start(*options);
  if (!service.ok()) {
    return Complain("log: " + service.status().message(),
                    service.status().fault() == runtime::Fault::kUser ? kExitUsage : kExitFailed);
  }
  std::printf("log: %s\n", (*service)->url().c_str());
  std::fflush(stdout);
  int signal_number = 0;
  sigwait(&wanted, &signal_number);
  // A second one ends at once.
  pthread_sigmask(SIG_UNBLOCK, &wanted, nullptr);
  (*service)->Stop();
  return kExitOk;
}

}  // namespace

// Every option of the service is an argument of the same name.
void AddLogCommand(CLI::App& app, RunAction* run) {
  CLI::App* command = app.add_subcommand("log", "Run the sharded log: the Kinesis API on this machine");
  auto values = std::make_shared<std::map<std::string, std::string>>();
  for (const runtime::OptionSpec& spec : connectors::LogServiceOptions()) {
    std::string words = spec.words;
    if (spec.default_value != nullptr) words += " (" + std::string(spec.default_value) + ")";
    command
        ->add_option_function<std::string>(
            "--" + std::string(spec.name),
            [values, name = std::string(spec.name)](const std::string& value) {
              (*values)[name] = value;
            },
            words)
        ->required(spec.required);
  }
  command->footer(
      "Prints its address once clients can connect. Ctrl-C or SIGTERM stops it.\n\n"
      "Example:\n"
      "  millrace log --directory /var/lib/millrace/log --port 4567\n"
      "  aws --endpoint-url http://127.0.0.1:4567 kinesis list-streams\n");
  command->callback([values, run] { *run = [values] { return Run(*values); }; });
}

}  // namespace millrace::jobs
