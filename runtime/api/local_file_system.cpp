#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "runtime/api/file_system.h"

namespace millrace::runtime {
namespace {

constexpr std::string_view kScheme = "file:";

Status ErrnoStatus(std::string_view call, const std::string& path) {
  return Status::FromErrno(call, path, errno);
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  int Close() { return fd_ < 0 ? 0 : ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

Status SyncFolder(const std::string& folder) {
  Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.is_open()) return ErrnoStatus("open folder", folder);
  // Some file systems can't sync a folder and say EINVAL; their renames are ordered anyway.
  if (::fsync(fd.get()) != 0 && errno != EINVAL) return ErrnoStatus("fsync folder", folder);
  return Status::Ok();
}

// Makes what is missing of a path, and syncs the folder that got each name: a file in a folder
// whose own name is lost in a crash is lost with it.
Status MakeFolders(const std::string& path) {
  struct stat info;
  if (path.empty() || ::stat(path.c_str(), &info) == 0) {
    if (path.empty() || S_ISDIR(info.st_mode)) return Status::Ok();
    return Status::FromErrno("mkdir", path, ENOTDIR);
  }
  if (errno != ENOENT) return ErrnoStatus("mkdir", path);
  if (path.ends_with('/')) return MakeFolders(path.substr(0, path.find_last_not_of('/') + 1));
  const std::string parent = FolderOf(path);
  RETURN_IF_ERROR(MakeFolders(parent));
  // Another thread may have made it meanwhile, and not have synced yet.
  if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) return ErrnoStatus("mkdir", path);
  return SyncFolder(parent);
}

Status WriteFully(int fd, const std::string& path, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus("write", path);
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return Status::Ok();
}

// Opens for writing; makes the parent folders if they are what is missing.
Result<Descriptor> OpenToWrite(const std::string& path, int flags) {
  Descriptor fd(::open(path.c_str(), flags | O_CLOEXEC, 0644));
  if (!fd.is_open() && errno == ENOENT && (flags & O_CREAT) != 0) {
    RETURN_IF_ERROR(MakeFolders(FolderOf(path)));
    fd = Descriptor(::open(path.c_str(), flags | O_CLOEXEC, 0644));
  }
  if (!fd.is_open()) return ErrnoStatus("open", path);
  return fd;
}

std::string RandomName() {
  unsigned char bytes[16];
  for (size_t got = 0; got < sizeof(bytes);) {
    const ssize_t more = ::getrandom(bytes + got, sizeof(bytes) - got, 0);
    if (more > 0) got += static_cast<size_t>(more);
  }
  std::string name;
  for (const unsigned char byte : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    name += kDigits[byte >> 4];
    name += kDigits[byte & 15];
  }
  return name;
}

class LocalRandomAccessFile final : public RandomAccessFile {
 public:
  LocalRandomAccessFile(Descriptor fd, std::string path, uint64_t size)
      : fd_(std::move(fd)), path_(std::move(path)), size_(size) {}
  uint64_t size_bytes() const override { return size_; }
  Result<size_t> ReadAt(uint64_t offset, size_t length, char* to) const override {
    size_t done = 0;
    while (done < length) {
      const ssize_t got =
          ::pread(fd_.get(), to + done, length - done, static_cast<off_t>(offset + done));
      if (got < 0) {
        if (errno == EINTR) continue;
        return ErrnoStatus("pread", path_);
      }
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

 private:
  Descriptor fd_;
  std::string path_;
  uint64_t size_;
};

class LocalWritableFile final : public WritableFile {
 public:
  LocalWritableFile(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  Status Append(std::string_view bytes) override {
    if (!fd_.is_open()) return Status::Internal("append to a closed file: " + path_);
    return WriteFully(fd_.get(), path_, bytes);
  }
  Status Sync() override {
    if (!fd_.is_open()) return Status::Internal("sync of a closed file: " + path_);
    if (::fdatasync(fd_.get()) != 0) return ErrnoStatus("fdatasync", path_);
    if (!name_synced_) {
      RETURN_IF_ERROR(SyncFolder(FolderOf(path_)));
      name_synced_ = true;
    }
    return Status::Ok();
  }
  Status Close() override {
    if (fd_.is_open() && fd_.Close() != 0) return ErrnoStatus("close", path_);
    return Status::Ok();
  }

 private:
  Descriptor fd_;
  std::string path_;
  bool name_synced_ = false;
};

// What Persist and CloseForCommit hand out. Fields are length-prefixed, so paths may hold anything.
struct Token {
  bool for_commit = false;
  std::string temporary;
  std::string target;
  uint64_t length = 0;

  std::string Encode() const {
    std::string out = for_commit ? "local-commit-1" : "local-persist-1";
    for (const std::string& field : {temporary, target, std::to_string(length)}) {
      out += '|' + std::to_string(field.size()) + ':' + field;
    }
    return out;
  }
  static Result<Token> Decode(std::string_view text) {
    Token token;
    const auto bad = [&] {
      return Status::Internal("not a token of the local file system: " + std::string(text));
    };
    std::string_view rest = text;
    if (rest.starts_with("local-commit-1")) {
      token.for_commit = true;
      rest.remove_prefix(14);
    } else if (rest.starts_with("local-persist-1")) {
      rest.remove_prefix(15);
    } else {
      return bad();
    }
    std::string fields[3];
    for (std::string& field : fields) {
      if (!rest.starts_with('|')) return bad();
      size_t size = 0;
      const auto [end, error] = std::from_chars(rest.data() + 1, rest.data() + rest.size(), size);
      const size_t at = static_cast<size_t>(end - rest.data());
      if (error != std::errc() || at >= rest.size() || rest[at] != ':') return bad();
      if (size > rest.size() - at - 1) return bad();
      field = rest.substr(at + 1, size);
      rest.remove_prefix(at + 1 + size);
    }
    token.temporary = fields[0];
    token.target = fields[1];
    const auto [end, error] = std::from_chars(
        fields[2].data(), fields[2].data() + fields[2].size(), token.length);
    if (error != std::errc() || !rest.empty()) return bad();
    return token;
  }
};

class LocalRecoverableWriter final : public RecoverableWriter {
 public:
  LocalRecoverableWriter(Descriptor fd, Token token)
      : fd_(std::move(fd)), token_(std::move(token)) {}
  Status Append(std::string_view bytes) override {
    if (!fd_.is_open()) return Status::Internal("append to a closed file: " + token_.target);
    RETURN_IF_ERROR(WriteFully(fd_.get(), token_.temporary, bytes));
    token_.length += bytes.size();
    return Status::Ok();
  }
  uint64_t position_bytes() const override { return token_.length; }
  Result<std::string> Persist() override {
    RETURN_IF_ERROR(SyncAll());
    return token_.Encode();
  }
  Result<std::string> CloseForCommit() override {
    RETURN_IF_ERROR(SyncAll());
    if (fd_.Close() != 0) return ErrnoStatus("close", token_.temporary);
    Token commit = token_;
    commit.for_commit = true;
    return commit.Encode();
  }

 private:
  Status SyncAll() {
    if (!fd_.is_open()) return Status::Internal("sync of a closed file: " + token_.target);
    if (::fsync(fd_.get()) != 0) return ErrnoStatus("fsync", token_.temporary);
    return SyncFolder(FolderOf(token_.temporary));
  }
  Descriptor fd_;
  Token token_;
};

class LocalDisk final : public FileSystem {
 public:
  Result<std::unique_ptr<RandomAccessFile>> OpenForRead(const std::string& uri) override {
    std::string path(PathOf(uri));
    Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.is_open()) return ErrnoStatus("open", path);
    struct stat info;
    if (::fstat(fd.get(), &info) != 0) return ErrnoStatus("fstat", path);
    return std::unique_ptr<RandomAccessFile>(std::make_unique<LocalRandomAccessFile>(
        std::move(fd), std::move(path), static_cast<uint64_t>(info.st_size)));
  }

  Result<std::unique_ptr<WritableFile>> Create(const std::string& uri) override {
    std::string path(PathOf(uri));
    ASSIGN_OR_RETURN(Descriptor fd, OpenToWrite(path, O_WRONLY | O_CREAT | O_TRUNC));
    return std::unique_ptr<WritableFile>(
        std::make_unique<LocalWritableFile>(std::move(fd), std::move(path)));
  }

  Status WriteAtomically(const std::string& uri, std::string_view bytes) override {
    const std::string path(PathOf(uri));
    const std::string aside = HiddenName(path);
    Status status = WriteAside(aside, bytes);
    if (status.ok() && ::rename(aside.c_str(), path.c_str()) != 0) {
      status = ErrnoStatus("rename", path);
    }
    if (!status.ok()) {
      ::unlink(aside.c_str());
      return status;
    }
    return SyncFolder(FolderOf(path));
  }

  Result<std::string> ReadAll(const std::string& uri) override {
    ASSIGN_OR_RETURN(auto file, OpenForRead(uri));
    std::string bytes(file->size_bytes(), '\0');
    ASSIGN_OR_RETURN(const size_t got, file->ReadAt(0, bytes.size(), bytes.data()));
    bytes.resize(got);
    return bytes;
  }

  Status MakeDirectories(const std::string& uri) override {
    return MakeFolders(std::string(PathOf(uri)));
  }

  Result<std::vector<FileInfo>> List(const std::string& uri) override {
    const std::string path(PathOf(uri));
    std::vector<FileInfo> files;
    DIR* folder = ::opendir(path.c_str());
    if (folder == nullptr) {
      if (errno == ENOENT) return files;
      return ErrnoStatus("opendir", path);
    }
    while (const dirent* entry = ::readdir(folder)) {
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      FileInfo info;
      info.path = path + (path.ends_with('/') ? "" : "/") + std::string(name);
      struct stat found;
      if (::stat(info.path.c_str(), &found) != 0) continue;  // removed meanwhile
      info.size_bytes = static_cast<uint64_t>(found.st_size);
      info.modified_ms = found.st_mtim.tv_sec * 1000 + found.st_mtim.tv_nsec / 1'000'000;
      info.is_directory = S_ISDIR(found.st_mode);
      files.push_back(std::move(info));
    }
    ::closedir(folder);
    return files;
  }

  Result<bool> Exists(const std::string& uri) override {
    const std::string path(PathOf(uri));
    struct stat info;
    if (::stat(path.c_str(), &info) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return ErrnoStatus("stat", path);
  }

  Status Remove(const std::string& uri) override {
    const std::string path(PathOf(uri));
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return ErrnoStatus("unlink", path);
    return Status::Ok();
  }

  Status RemoveTree(const std::string& uri) override {
    const std::string path(PathOf(uri));
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error) return Status::FromErrno("remove", path, error.value());
    return Status::Ok();
  }

  Status Link(const std::string& from_uri, const std::string& to_uri) override {
    const std::string from(PathOf(from_uri));
    const std::string to(PathOf(to_uri));
    if (::link(from.c_str(), to.c_str()) == 0) return Status::Ok();
    if (errno == ENOENT) {
      RETURN_IF_ERROR(MakeFolders(FolderOf(to)));
      if (::link(from.c_str(), to.c_str()) == 0) return Status::Ok();
    }
    return ErrnoStatus("link", from + " to " + to);
  }

  Result<std::unique_ptr<RecoverableWriter>> OpenRecoverable(const std::string& uri) override {
    Token token;
    token.target = PathOf(uri);
    token.temporary = HiddenName(token.target);
    ASSIGN_OR_RETURN(Descriptor fd,
                     OpenToWrite(token.temporary, O_WRONLY | O_CREAT | O_EXCL));
    return std::unique_ptr<RecoverableWriter>(
        std::make_unique<LocalRecoverableWriter>(std::move(fd), std::move(token)));
  }

  Result<std::unique_ptr<RecoverableWriter>> Resume(const std::string& persist_token) override {
    ASSIGN_OR_RETURN(Token token, Token::Decode(persist_token));
    if (token.for_commit) return Status::Internal("resume of a commit token: " + token.target);
    ASSIGN_OR_RETURN(Descriptor fd, OpenToWrite(token.temporary, O_WRONLY));
    struct stat info;
    if (::fstat(fd.get(), &info) != 0) return ErrnoStatus("fstat", token.temporary);
    if (static_cast<uint64_t>(info.st_size) < token.length) {
      return Status::External("file to resume is shorter than what was persisted: " +
                                  token.temporary + " has " + std::to_string(info.st_size) +
                                  " of " + std::to_string(token.length) + " bytes",
                              Retry::kNo);
    }
    if (::ftruncate(fd.get(), static_cast<off_t>(token.length)) != 0) {
      return ErrnoStatus("ftruncate", token.temporary);
    }
    if (::lseek(fd.get(), 0, SEEK_END) < 0) return ErrnoStatus("lseek", token.temporary);
    return std::unique_ptr<RecoverableWriter>(
        std::make_unique<LocalRecoverableWriter>(std::move(fd), std::move(token)));
  }

  Status Commit(const std::string& commit_token) override {
    ASSIGN_OR_RETURN(const Token token, Token::Decode(commit_token));
    if (!token.for_commit) return Status::Internal("commit of a persist token: " + token.target);
    struct stat info;
    if (::stat(token.temporary.c_str(), &info) != 0) {
      if (errno != ENOENT) return ErrnoStatus("stat", token.temporary);
      // Committed before, perhaps by a process that died before it could say so.
      if (::stat(token.target.c_str(), &info) != 0) return ErrnoStatus("commit", token.target);
      return SyncFolder(FolderOf(token.target));
    }
    if (static_cast<uint64_t>(info.st_size) != token.length) {
      return Status::External("file to commit has another length than when it was closed: " +
                                  token.temporary + " has " + std::to_string(info.st_size) +
                                  " of " + std::to_string(token.length) + " bytes",
                              Retry::kNo);
    }
    if (::rename(token.temporary.c_str(), token.target.c_str()) != 0) {
      return ErrnoStatus("rename", token.target);
    }
    return SyncFolder(FolderOf(token.target));
  }

  Status Abort(const std::string& text) override {
    ASSIGN_OR_RETURN(const Token token, Token::Decode(text));
    return Remove(token.temporary);
  }

 private:
  // `/a/name` gets `/a/.name.<uuid>.part`.
  static std::string HiddenName(const std::string& path) {
    const size_t name_at = path.rfind('/') + 1;  // npos + 1 == 0
    return path.substr(0, name_at) + "." + path.substr(name_at) + "." + RandomName() + ".part";
  }
  static Status WriteAside(const std::string& aside, std::string_view bytes) {
    ASSIGN_OR_RETURN(Descriptor fd, OpenToWrite(aside, O_WRONLY | O_CREAT | O_EXCL));
    RETURN_IF_ERROR(WriteFully(fd.get(), aside, bytes));
    if (::fsync(fd.get()) != 0) return ErrnoStatus("fsync", aside);
    if (fd.Close() != 0) return ErrnoStatus("close", aside);
    return Status::Ok();
  }
};

}  // namespace

FileSystem& LocalFileSystem() {
  static LocalDisk* const disk = new LocalDisk();
  return *disk;
}

Result<FileSystem*> FileSystemOf(std::string_view uri) {
  // A scheme is letters before the first colon, and the colon comes before any slash.
  const size_t colon = uri.find(':');
  if (colon == std::string_view::npos || uri.substr(0, colon).find('/') != std::string_view::npos ||
      uri.starts_with(kScheme)) {
    return &LocalFileSystem();
  }
  return Status::User("no file system for this URI; known schemes are: file. URI: " +
                      std::string(uri));
}

std::string_view PathOf(std::string_view uri) {
  if (!uri.starts_with(kScheme)) return uri;
  uri.remove_prefix(kScheme.size());
  if (uri.starts_with("//")) {  // file:///path, or file://localhost/path
    uri.remove_prefix(2);
    if (uri.starts_with("localhost/")) uri.remove_prefix(9);
  }
  return uri;
}

}  // namespace millrace::runtime
