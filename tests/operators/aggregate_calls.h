#pragma once

#include <string>
#include <vector>

namespace millrace::tests {

// Writes a call of "aggCalls".
inline std::string AggCall(const std::string& function, const std::string& arguments,
                           const std::string& type, int filter = -1, bool distinct = false) {
  return R"({"name":"x","internalName":")" + function + R"(","argList":[)" + arguments +
         R"(],"filterArg":)" + std::to_string(filter) + R"(,"distinct":)" +
         (distinct ? "true" : "false") + R"(,"approximate":false,"ignoreNulls":false,"type":")" +
         type + "\"}";
}

inline std::string Joined(const std::vector<std::string>& parts) {
  std::string all;
  for (const std::string& part : parts) all += (all.empty() ? "" : ",") + part;
  return all;
}

}  // namespace millrace::tests
