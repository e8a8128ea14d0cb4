#include "daemon/protocols/smtp/trace.h"

#include <chrono>
#include <ctime>

#include "daemon/base/text.h"

namespace netd::smtp {

namespace {

/// Of a trace, without what its length depends on.
constexpr std::size_t kRoomForWords = 256;

std::string date_of(WallTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  (void)::gmtime_r(&seconds, &parts);
  return format_rfc5322(parts);
}

}  // namespace

void append_trace(const Trace& trace, std::string& out) {
  // The two fields, with the recipient in them twice.
  out.reserve(out.size() + kRoomForWords + trace.sender.size() + 2 * trace.recipient.size() +
              trace.helo.size() + trace.hostname.size());
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
  if (!trace.tls.empty()) {
    out += "\r\n\t(";
    out += trace.tls;
    out += ')';
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
  out += date_of(trace.time);
  out += "\r\n";
}

}  // namespace netd::smtp
