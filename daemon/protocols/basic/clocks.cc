// The time of day, for people (RFC 867) and for machines (RFC 868).
#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>

#include "daemon/net/connection.h"
#include "daemon/protocols/basic/basic.h"
#include "daemon/protocols/basic/one_shot.h"

namespace netd {

namespace {

// From 1900-01-01 to 1970-01-01 (RFC 868).
constexpr std::int64_t kSecondsTo1970 = 2'208'988'800;

std::tm local_time(WallTime time) {
  const std::time_t seconds = WallTime::clock::to_time_t(time);
  std::tm local{};
  (void)::localtime_r(&seconds, &local);
  return local;
}

using Format = std::string (*)(WallTime time);

class ClockStream final : public StreamProtocol {
 public:
  ClockStream(const Clock& clock, Format format) : clock_(clock), format_(format) {}
  std::unique_ptr<Session> open(Connection& connection) override {
    return std::make_unique<basic::OneShotSession>(connection, format_(clock_.wall()));
  }

 private:
  const Clock& clock_;
  Format format_;
};

/// Answers with the first of two forms that may be said.
class ClockDatagram final : public DatagramProtocol {
 public:
  ClockDatagram(const Clock& clock, Format preferred, Format shorter)
      : clock_(clock), preferred_(preferred), shorter_(shorter) {}

  std::ptrdiff_t answer(std::string_view, std::span<char> answer) override {
    std::string text = preferred_(clock_.wall());
    if (text.size() > answer.size()) text = shorter_(clock_.wall());
    if (text.size() > answer.size()) return kNoAnswer;
    std::copy(text.begin(), text.end(), answer.begin());
    return static_cast<std::ptrdiff_t>(text.size());
  }

 private:
  const Clock& clock_;
  Format preferred_;
  Format shorter_;
};

Result<std::unique_ptr<StreamProtocol>> make_daytime_stream(const ProtocolContext& context) {
  return std::make_unique<ClockStream>(context.io.dispatcher.clock(), basic::long_daytime);
}

Result<std::unique_ptr<DatagramProtocol>> make_daytime_datagram(const ProtocolContext& context) {
  return std::make_unique<ClockDatagram>(context.io.dispatcher.clock(), basic::long_daytime,
                                         basic::short_daytime);
}

Result<std::unique_ptr<StreamProtocol>> make_time_stream(const ProtocolContext& context) {
  return std::make_unique<ClockStream>(context.io.dispatcher.clock(), basic::binary_time);
}

Result<std::unique_ptr<DatagramProtocol>> make_time_datagram(const ProtocolContext& context) {
  return std::make_unique<ClockDatagram>(context.io.dispatcher.clock(), basic::binary_time,
                                         basic::binary_time);
}

}  // namespace

namespace basic {

std::string long_daytime(WallTime time) {
  const std::tm local = local_time(time);
  std::array<char, 128> text{};
  return {text.data(),
          std::strftime(text.data(), text.size(), "%A, %B %d, %Y %H:%M:%S-%Z\r\n", &local)};
}

std::string short_daytime(WallTime time) {
  const std::tm local = local_time(time);
  std::array<char, 64> text{};
  const std::size_t size =
      std::strftime(text.data(), text.size(), "%d %b %Y %H:%M:%S %Z\r\n", &local);
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return {text.data(), size};
}

std::string binary_time(WallTime time) {
  const std::int64_t since_1970 =
      std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
  const auto seconds = static_cast<std::uint32_t>(since_1970 + kSecondsTo1970);
  return {static_cast<char>(seconds >> 24), static_cast<char>(seconds >> 16),
          static_cast<char>(seconds >> 8), static_cast<char>(seconds)};
}

}  // namespace basic

const Protocol kDaytimeProtocol = {
    .name = "daytime",
    .summary = "says the date and the time and closes (RFC 867)",
    .rows = {},
    .check = nullptr,
    .make_shared_state = nullptr,
    .make_stream = make_daytime_stream,
    .make_datagram = make_daytime_datagram,
};

const Protocol kTimeProtocol = {
    .name = "time",
    .summary = "sends the seconds since 1900 as four bytes and closes (RFC 868)",
    .rows = {},
    .check = nullptr,
    .make_shared_state = nullptr,
    .make_stream = make_time_stream,
    .make_datagram = make_time_datagram,
};

}  // namespace netd
