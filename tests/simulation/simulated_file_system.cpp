#include "tests/simulation/simulated_file_system.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace millrace::tests {

using runtime::Status;
template <typename T>
using Result = runtime::Result<T>;

namespace {
std::string PathOf(const std::string& uri) { return std::string(runtime::PathOf(uri)); }
Status Missing(const char* call, const std::string& path) {
  return Status::FromErrno(call, path, ENOENT);
}
}  // namespace

// What Persist and CloseForCommit give out.
struct SimulatedFileSystem::Token {
  bool for_commit = false;
  std::string temporary, target;
  size_t length = 0;

  std::string Encode() const {
    return (for_commit ? "commit|" : "persist|") + temporary + '|' + target + '|' +
           std::to_string(length);
  }
  static Result<Token> Decode(const std::string& text) {
    Token token;
    const size_t a = text.find('|'), c = text.rfind('|');
    const size_t b = text.rfind('|', c - 1);
    if (a == std::string::npos || b <= a || c <= b) return Status::Internal("not a token: " + text);
    token.for_commit = text.starts_with("commit|");
    token.temporary = text.substr(a + 1, b - a - 1);
    token.target = text.substr(b + 1, c - b - 1);
    token.length = std::stoull(text.substr(c + 1));
    return token;
  }
};

Status SimulatedFileSystem::Begin(const char* call, const std::string& path, int64_t bytes) {
  if (!process_->BeginCall(call, path, bytes)) return SimulatedProcess::Dead();
  if (world().chance.Chance(world().faults.write)) {
    world().Note("fault", call);
    ++world().counts["failed writes"];
    return Status::FromErrno(call, path, EIO);
  }
  return Status::Ok();
}

Status SimulatedFileSystem::BeginRead(const char* call, const std::string& path) {
  if (!process_->BeginCall(call, path)) return SimulatedProcess::Dead();
  if (world().chance.Chance(world().faults.read)) {
    world().Note("fault", call);
    ++world().counts["failed reads"];
    return Status::FromErrno(call, path, EIO);
  }
  return Status::Ok();
}

Status SimulatedFileSystem::Append(const std::string& path, SimulatedDisk::Inode& inode,
                                   std::string_view bytes) {
  if (!process_->BeginCall("write", path, static_cast<int64_t>(bytes.size()))) {
    return SimulatedProcess::Dead();
  }
  const bool fault = world().chance.Chance(world().faults.write);
  if (fault || disk().full) {
    inode.bytes.append(bytes.substr(0, world().chance.Below(bytes.size())));
    world().Note("fault", "write");
    ++world().counts[disk().full ? "writes without room" : "short writes"];
    return Status::FromErrno("write", path, disk().full ? ENOSPC : EIO);
  }
  // In two pieces: the process may die between them.
  const size_t first = world().chance.Below(bytes.size() + 1);
  inode.bytes.append(bytes.substr(0, first));
  if (first < bytes.size()) {
    if (!process_->BeginCall("write more", path)) return SimulatedProcess::Dead();
    inode.bytes.append(bytes.substr(first));
  }
  return Status::Ok();
}

Status SimulatedFileSystem::SyncFile(const std::string& path, SimulatedDisk::Inode& inode) {
  if (!process_->BeginCall("fsync", path)) return SimulatedProcess::Dead();
  if (world().chance.Chance(world().faults.write)) {
    disk().FailSync(inode, world().chance);
    world().Note("fault", "fsync");
    ++world().counts["failed syncs"];
    return Status::FromErrno("fsync", path, EIO);
  }
  disk().Sync(inode);
  return Status::Ok();
}

Status SimulatedFileSystem::Rename(const std::string& from, const std::string& to) {
  RETURN_IF_ERROR(Begin("rename", to));
  if (disk().Find(from) == nullptr) return Missing("rename", from);
  disk().Rename(from, to);
  return Status::Ok();
}

Status SimulatedFileSystem::SyncFolder(const std::string& folder) {
  RETURN_IF_ERROR(Begin("fsync folder", folder));
  disk().SyncFolder(folder);
  return Status::Ok();
}

std::string SimulatedFileSystem::HiddenName(const std::string& path) {
  const size_t name_at = path.rfind('/') + 1;
  return path.substr(0, name_at) + "." + path.substr(name_at) + "." +
         std::to_string(disk().NextNumber()) + ".part";
}

