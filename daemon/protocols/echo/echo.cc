#include "daemon/protocols/echo/echo.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/clock.h"
#include "daemon/net/connection.h"

namespace netd {

namespace {

constexpr std::string_view kLinePrefix = "ECHO: ";

/// A line that grows beyond this is answered as it comes, without waiting for its end, so that
/// memory is bounded and the answer still is the prefix and the whole line.
constexpr std::size_t kMaxHeldLine = std::size_t{64} << 10;

/// "[2026-11-22 15:35:18] Echo: ", made anew once a second.
class TimestampPrefix {
 public:
  explicit TimestampPrefix(const Clock& clock) : clock_(clock) {}

  [[nodiscard]] std::string_view text() {
    const std::time_t now = WallTime::clock::to_time_t(clock_.wall());
    if (now != made_for_) {
      std::tm local{};
      (void)::localtime_r(&now, &local);
      size_ = std::strftime(text_.data(), text_.size(), "[%Y-%m-%d %H:%M:%S] Echo: ", &local);
      made_for_ = now;
    }
    return {text_.data(), size_};
  }

 private:
  const Clock& clock_;
  std::time_t made_for_ = -1;
  std::array<char, 64> text_{};
  std::size_t size_ = 0;
};

class RawSession final : public Session {
 public:
  explicit RawSession(Connection& connection) : Session(connection) {}

  std::size_t on_data(std::string_view input) override {
    connection().write_through(input);
    return input.size();
  }
};

class LineSession final : public Session {
 public:
  explicit LineSession(Connection& connection) : Session(connection) {}

  std::size_t on_data(std::string_view input) override {
    std::size_t used = 0;
    while (used < input.size() && !connection().backlogged()) {
      const std::size_t end = input.find('\n', used + searched_);
      const bool whole = end != std::string_view::npos;
      const std::string_view line = input.substr(used, whole ? end + 1 - used : end);
      const bool held_too_long = line.size() >= kMaxHeldLine;
      if (!whole && !in_long_line_ && !held_too_long && !connection().peer_has_ended()) {
        searched_ = line.size();
        return used;
      }
      if (!in_long_line_) connection().write(kLinePrefix);
      connection().write(line);
      in_long_line_ = !whole;
      searched_ = 0;
      used += line.size();
    }
    return used;
  }

 private:
  std::size_t searched_ = 0;   // the first bytes of the unconsumed input, known to have no line end
  bool in_long_line_ = false;  // the prefix and a part of the line have been sent
};

class TimestampSession final : public Session {
 public:
  TimestampSession(Connection& connection, TimestampPrefix& prefix)
      : Session(connection), prefix_(prefix) {}

  std::size_t on_data(std::string_view input) override {
    connection().write(prefix_.text());
    connection().write(input);
    return input.size();
  }

 private:
  TimestampPrefix& prefix_;
};

class RawEcho final : public StreamProtocol {
 public:
  std::unique_ptr<Session> open(Connection& connection) override {
    return std::make_unique<RawSession>(connection);
  }
};

class LineEcho final : public StreamProtocol {
 public:
  std::unique_ptr<Session> open(Connection& connection) override {
    return std::make_unique<LineSession>(connection);
  }
};

class TimestampEcho final : public StreamProtocol {
 public:
  explicit TimestampEcho(const Clock& clock) : prefix_(clock) {}
  std::unique_ptr<Session> open(Connection& connection) override {
    return std::make_unique<TimestampSession>(connection, prefix_);
  }

 private:
  TimestampPrefix prefix_;
};

/// Appends to an answer of bounded size, each piece whole or not at all.
class Answer {
 public:
  explicit Answer(std::span<char> room) : room_(room) {}

  bool add(std::string_view first, std::string_view second) {
    if (first.size() + second.size() > room_.size() - used_) return false;
    append(first);
    append(second);
    return true;
  }
  [[nodiscard]] std::ptrdiff_t size() const { return static_cast<std::ptrdiff_t>(used_); }

 private:
  void append(std::string_view text) {
    std::copy(text.begin(), text.end(), room_.subspan(used_).begin());
    used_ += text.size();
  }

  std::span<char> room_;
  std::size_t used_ = 0;
};

class RawDatagramEcho final : public DatagramProtocol {
 public:
  std::ptrdiff_t answer(std::string_view request, std::span<char> answer) override {
    Answer result(answer);
    return result.add(request, {}) ? result.size() : kNoAnswer;
  }
};

/// The lines that fit. A datagram's end ends its last line.
class LineDatagramEcho final : public DatagramProtocol {
 public:
  std::ptrdiff_t answer(std::string_view request, std::span<char> answer) override {
    Answer result(answer);
    while (!request.empty()) {
      const std::size_t end = std::min(request.find('\n'), request.size() - 1) + 1;
      if (!result.add(kLinePrefix, request.substr(0, end))) break;
      request.remove_prefix(end);
    }
    return result.size() > 0 ? result.size() : kNoAnswer;
  }
};

class TimestampDatagramEcho final : public DatagramProtocol {
 public:
  explicit TimestampDatagramEcho(const Clock& clock) : prefix_(clock) {}
  std::ptrdiff_t answer(std::string_view request, std::span<char> answer) override {
    Answer result(answer);
    return result.add(prefix_.text(), request) ? result.size() : kNoAnswer;
  }

 private:
  TimestampPrefix prefix_;
};

constexpr std::array<std::string_view, 3> kModes = {"raw", "line", "timestamp"};
constexpr std::array<config::SettingRow, 1> kRows = {{
    {.key = "mode",
     .kind = config::ValueKind::choice,
     .default_value = "raw",
     .help = "raw: bytes as they came; line: ECHO: before each line; timestamp: the time before "
             "what each read brings",
     .choices = kModes},
}};

Result<std::unique_ptr<StreamProtocol>> make_stream(const ProtocolContext& context) {
  const std::string& mode = context.listener.own.text("mode");
  if (mode == "line") return std::make_unique<LineEcho>();
  if (mode == "raw") return std::make_unique<RawEcho>();
  return std::make_unique<TimestampEcho>(context.io.dispatcher.clock());
}

Result<std::unique_ptr<DatagramProtocol>> make_datagram(const ProtocolContext& context) {
  const std::string& mode = context.listener.own.text("mode");
  if (mode == "line") return std::make_unique<LineDatagramEcho>();
  if (mode == "raw") return std::make_unique<RawDatagramEcho>();
  return std::make_unique<TimestampDatagramEcho>(context.io.dispatcher.clock());
}

}  // namespace

const Protocol kEchoProtocol = {
    .name = "echo",
    .summary = "sends back what it gets (RFC 862)",
    .rows = kRows,
    .check = nullptr,
    .make_shared_state = nullptr,
    .make_stream = make_stream,
    .make_datagram = make_datagram,
};

}  // namespace netd
