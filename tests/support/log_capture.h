// The log as a list, for tests that say what an operator must be told.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/log.h"

namespace netd::test {

/// While it lives, every entry of every thread is kept here instead of being written. One at a
/// time.
class LogCapture {
 public:
  struct Entry {
    LogLevel level = LogLevel::debug;
    std::string message;
    std::map<std::string, std::string> fields;  ///< NETD_EVENT and the others, by name

    [[nodiscard]] std::string field(const std::string& name) const {
      const auto found = fields.find(name);
      return found == fields.end() ? std::string() : found->second;
    }
    [[nodiscard]] std::string event() const { return field("NETD_EVENT"); }
  };

  explicit LogCapture(LogLevel level = LogLevel::debug) {
    log_start_capture(level,
                      [this](LogLevel of, std::string_view message, std::string_view fields) {
                        const std::lock_guard lock(mutex_);
                        entries_.push_back({of, std::string(message), parse(fields)});
                      });
  }
  ~LogCapture() { log_stop(); }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  [[nodiscard]] std::vector<Entry> entries() const {
    const std::lock_guard lock(mutex_);
    return entries_;
  }
  /// Those with this NETD_EVENT, in order.
  [[nodiscard]] std::vector<Entry> entries(std::string_view event) const {
    std::vector<Entry> found = entries();
    std::erase_if(found, [&](const Entry& entry) { return entry.event() != event; });
    return found;
  }
  void clear() {
    const std::lock_guard lock(mutex_);
    entries_.clear();
  }

 private:
  static std::map<std::string, std::string> parse(std::string_view fields) {
    std::map<std::string, std::string> result;
    while (!fields.empty()) {
      fields.remove_prefix(1);  // the NUL in front of each
      const std::string_view one = fields.substr(0, fields.find('\0'));
      fields.remove_prefix(one.size());
      const auto equals = one.find('=');
      if (equals == std::string_view::npos) continue;
      result.emplace(one.substr(0, equals), one.substr(equals + 1));
    }
    return result;
  }

  mutable std::mutex mutex_;  // guards entries_
  std::vector<Entry> entries_;
};

}  // namespace netd::test
