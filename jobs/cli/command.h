#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace millrace::jobs {

// Exit codes of millrace, documented in jobs/cli/README.md.
enum ExitCode : int {
  kExitOk = 0,       // done; a job that was stopped by a signal at a final checkpoint too
  kExitFailed = 1,   // the job failed, or the service did
  kExitUsage = 2,    // it could not begin: wrong arguments, plan, SQL or options
  kExitAborted = 3,  // a second signal
};

// Each adds one subcommand; when it was chosen, `*run` gets what to do, which returns the exit code.
using RunAction = std::function<int()>;
void AddRunCommand(CLI::App& app, RunAction* run);
void AddSqlCommand(CLI::App& app, RunAction* run);
void AddLogCommand(CLI::App& app, RunAction* run);
void AddPlanCommand(CLI::App& app, RunAction* run);
void AddOptionsCommand(CLI::App& app, RunAction* run);
void AddJobCommands(CLI::App& app, RunAction* run);  // list, stop, cancel, savepoint

// Writes "millrace: WORDS" to standard error and returns `code`.
int Complain(const std::string& words, int code);
// Reads a whole file; false: says why itself.
bool ReadFile(const std::string& path, std::string* content);
// Splits "key=value" arguments; false: says which is wrong.
bool ReadSettings(const std::vector<std::string>& arguments,
                  std::map<std::string, std::string>* settings);

}  // namespace millrace::jobs
