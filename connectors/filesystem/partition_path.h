#pragma once

#include <map>
#include <string>
#include <string_view>

#include "runtime/types/vector.h"

namespace millrace::connectors {

// Folder names of partitions, "day=2013-01-01/origin=JFK": Hive's, with its escapes (%3A for a
// colon).

void AppendEscapedPathName(std::string_view name, std::string* to);
std::string UnescapePathName(std::string_view name);

// Names and values of the "key=value" folders of a path.
std::map<std::string, std::string> PartitionOf(std::string_view path);

// Appends the text of a partition column's value; nothing for NULL. Dates are written as such
// (Flink's sink writes the days since 1970, which its own source can't read).
void AppendPartitionValue(const runtime::LogicalType& type, const runtime::Vector& vector,
                          int32_t row, std::string* to);
// Reads it again; null: read, else what it is not.
const char* ReadPartitionValue(std::string_view text, runtime::VectorBuilder* builder);

// Fails with kUser for a type that no partition column can have.
runtime::Status CheckPartitionType(const std::string& column, const runtime::LogicalType& type);

}  // namespace millrace::connectors
