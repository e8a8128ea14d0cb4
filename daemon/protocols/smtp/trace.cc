#include "daemon/protocols/smtp/trace.h"

#include <time.h>

#include <array>
#include <cstdio>

namespace netd::smtp {

std::string format_date(WallTime time) {
  constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  if (::gmtime_r(&seconds, &parts) == nullptr) return "Thu, 01 Jan 1970 00:00:00 +0000";
  std::array<char, 64> text{};
  // Not strftime: names of days must not follow a locale.
  const int length =
      std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d +0000",
                    kDays[static_cast<std::size_t>(parts.tm_wday)], parts.tm_mday,
                    kMonths[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900,
                    parts.tm_hour, parts.tm_min, parts.tm_sec);
  return {text.data(), static_cast<std::size_t>(length)};
}

void append_trace(const Trace& trace, std::string& out) {
  out += "Return-Path: <";
  out += trace.sender;
  out += ">\r\n";
  if (!trace.recipient.empty()) {
    out += "Delivered-To: ";
    out += trace.recipient;
    out += "\r\n";
  }
  out += "Received: from ";
  out += trace.helo;
  if (!trace.client.empty()) {
    out += " ([";
    out += trace.client;
    out += "])";
  }
  out += "\r\n\tby ";
  out += trace.hostname;
  out += " (netd) with ";
  out += trace.protocol;
  out += " id ";
  out += trace.id;
  if (!trace.recipient.empty()) {
    out += "\r\n\tfor <";
    out += trace.recipient;
    out += '>';
  }
  out += ";\r\n\t";
  out += format_date(trace.time);
  out += "\r\n";
}

}  // namespace netd::smtp
