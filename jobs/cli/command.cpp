#include "jobs/cli/command.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

namespace millrace::jobs {

int Complain(const std::string& words, int code) {
  std::fprintf(stderr, "millrace: %s\n", words.c_str());
  return code;
}

bool ReadFile(const std::string& path, std::string* content) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    Complain("can't read file: " + path + ": " + std::strerror(errno), kExitUsage);
    return false;
  }
  std::ostringstream all;
  all << file.rdbuf();
  *content = all.str();
  return true;
}

bool ReadSettings(const std::vector<std::string>& arguments,
                  std::map<std::string, std::string>* settings) {
  for (const std::string& argument : arguments) {
    const size_t equals = argument.find('=');
    if (equals == std::string::npos || equals == 0) {
      Complain("-D wants key=value: " + argument, kExitUsage);
      return false;
    }
    (*settings)[argument.substr(0, equals)] = argument.substr(equals + 1);
  }
  return true;
}

}  // namespace millrace::jobs
