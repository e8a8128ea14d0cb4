#include "daemon/control/fifo_channel.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/base/text.h"
#include "daemon/control/command_words.h"
#include "daemon/control/json_text.h"
#include "daemon/control/system_group.h"
#include "daemon/control/vocabulary.h"

namespace netd::control {

namespace {

constexpr mode_t kFifoMode = 0660;
// What one turn of the loop takes. Small, because every line in it is run before the next look at
// how many are in flight, and before others have their turn.
constexpr std::size_t kReadSize = 1024;
constexpr std::size_t kMaxLoggedLine = 200;
constexpr std::size_t kMaxLoggedAnswer = 2000;

/// A FIFO at `path`, made or found there, that the group may use.
Result<void> make_fifo(const std::string& path, const std::string& group_name) {
  if (::mkfifo(path.c_str(), kFifoMode) != 0 && errno != EEXIST) {
    return fail_system("make " + path, errno);
  }
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return fail_system("stat " + path, errno);
  if (!S_ISFIFO(status.st_mode)) return fail(path + ": a file that is not a FIFO is in the way");
  // One that somebody else has made stays as he wants it, as long as it can be used.
  if (status.st_uid != ::geteuid()) return {};
  const auto group = find_group(group_name);
  if (group && may_give_to(*group) && ::chown(path.c_str(), static_cast<uid_t>(-1), *group) != 0) {
    return fail_system("change the group of " + path, errno);
  }
  if (::chmod(path.c_str(), kFifoMode) != 0) {
    return fail_system("change the mode of " + path, errno);
  }
  return {};
}

std::string status_of(const std::string& document) {
  const auto members = JsonMembers::parse(document);
  const auto status = members ? members->find("status") : std::nullopt;
  return status ? json_string(*status).value_or("") : "";
}

}  // namespace

FifoChannel::FifoChannel(Dispatcher& dispatcher, const config::ControlSettings& settings,
                         const Services& services)
    : path_(settings.fifo),
      services_(services),
      holder_(services.tasks.new_holder()),
      reply_(dispatcher, settings.reply_fifo),
      lines_(kMaxFifoLine) {}

FifoChannel::~FifoChannel() { services_.tasks.release(holder_); }

Result<std::unique_ptr<FifoChannel>> FifoChannel::create(Dispatcher& dispatcher,
                                                         const config::ControlSettings& settings,
                                                         const Services& services) {
  for (const auto& path : {settings.fifo, settings.reply_fifo}) {
    if (path.empty()) continue;
    if (auto made = make_fifo(path, settings.group); !made) {
      return std::unexpected(made.error().within("FIFO"));
    }
  }
  std::unique_ptr<FifoChannel> channel(new FifoChannel(dispatcher, settings, services));
  auto fd = channel->open_for_reading();
  if (!fd) return std::unexpected(fd.error().within("FIFO"));
  channel->fd_ = std::move(*fd);
  auto watch = ReadWatch::create(dispatcher, channel->fd_.get(),
                                 [self = channel.get()] { self->on_readable(); });
  if (!watch) return std::unexpected(watch.error().within("FIFO"));
  channel->watch_ = std::move(*watch);
  return channel;
}

Result<UniqueFd> FifoChannel::open_for_reading() const {
  UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return fail_system("open " + path_, errno);
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return fail_system("stat " + path_, errno);
  if (!S_ISFIFO(status.st_mode)) return fail(path_ + ": a file that is not a FIFO is in the way");
  return fd;
}

void FifoChannel::on_readable() {
  std::array<char, kReadSize> buffer{};
  const ssize_t count = ::read(fd_.get(), buffer.data(), buffer.size());
  if (count < 0) return;  // EAGAIN: all is read; EINTR: the next turn reads
  if (count == 0) return on_writers_gone();
  lines_.feed({buffer.data(), static_cast<std::size_t>(count)}, [this](LineSplitter::Kind kind,
                                                                       std::string_view text) {
    if (kind == LineSplitter::Kind::line) {
      run_line(text);
    } else {
      open_answer("(a line over 64 KiB)").error(code::kTooLarge, "a line has at most 64 KiB");
    }
  });
  if (answers_.size() >= kMaxRequestsInFlight) {
    paused_ = true;
    watch_->pause();
  }
}

/// The last writer has closed. What he left unfinished must not become part of the next one's line.
/// And the end stays readable for ever on this descriptor, so that a new one takes its place: with
/// no moment between, in which a writer would find nobody reading.
void FifoChannel::on_writers_gone() {
  if (lines_.drop_unfinished()) {
    open_answer("(half a line)").error(code::kInvalidRequest, "a line without its end was dropped");
  }
  auto fresh = open_for_reading();
  if (!fresh) {
    // The file is gone from its place: what would be written there does not come here any more.
    watch_->pause();
    LogEntry(LogLevel::error, "fifo_lost").send("FIFO: " + fresh.error().what());
    return;
  }
  watch_->pause();
  if (::dup3(fresh->get(), fd_.get(), O_CLOEXEC) < 0) {
    LogEntry(LogLevel::error, "fifo_lost").send(system_error("FIFO: dup", errno).what());
    return;
  }
  watch_->resume();
}

Answer FifoChannel::open_answer(std::string_view line) {
  return {*this, lifetime_.watch(), answers_.open(printable(line, kMaxLoggedLine))};
}

void FifoChannel::run_line(std::string_view line) {
  if (trim(line).empty()) return;
  const Answer answer = open_answer(line);
  const auto parsed = parse_command_line(line);
  if (!parsed) {
    answer.error(code::kInvalidRequest, parsed.error().what());
    return;
  }
  const auto members = JsonMembers::parse(parsed->request);
  if (!members) {
    answer.error(code::kInvalidRequest, members.error().what());
    return;
  }
  run_request(find_command(*members), {services_, *members, *this, answer});
}

void FifoChannel::on_answer(std::uint64_t slot, std::string document) {
  auto* const entry = answers_.find(slot);
  if (entry == nullptr) return;
  entry->document = std::move(document);
  send_ready();
}

void FifoChannel::send_ready() {
  if (sending_) return;
  sending_ = true;
  while (const auto answer = answers_.take_ready()) {
    const bool sent = reply_.write(*answer->document + "\n");
    const std::string shown = answer->document->size() <= kMaxLoggedAnswer
                                  ? *answer->document
                                  : answer->document->substr(0, kMaxLoggedAnswer) + "...";
    LogEntry(LogLevel::info, "fifo_command")
        .field("NETD_COMMAND", answer->label)
        .field("NETD_STATUS", status_of(*answer->document))
        .field("NETD_REPLIED", sent ? "yes" : "no")
        .send("fifo: " + answer->label + ": " + shown);
  }
  sending_ = false;
  if (paused_ && answers_.size() < kMaxRequestsInFlight) {
    paused_ = false;
    watch_->resume();
  }
}

}  // namespace netd::control
