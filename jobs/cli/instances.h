#pragma once

#include <string>
#include <vector>

namespace millrace::jobs {

// The running processes of this user that have a REST address, by files in a folder of the user's:
// how `list`, `stop`, `cancel` and `savepoint` find jobs.
class InstanceFile {
 public:
  explicit InstanceFile(const std::string& url);
  ~InstanceFile();

 private:
  std::string path_;
};

// Addresses of processes that live; files of dead ones are removed.
std::vector<std::string> LiveInstances();

}  // namespace millrace::jobs
