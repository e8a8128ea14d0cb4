#include "daemon/base/access_log_file.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/base/signals_blocked.h"
#include "daemon/base/text.h"

namespace netd {

namespace {

constexpr std::chrono::minutes kBetweenReports{1};
constexpr std::size_t kKeptCapacity = std::size_t{256} << 10;

std::size_t count_lines(std::string_view text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

AccessLogFile::AccessLogFile(std::string path, std::shared_ptr<File> file)
    : path_(std::move(path)), file_(std::move(file)) {}

AccessLogFile::~AccessLogFile() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    file_->writer.hurry();
  }
  wakeup_.notify_one();
  if (thread_.joinable()) thread_.join();
}

Result<std::shared_ptr<AccessLogFile::File>> AccessLogFile::open_file(const std::string& path) {
  std::error_code ignored;  // open(2) says it better
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  // Not blocking: it may be a pipe, and one that nobody reads.
  UniqueFd fd(::open(path.c_str(),
                     O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666));
  if (!fd) return fail_system("open " + path, errno);
  return std::make_shared<File>(std::move(fd));
}

Result<std::shared_ptr<AccessLogFile>> AccessLogFile::open(const std::string& path) {
  auto file = open_file(path);
  if (!file) return std::unexpected(file.error());
  std::shared_ptr<AccessLogFile> log(new AccessLogFile(path, std::move(*file)));
  const SignalsBlocked blocked;
  try {
    log->thread_ = std::thread([self = log.get()] { self->run(); });
  } catch (const std::system_error& error) {
    return fail("a thread for " + path + ": " + error.what());
  }
  return log;
}

void AccessLogFile::write(std::string_view line) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() + line.size() >= kMaxWaiting) {
      ++dropped_;
      return;
    }
    append_clean(waiting_, line);
    waiting_ += '\n';
    wake = std::exchange(idle_, false);
  }
  if (wake) wakeup_.notify_one();
}

Result<void> AccessLogFile::reopen() {
  auto file = open_file(path_);
  if (!file) return std::unexpected(file.error());
  const std::lock_guard lock(mutex_);
  file_ = std::move(*file);
  return {};
}

void AccessLogFile::run() {
  std::string batch;
  std::unique_lock lock(mutex_);
  for (;;) {
    idle_ = true;
    wakeup_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    idle_ = false;
    wakeup_.wait_for(lock, kGather, [this] { return ending_; });
    if (waiting_.empty()) return;
    batch.swap(waiting_);
    const std::size_t dropped = std::exchange(dropped_, 0);
    const std::shared_ptr<File> file = file_;
    lock.unlock();
    write_batch(*file, batch, dropped);
    batch.clear();
    if (batch.capacity() > kKeptCapacity) batch.shrink_to_fit();
    lock.lock();
  }
}

void AccessLogFile::write_batch(File& file, std::string_view batch, std::size_t dropped) {
  const std::size_t written = file.writer.write_lines(batch);
  if (written < batch.size()) {
    const int error = file.writer.error();
    tell_lost(
        dropped + count_lines(batch.substr(written)),
        error != 0 ? std::string_view(system_error("write", error).what()) : "nobody reads them");
  } else if (dropped > 0 || lost_ > 0) {
    tell_lost(dropped, "they came faster than they could be written");
  }
}

void AccessLogFile::tell_lost(std::size_t lines, std::string_view why) {
  lost_ += lines;
  const Monotonic now = std::chrono::steady_clock::now();
  if (told_at_ && now - *told_at_ < kBetweenReports) return;
  told_at_ = now;
  LogEntry(LogLevel::warning, "log_entries_lost")
      .message_id(message_id::kLogEntriesLost)
      .send("access log " + path_ + ": " + std::to_string(std::exchange(lost_, 0)) +
            " lines lost: " + std::string(why));
}

}  // namespace netd
