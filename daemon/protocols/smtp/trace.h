// The trace fields that a server puts in front of a message (RFC 5321, section 4.4).
#pragma once

#include <string>
#include <string_view>

#include "daemon/base/clock.h"

namespace netd::smtp {

struct Trace {
  std::string_view sender;     ///< the reverse-path without brackets; empty: null
  std::string_view recipient;  ///< the one recipient; empty when there are several
  std::string_view helo;       ///< what the client called itself
  std::string_view client;     ///< "192.0.2.1", "IPv6:2001:db8::1"; empty: no address
  std::string_view hostname;
  std::string_view protocol;  ///< "SMTP", "ESMTPS", "UTF8SMTP" (RFC 3848, RFC 6531)
  std::string_view tls;       ///< version and cipher; empty: none
  std::string_view id;
  WallTime time;
};

/// Return-Path, Delivered-To (only for one recipient, as `for`: a copy that several share must not
/// tell one about the others, RFC 5321, section 7.2) and Received.
void append_trace(const Trace& trace, std::string& out);

}  // namespace netd::smtp
