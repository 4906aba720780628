#include "runtime/engine/checkpoint_writer.h"

#include <algorithm>
#include <chrono>
#include <tuple>

#include "runtime/api/crash_point.h"

namespace millrace::runtime {

namespace {

constexpr int kManifestTries = 30;
constexpr int64_t kFirstPauseMs = 20;
constexpr int64_t kLongestPauseMs = 2000;

// Writes the manifest. A write that failed may have put it in its place all the same (only the sync
// of its folder failed): whoever looks for the newest checkpoint takes that for complete, so it is
// written again until either is certain. *in_doubt: neither could be had.
Status PutManifest(FileSystem& files, const Clock& clock, const std::string& path,
                   const std::string& bytes, bool* in_doubt) {
  int64_t pause_ms = kFirstPauseMs;
  for (int tries = 1;; ++tries) {
    const Status status = files.WriteAtomically(path, bytes);
    if (status.ok()) return status;
    const Result<bool> there = files.Exists(path);
    if (there.ok() && !*there) return status;
    if (tries == kManifestTries) {
      *in_doubt = true;
      return Status::User(
          "can't tell whether the checkpoint is complete, so the job must not go on "
          "from an older one; start it again from the newest that is there once the disk "
          "works: " +
          status.message());
    }
    clock.SleepFor(std::chrono::milliseconds(pause_ms));
    pause_ms = std::min(pause_ms * 2, kLongestPauseMs);
  }
}

// Writes a manifest of these handles, in order of the snapshots that have state.
Status WriteManifest(const JobGraph& graph, const WorkerEnvironment& environment,
                     const CheckpointToWrite& checkpoint, const std::vector<size_t>& owners,
                     const std::string& folder, const std::vector<StateHandle>& handles,
                     Manifest* manifest, bool* in_doubt) {
  manifest->vertices.clear();
  size_t next = 0;
  for (size_t i = 0; i < checkpoint.snapshots.size(); ++i) {
    const SubtaskSnapshot& snapshot = checkpoint.snapshots[i];
    const bool keyed = next < owners.size() && owners[next] == i;
    const Vertex& vertex = graph.vertices[static_cast<size_t>(snapshot.vertex)];
    if (manifest->vertices.empty() || manifest->vertices.back().uid != vertex.uid) {
      manifest->vertices.push_back({vertex.uid, vertex.parallelism, {}});
    }
    manifest->vertices.back().subtasks.push_back(
        {snapshot.subtask, keyed ? handles[next++] : StateHandle(), snapshot.operators});
  }
  ASSIGN_OR_RETURN(FileSystem* const files, environment.file_systems(folder));
  RETURN_IF_ERROR(files->MakeDirectories(folder));
  CrashPoint("before-manifest");
  RETURN_IF_ERROR(PutManifest(*files, environment.executor->clock(), folder + "/" + kManifestName,
                              manifest->Encode(), in_doubt));
  CrashPoint("after-manifest");
  return Status::Ok();
}

Status WriteSavepoint(const JobGraph& graph, const WorkerEnvironment& environment,
                      const CheckpointToWrite& checkpoint, const std::vector<size_t>& owners,
                      const std::string& folder, std::vector<StateHandle> handles,
                      Manifest* manifest, bool* in_doubt) {
  if (!handles.empty()) {
    ASSIGN_OR_RETURN(handles, environment.state_backend->WriteSavepoint(folder, handles));
  }
  manifest->savepoint = true;
  return WriteManifest(graph, environment, checkpoint, owners, folder, handles, manifest, in_doubt);
}

}  // namespace

WrittenCheckpoint WriteCheckpoint(const JobGraph& graph, const WorkerEnvironment& environment,
                                  CheckpointToWrite checkpoint) {
  WrittenCheckpoint written;
  written.manifest = std::move(checkpoint.manifest);
  std::sort(checkpoint.snapshots.begin(), checkpoint.snapshots.end(),
            [](const SubtaskSnapshot& a, const SubtaskSnapshot& b) {
              return std::tie(a.vertex, a.subtask) < std::tie(b.vertex, b.subtask);
            });
  std::vector<std::unique_ptr<StateDelta>> deltas;
  std::vector<size_t> owners;  // snapshots that have a delta
  for (size_t i = 0; i < checkpoint.snapshots.size(); ++i) {
    std::unique_ptr<StateDelta>& delta = checkpoint.snapshots[i].delta;
    if (delta == nullptr) continue;
    written.bytes += delta->size_bytes();
    deltas.push_back(std::move(delta));
    owners.push_back(i);
  }
  if (checkpoint.folder.empty() && checkpoint.savepoint.empty()) return written;
  const auto write = [&]() -> Status {
    if (!deltas.empty()) {
      ASSIGN_OR_RETURN(written.handles,
                       environment.state_backend->Write(checkpoint.state_folder,
                                                        written.manifest.checkpoint_id, deltas));
      deltas.clear();
    }
    if (checkpoint.folder.empty()) {
      return WriteSavepoint(graph, environment, checkpoint, owners, checkpoint.savepoint,
                            written.handles, &written.manifest, &written.in_doubt);
    }
    RETURN_IF_ERROR(WriteManifest(graph, environment, checkpoint, owners, checkpoint.folder,
                                  written.handles, &written.manifest, &written.in_doubt));
    if (!checkpoint.savepoint.empty()) {
      Manifest beside = written.manifest;
      bool in_doubt = false;  // nothing goes on from it by itself
      written.savepoint_status =
          WriteSavepoint(graph, environment, checkpoint, owners, checkpoint.savepoint,
                         written.handles, &beside, &in_doubt);
    }
    return Status::Ok();
  };
  written.status = write();
  for (size_t i = 0; i < deltas.size(); ++i) {
    const SubtaskSnapshot& owner = checkpoint.snapshots[owners[i]];
    written.lost.push_back({owner.vertex, owner.subtask, std::move(deltas[i])});
  }
  return written;
}

}  // namespace millrace::runtime