class SimulatedFileSystem::Reader : public runtime::RandomAccessFile {
 public:
  Reader(SimulatedFileSystem* files, std::string path, SimulatedDisk::InodePtr inode)
      : files_(files), path_(std::move(path)), inode_(std::move(inode)) {}
  uint64_t size_bytes() const override { return inode_->bytes.size(); }
  Result<size_t> ReadAt(uint64_t offset, size_t length, char* to) const override {
    RETURN_IF_ERROR(files_->BeginRead("pread", path_));
    if (offset >= inode_->bytes.size()) return size_t{0};
    length = std::min(length, inode_->bytes.size() - offset);
    std::memcpy(to, inode_->bytes.data() + offset, length);
    return length;
  }

 private:
  SimulatedFileSystem* const files_;
  const std::string path_;
  const SimulatedDisk::InodePtr inode_;
};

class SimulatedFileSystem::Writer : public runtime::WritableFile {
 public:
  Writer(SimulatedFileSystem* files, std::string path, SimulatedDisk::InodePtr inode)
      : files_(files), path_(std::move(path)), inode_(std::move(inode)) {}
  Status Append(std::string_view bytes) override {
    if (closed_) return Status::Internal("append to a closed file: " + path_);
    return files_->Append(path_, *inode_, bytes);
  }
  Status Sync() override {
    if (closed_) return Status::Internal("sync of a closed file: " + path_);
    RETURN_IF_ERROR(files_->SyncFile(path_, *inode_));
    return files_->SyncFolder(FolderOf(path_));
  }
  Status Close() override {
    closed_ = true;
    return Status::Ok();
  }

 private:
  SimulatedFileSystem* const files_;
  const std::string path_;
  const SimulatedDisk::InodePtr inode_;
  bool closed_ = false;
};

class SimulatedFileSystem::Recoverable : public runtime::RecoverableWriter {
 public:
  Recoverable(SimulatedFileSystem* files, Token token, SimulatedDisk::InodePtr inode)
      : files_(files), token_(std::move(token)), inode_(std::move(inode)) {}
  Status Append(std::string_view bytes) override {
    if (closed_) return Status::Internal("append to a closed file: " + token_.target);
    RETURN_IF_ERROR(files_->Append(token_.temporary, *inode_, bytes));
    token_.length += bytes.size();
    return Status::Ok();
  }
  uint64_t position_bytes() const override { return token_.length; }
  Result<std::string> Persist() override {
    if (closed_) return Status::Internal("sync of a closed file: " + token_.target);
    RETURN_IF_ERROR(files_->SyncFile(token_.temporary, *inode_));
    RETURN_IF_ERROR(files_->SyncFolder(FolderOf(token_.temporary)));
    return token_.Encode();
  }
  Result<std::string> CloseForCommit() override {
    RETURN_IF_ERROR(Persist().status());
    closed_ = true;
    Token commit = token_;
    commit.for_commit = true;
    return commit.Encode();
  }

 private:
  SimulatedFileSystem* const files_;
  Token token_;
  const SimulatedDisk::InodePtr inode_;
  bool closed_ = false;
};

Result<std::unique_ptr<runtime::RandomAccessFile>> SimulatedFileSystem::OpenForRead(
    const std::string& uri) {
  const std::string path = PathOf(uri);
  RETURN_IF_ERROR(BeginRead("open", path));
  auto inode = disk().Find(path);
  if (inode == nullptr) return Missing("open", path);
  return std::unique_ptr<runtime::RandomAccessFile>(
      std::make_unique<Reader>(this, path, std::move(inode)));
}

Result<std::unique_ptr<runtime::WritableFile>> SimulatedFileSystem::Create(const std::string& uri) {
  const std::string path = PathOf(uri);
  RETURN_IF_ERROR(Begin("create", path));
  return std::unique_ptr<runtime::WritableFile>(
      std::make_unique<Writer>(this, path, disk().Create(path)));
}

Status SimulatedFileSystem::WriteAtomically(const std::string& uri, std::string_view bytes) {
  const std::string path = PathOf(uri);
  const std::string aside = HiddenName(path);
  RETURN_IF_ERROR(Begin("create", aside));
  const auto inode = disk().Create(aside);
  Status status = Append(aside, *inode, bytes);
  if (status.ok()) status = SyncFile(aside, *inode);
  if (status.ok()) status = Rename(aside, path);
  if (!status.ok()) {
    if (!process_->dead() && disk().Find(aside) != nullptr) disk().Unlink(aside);
    return status;
  }
  return SyncFolder(FolderOf(path));
}

