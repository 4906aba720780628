#include "connectors/filesystem/file_system_connector.h"

#include "connectors/filesystem/file_sink.h"
#include "connectors/filesystem/file_source.h"
#include "connectors/filesystem/file_system_options.h"

namespace millrace::connectors {

runtime::ConnectorInfo MakeFileSystemConnector() {
  runtime::ConnectorInfo info;
  info.name = "filesystem";
  info.options = FileTable::Options();
  info.abilities = {"projection", "metadata", "partition"};
  info.readable_metadata = FileMetadata();
  info.takes_format = true;
  info.make_source = [](const runtime::TableSpec& table) { return MakeFileSource(table); };
  info.make_sink = [](const runtime::TableSpec& table) { return MakeFileSink(table); };
  return info;
}

}  // namespace millrace::connectors
