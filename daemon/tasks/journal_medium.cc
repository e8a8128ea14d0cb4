#include "daemon/tasks/journal_medium.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "daemon/base/unique_fd.h"
#include "daemon/tasks/store_files.h"

namespace netd::tasks {

namespace {

constexpr std::size_t kZeros = 1U << 18U;

class JournalFile final : public JournalMedium {
 public:
  JournalFile(std::string path, UniqueFd fd, std::uint64_t size)
      : path_(std::move(path)), fd_(std::move(fd)), size_(size) {}

  [[nodiscard]] std::uint64_t size() const override { return size_; }

  std::optional<StoreError> write(std::uint64_t at, std::string_view bytes, bool durable) override {
    while (!bytes.empty()) {
      const ssize_t written = write_some(at, bytes, durable);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return failed("write", errno);
      if (written == 0) return failed("write", EIO);
      bytes.remove_prefix(static_cast<std::size_t>(written));
      at += static_cast<std::uint64_t>(written);
    }
    return durable && !syncs_in_write_ ? sync() : std::nullopt;
  }

  std::optional<StoreError> sync() override {
    if (::fdatasync(fd_.get()) != 0) return failed("sync", errno);
    return std::nullopt;
  }

  [[nodiscard]] Result<std::string> read(std::uint64_t at, std::size_t size) const override {
    std::string bytes(size, '\0');
    for (std::size_t done = 0; done < size;) {
      const ssize_t got =
          ::pread(fd_.get(), bytes.data() + done, size - done, static_cast<off_t>(at + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fail_system("read " + path_, errno);
      if (got == 0) return fail("read " + path_ + ": the file is too short");
      done += static_cast<std::size_t>(got);
    }
    return bytes;
  }

 private:
  /// One call that writes and syncs is a tenth faster than two. Not every file system has it.
  ssize_t write_some(std::uint64_t at, std::string_view bytes, bool durable) {
    const auto offset = static_cast<off_t>(at);
    if (durable && syncs_in_write_) {
      iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
      const ssize_t written = ::pwritev2(fd_.get(), &piece, 1, offset, RWF_DSYNC);
      if (written >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)) {
        return written;
      }
      syncs_in_write_ = false;
    }
    return ::pwrite(fd_.get(), bytes.data(), bytes.size(), offset);
  }

  [[nodiscard]] StoreError failed(const char* doing, int code) const {
    return store_error(system_error(std::string(doing) + " " + path_, code));
  }

  const std::string path_;
  const UniqueFd fd_;
  const std::uint64_t size_;
  bool syncs_in_write_ = true;
};

Result<void> fill_with_zeros(int fd, const std::string& path, std::uint64_t size) {
  // At one piece where the file system can: an extent that is found at once.
  (void)::posix_fallocate(fd, 0, static_cast<off_t>(size));
  const std::string zeros(kZeros, '\0');
  for (std::uint64_t at = 0; at < size;) {
    const auto piece = static_cast<std::size_t>(std::min<std::uint64_t>(kZeros, size - at));
    const ssize_t written = ::pwrite(fd, zeros.data(), piece, static_cast<off_t>(at));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail_system("write " + path, written == 0 ? EIO : errno);
    at += static_cast<std::uint64_t>(written);
  }
  if (::fsync(fd) != 0) return fail_system("sync " + path, errno);
  return {};
}

}  // namespace

Result<std::unique_ptr<JournalMedium>> open_journal_file(const std::string& path,
                                                         std::uint64_t size) {
  UniqueFd fd(
      ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | (size != 0 ? O_CREAT : 0), 0600));
  if (!fd) return fail_system("open " + path, errno);
  if (size != 0) {
    if (::ftruncate(fd.get(), 0) != 0) return fail_system("empty " + path, errno);
    if (auto filled = fill_with_zeros(fd.get(), path, size); !filled) {
      // A full disk needs the room for better things.
      (void)::unlink(path.c_str());
      return std::unexpected(filled.error());
    }
  }
  struct ::stat status{};
  if (::fstat(fd.get(), &status) != 0) return fail_system("stat " + path, errno);
  return std::make_unique<JournalFile>(path, std::move(fd),
                                       static_cast<std::uint64_t>(status.st_size));
}

}  // namespace netd::tasks
