#include "daemon/base/log.h"

#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <vector>

// The journal's macros would put our file and line into every entry; they are of no use to whoever
// reads the journal and cost 100 bytes each.
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "daemon/base/line_writer.h"
#include "daemon/base/message_ids.h"
#include "daemon/base/text.h"

namespace netd {

namespace {

using Capture = std::function<void(LogLevel, std::string_view, std::string_view)>;

// An entry takes about 400 bytes in spdlog's queue, which is allocated whole.
constexpr std::size_t kTrafficQueue = 4096;
constexpr std::size_t kOperatorQueue = 256;

/// What travels through spdlog: the message, then the fields, each with a NUL in front.
struct Parts {
  std::string_view message;
  std::string_view fields;
};

Parts split_payload(spdlog::string_view_t payload) {
  const std::string_view all(payload.data(), payload.size());
  const auto end = all.find('\0');
  if (end == std::string_view::npos) return {all, {}};
  return {all.substr(0, end), all.substr(end)};
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      break;
  }
  return spdlog::level::err;
}

LogLevel own_level(spdlog::level::level_enum level) {
  if (level <= spdlog::level::debug) return LogLevel::debug;
  if (level == spdlog::level::info) return LogLevel::info;
  return level == spdlog::level::warn ? LogLevel::warning : LogLevel::error;
}

class StandardErrorSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  /// log_stop() must not wait for somebody who does not read.
  void hurry() { writer_.hurry(); }

 protected:
  void sink_it_(const spdlog::details::log_msg& entry) override {
    if (lost_ > 0) {
      const std::string notice = std::to_string(lost_) + " entries lost because nobody read them";
      if (writer_.write(line_of(entry.time, LogLevel::warning, "log: " + notice))) lost_ = 0;
    }
    const auto message = split_payload(entry.payload).message;
    if (lost_ > 0 || !writer_.write(line_of(entry.time, own_level(entry.level), message))) ++lost_;
  }
  void flush_() override {}

 private:
  static std::string line_of(spdlog::log_clock::time_point time, LogLevel level,
                             std::string_view message) {
    std::string line = format_rfc3339(time);
    line += ' ';
    std::string name(log_level_name(level));
    name.resize(8, ' ');
    line += name;
    line += message;
    return line;
  }

  LineWriter writer_{STDERR_FILENO};
  std::uint64_t lost_ = 0;
};

class JournalSink final : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& entry) override {
    static constexpr std::array<int, 4> kPriority = {LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERR};
    const Parts parts = split_payload(entry.payload);
    const std::string message = "MESSAGE=" + std::string(parts.message);
    const std::string priority =
        "PRIORITY=" +
        std::to_string(kPriority.at(static_cast<std::size_t>(own_level(entry.level))));
    std::vector<iovec> fields;
    add(fields, message);
    add(fields, priority);
    add(fields, "SYSLOG_IDENTIFIER=netd");
    std::string_view rest = parts.fields;
    while (!rest.empty()) {
      rest.remove_prefix(1);
      const auto end = std::min(rest.find('\0'), rest.size());
      add(fields, rest.substr(0, end));
      rest.remove_prefix(end);
    }
    // journald restarting or a full socket: the library retries what it can; a lost entry must
    // not end the service.
    (void)::sd_journal_sendv(fields.data(), static_cast<int>(fields.size()));
  }
  void flush_() override {}

 private:
  static void add(std::vector<iovec>& fields, std::string_view text) {
    fields.push_back({const_cast<char*>(text.data()), text.size()});
  }
};

using Tap = std::function<void(LogLevel, WallTime, std::string_view, std::string_view)>;

// Beside the log and not in it: a tap may be set before the log starts, and stays over a restart.
std::mutex tap_mutex;  // guards the_tap, also while it runs
Tap the_tap;
std::atomic<bool> tapped{false};

/// Stands beside the sink that writes.
class TapSink final : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& entry) override {
    if (!tapped.load(std::memory_order_relaxed)) return;
    const std::lock_guard lock(tap_mutex);
    if (!the_tap) return;
    const Parts parts = split_payload(entry.payload);
    the_tap(own_level(entry.level), std::chrono::time_point_cast<WallTime::duration>(entry.time),
            parts.message, parts.fields);
  }
  void flush_() override {}
};

struct Log {
  std::shared_ptr<spdlog::async_logger> traffic;    // below warning: may be dropped
  std::shared_ptr<spdlog::async_logger> operators;  // warning and above: never dropped
  // Behind the loggers, so that the threads have ended before what they write through goes.
  std::shared_ptr<spdlog::details::thread_pool> traffic_pool;
  std::shared_ptr<spdlog::details::thread_pool> operator_pool;
  std::shared_ptr<StandardErrorSink> standard_error;  // null: the journal
  Capture capture;
  std::atomic<std::size_t> reported_overruns{0};
  std::atomic<std::int64_t> overruns_reported_at{0};  // in milliseconds of the steady clock
};

// One log for the process: threads of every layer write to it, and it outlives them all.
std::unique_ptr<Log> the_log;
std::atomic<LogLevel> the_level{LogLevel::info};
std::atomic<bool> started{false};

/// Whether a second has passed since this last said so: a report for each dropped entry would make
/// what cannot be written twice as much.
bool may_report_overruns(Log& log) {
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
                       std::chrono::steady_clock::now().time_since_epoch())
                       .count();
  auto last = log.overruns_reported_at.load(std::memory_order_relaxed);
  return now - last >= 1000 && log.overruns_reported_at.compare_exchange_strong(last, now);
}

