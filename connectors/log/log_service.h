#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "connectors/log/segment_file.h"
#include "runtime/api/option_table.h"
#include "runtime/types/status.h"

namespace millrace::connectors {

class EmbeddedLogStore;

// The options of the log service; `millrace log` and the documentation read them.
runtime::OptionTable LogServiceOptions();

// The sharded log as a running service: the store, the catalog of streams, and the API on HTTP.
class LogService {
 public:
  // Recovers the log in the option `directory` and listens; returns when clients can connect.
  // Errors: kUser for options and for a directory that is in use; kExternal for the address and the
  // disk; kInternal for damage, with file and offset.
  static runtime::Result<std::unique_ptr<LogService>> Start(const runtime::Options& options);
  // The same on another folder; for tests whose disk fails.
  static runtime::Result<std::unique_ptr<LogService>> Start(const runtime::Options& options,
                                                            std::unique_ptr<SegmentFolder> folder);
  ~LogService();  // Stop

  uint16_t port() const;
  // "http://127.0.0.1:4567".
  std::string url() const;
  EmbeddedLogStore& store();
  // Stops listening, writes what was accepted, closes the log. Idempotent.
  void Stop();

 private:
  struct Parts;
  explicit LogService(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace millrace::connectors