Result<std::string> SimulatedFileSystem::ReadAll(const std::string& uri) {
  ASSIGN_OR_RETURN(auto file, OpenForRead(uri));
  std::string bytes(file->size_bytes(), '\0');
  ASSIGN_OR_RETURN(const size_t got, file->ReadAt(0, bytes.size(), bytes.data()));
  bytes.resize(got);
  return bytes;
}

Status SimulatedFileSystem::MakeDirectories(const std::string& uri) {
  RETURN_IF_ERROR(Begin("mkdir", PathOf(uri)));
  disk().MakeFolders(PathOf(uri));
  return Status::Ok();
}

Result<std::vector<runtime::FileInfo>> SimulatedFileSystem::List(const std::string& uri) {
  RETURN_IF_ERROR(BeginRead("readdir", PathOf(uri)));
  std::vector<runtime::FileInfo> files;
  for (const auto& [path, inode] : disk().List(PathOf(uri))) {
    files.push_back({path, inode == nullptr ? 0 : inode->bytes.size(), 0, inode == nullptr});
  }
  return files;
}

Result<bool> SimulatedFileSystem::Exists(const std::string& uri) {
  RETURN_IF_ERROR(BeginRead("stat", PathOf(uri)));
  return disk().Find(PathOf(uri)) != nullptr || disk().IsFolder(PathOf(uri));
}

Status SimulatedFileSystem::Remove(const std::string& uri) {
  const std::string path = PathOf(uri);
  RETURN_IF_ERROR(Begin("unlink", path));
  if (disk().Find(path) != nullptr) disk().Unlink(path);
  return Status::Ok();
}

Status SimulatedFileSystem::RemoveTree(const std::string& uri) {
  const std::string path = PathOf(uri);
  for (const auto& [child, inode] : disk().List(path)) {
    RETURN_IF_ERROR(inode == nullptr ? RemoveTree(child) : Remove(child));
  }
  RETURN_IF_ERROR(Remove(path));
  disk().RemoveFolder(path);
  return Status::Ok();
}

Status SimulatedFileSystem::Link(const std::string& from, const std::string& to) {
  RETURN_IF_ERROR(Begin("link", PathOf(to)));
  auto inode = disk().Find(PathOf(from));
  if (inode == nullptr) return Missing("link", from);
  disk().Link(PathOf(to), std::move(inode));
  return Status::Ok();
}

Result<std::unique_ptr<runtime::RecoverableWriter>> SimulatedFileSystem::OpenRecoverable(
    const std::string& uri) {
  Token token;
  token.target = PathOf(uri);
  token.temporary = HiddenName(token.target);
  RETURN_IF_ERROR(Begin("create", token.temporary));
  auto inode = disk().Create(token.temporary);
  return std::unique_ptr<runtime::RecoverableWriter>(
      std::make_unique<Recoverable>(this, std::move(token), std::move(inode)));
}

Result<std::unique_ptr<runtime::RecoverableWriter>> SimulatedFileSystem::Resume(
    const std::string& text) {
  ASSIGN_OR_RETURN(Token token, Token::Decode(text));
  RETURN_IF_ERROR(Begin("resume", token.temporary));
  auto inode = disk().Find(token.temporary);
  if (inode == nullptr) return Missing("resume", token.temporary);
  if (token.for_commit || inode->bytes.size() < token.length) {
    return Status::External("can't resume: " + text, runtime::Retry::kNo);
  }
  inode->bytes.resize(token.length);
  inode->durable_bytes = std::min(inode->durable_bytes, token.length);
  return std::unique_ptr<runtime::RecoverableWriter>(
      std::make_unique<Recoverable>(this, std::move(token), std::move(inode)));
}

Status SimulatedFileSystem::Commit(const std::string& text) {
  ASSIGN_OR_RETURN(const Token token, Token::Decode(text));
  RETURN_IF_ERROR(BeginRead("stat", token.temporary));
  auto inode = disk().Find(token.temporary);
  if (inode == nullptr) {
    if (disk().Find(token.target) == nullptr) return Missing("commit", token.target);
    return SyncFolder(FolderOf(token.target));
  }
  if (!token.for_commit || inode->bytes.size() != token.length) {
    return Status::External("can't commit: " + text, runtime::Retry::kNo);
  }
  RETURN_IF_ERROR(Rename(token.temporary, token.target));
  return SyncFolder(FolderOf(token.target));
}

Status SimulatedFileSystem::Abort(const std::string& text) {
  ASSIGN_OR_RETURN(const Token token, Token::Decode(text));
  return Remove(token.temporary);
}

}  // namespace millrace::tests