/// Says once for every batch of dropped entries that there was one.
void report_overruns(Log& log) {
  const std::size_t lost = log.traffic_pool->overrun_counter();
  std::size_t known = log.reported_overruns.load(std::memory_order_relaxed);
  if (lost == known || !may_report_overruns(log)) return;
  if (!log.reported_overruns.compare_exchange_strong(known, lost)) return;
  std::string payload = "log: " + std::to_string(lost - known) +
                        " entries lost because they came faster than they could be written";
  payload.push_back('\0');
  payload += "NETD_EVENT=log_entries_lost";
  payload.push_back('\0');
  payload += "MESSAGE_ID=";
  payload += message_id::kLogEntriesLost;
  log.operators->log(spdlog::level::warn, spdlog::string_view_t(payload.data(), payload.size()));
}

}  // namespace

LogTarget detect_log_target() {
  const char* stream = std::getenv("JOURNAL_STREAM");  // NOLINT(concurrency-mt-unsafe): start-up
  struct stat status{};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &status) != 0) return LogTarget::standard_error;
  const std::string here = std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
  return here == stream ? LogTarget::journal : LogTarget::standard_error;
}

void log_start(LogTarget target, LogLevel level) {
  log_stop();
  auto log = std::make_unique<Log>();
  spdlog::sink_ptr sink;
  if (target == LogTarget::journal) {
    sink = std::make_shared<JournalSink>();
  } else {
    log->standard_error = std::make_shared<StandardErrorSink>();
    sink = log->standard_error;
  }
  using Policy = spdlog::async_overflow_policy;
  log->traffic_pool = std::make_shared<spdlog::details::thread_pool>(kTrafficQueue, 1);
  log->operator_pool = std::make_shared<spdlog::details::thread_pool>(kOperatorQueue, 1);
  const std::array<spdlog::sink_ptr, 2> sinks = {std::make_shared<TapSink>(), sink};
  log->traffic = std::make_shared<spdlog::async_logger>("traffic", sinks.begin(), sinks.end(),
                                                        log->traffic_pool, Policy::overrun_oldest);
  log->operators = std::make_shared<spdlog::async_logger>("operators", sinks.begin(), sinks.end(),
                                                          log->operator_pool, Policy::block);
  log->traffic->set_level(spdlog::level::trace);
  log->operators->set_level(spdlog::level::trace);
  the_log = std::move(log);
  the_level = level;
  started = true;
}

void set_log_tap(std::function<void(LogLevel, WallTime, std::string_view, std::string_view)> tap) {
  const std::lock_guard lock(tap_mutex);
  the_tap = std::move(tap);
  tapped.store(the_tap != nullptr, std::memory_order_relaxed);
}

void log_start_capture(LogLevel level, Capture capture) {
  log_stop();
  the_log = std::make_unique<Log>();
  the_log->capture = std::move(capture);
  the_level = level;
  started = true;
}

void log_stop() {
  started = false;
  if (the_log && the_log->standard_error) the_log->standard_error->hurry();
  the_log.reset();  // a thread pool's destructor writes what is queued, then joins its thread
}

void set_log_level(LogLevel level) { the_level.store(level, std::memory_order_relaxed); }

LogLevel log_level() { return the_level.load(std::memory_order_relaxed); }

bool log_enabled(LogLevel level) {
  return started.load(std::memory_order_relaxed) &&
         level >= the_level.load(std::memory_order_relaxed);
}

std::string_view log_level_name(LogLevel level) {
  static constexpr std::array<std::string_view, 4> kNames = {"debug", "info", "warning", "error"};
  return kNames.at(static_cast<std::size_t>(level));
}

LogEntry::LogEntry(LogLevel level, std::string_view event) : level_(level) {
  field("NETD_EVENT", event);
}

LogEntry& LogEntry::client(std::string_view address) {
  field("NETD_CLIENT", address);
  if (address.starts_with("unix:")) return *this;
  std::string_view host = address;
  if (const std::size_t end = host.rfind(':'); end != std::string_view::npos) {
    if (host.starts_with('[') && host[end - 1] == ']') {
      host = host.substr(1, end - 2);
    } else if (host.find(':') == end) {
      host = host.substr(0, end);
    }
  }
  return field("NETD_CLIENT_ADDRESS", host);
}

LogEntry& LogEntry::bytes(std::uint64_t in, std::uint64_t out) {
  field("NETD_BYTES_IN", std::to_string(in));
  return field("NETD_BYTES_OUT", std::to_string(out));
}

LogEntry& LogEntry::duration(std::chrono::milliseconds value) {
  return field("NETD_DURATION_MS", std::to_string(value.count()));
}

LogEntry& LogEntry::field(std::string_view name, std::string_view value) {
  fields_ += '\0';
  fields_ += name;
  fields_ += '=';
  append_clean(fields_, value);
  return *this;
}

void LogEntry::send(std::string_view message) {
  if (!log_enabled(level_)) return;
  std::string payload;
  payload.reserve(message.size() + fields_.size());
  append_clean(payload, message);
  if (the_log->capture) {
    the_log->capture(level_, payload, fields_);
    return;
  }
  payload += fields_;
  const bool for_operators = level_ >= LogLevel::warning;
  auto& logger = for_operators ? *the_log->operators : *the_log->traffic;
  logger.log(spdlog_level(level_), spdlog::string_view_t(payload.data(), payload.size()));
  if (!for_operators) report_overruns(*the_log);
}

}  // namespace netd
