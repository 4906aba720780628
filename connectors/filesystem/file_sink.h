#pragma once

#include <memory>

#include "connectors/filesystem/file_system_options.h"
#include "runtime/api/sink.h"

namespace millrace::connectors {

// Makes the sink of a filesystem table. `file_systems` is for the committer; writers use those of
// their context.
//
// Rows of an epoch are in hidden files (FileSystem's recoverable writers), which the epoch's
// checkpoint names and a commit renames to `part-<id>-<subtask>-<n>` in the folder of their
// partition. The first half of <id> tells the job and the sink, the second the run, so that what an
// earlier run left can be told from everything else in the folder.
runtime::Result<std::unique_ptr<runtime::Sink>> MakeFileSink(
    const runtime::TableSpec& table, FileSystemLookup file_systems = runtime::FileSystemOf);

// "part-xxxxxxxx-xxxx-xxxx-": how names begin of all files of one sink of one job.
std::string PartPrefixOfSink(const std::string& job_id, const std::string& sink_uid);
// The same with the run's half: "part-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx-".
std::string PartPrefixOfRun(const std::string& job_id, const std::string& sink_uid,
                            const std::string& run_id);

}  // namespace millrace::connectors
