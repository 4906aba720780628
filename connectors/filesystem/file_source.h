#pragma once

#include <memory>

#include "connectors/filesystem/file_system_options.h"
#include "runtime/api/source.h"

namespace millrace::connectors {

// Makes the source of a filesystem table: a split a file. `file_systems` is for the enumerator;
// readers use those of their context.
runtime::Result<std::unique_ptr<runtime::Source>> MakeFileSource(
    const runtime::TableSpec& table, FileSystemLookup file_systems = runtime::FileSystemOf);

// Keys and types of the metadata columns.
std::vector<runtime::Field> FileMetadata();

}  // namespace millrace::connectors
