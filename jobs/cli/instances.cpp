#include "jobs/cli/instances.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

namespace millrace::jobs {

namespace {

std::filesystem::path Folder() {
  if (const char* given = std::getenv("XDG_RUNTIME_DIR")) {
    return std::filesystem::path(given) / "millrace";
  }
  return std::filesystem::temp_directory_path() / ("millrace-" + std::to_string(getuid()));
}

}  // namespace

InstanceFile::InstanceFile(const std::string& url) {
  std::error_code error;
  std::filesystem::create_directories(Folder(), error);
  path_ = (Folder() / std::to_string(getpid())).string();
  std::ofstream(path_) << url << "\n";
}

InstanceFile::~InstanceFile() {
  std::error_code error;
  std::filesystem::remove(path_, error);
}

std::vector<std::string> LiveInstances() {
  std::vector<std::string> urls;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(Folder(), error)) {
    const std::string name = entry.path().filename().string();
    const pid_t pid = static_cast<pid_t>(std::strtol(name.c_str(), nullptr, 10));
    if (pid <= 0) continue;
    if (kill(pid, 0) != 0 && errno == ESRCH) {
      std::filesystem::remove(entry.path(), error);
      continue;
    }
    std::string url;
    std::ifstream(entry.path()) >> url;
    if (!url.empty()) urls.push_back(url);
  }
  return urls;
}

}  // namespace millrace::jobs
