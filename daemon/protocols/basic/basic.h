// The small services of the first RFCs, and a greeting.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/base/clock.h"
#include "daemon/base/error.h"
#include "daemon/protocols/protocol.h"

namespace netd {

extern const Protocol kChargenProtocol;  // RFC 864
extern const Protocol kDaytimeProtocol;  // RFC 867
extern const Protocol kDiscardProtocol;  // RFC 863
extern const Protocol kGreetProtocol;
extern const Protocol kTimeProtocol;  // RFC 868

namespace basic {

/// The 95 lines after which RFC 864's pattern repeats itself, each of 72 characters and CRLF.
[[nodiscard]] const std::string& chargen_pattern();

/// RFC 867's first form, local time: "Sunday, November 22, 2026 15:35:18-UTC\r\n".
[[nodiscard]] std::string long_daytime(WallTime time);
/// Its second form, with the century. An empty datagram may be answered with 28 bytes, and this
/// fits with any time zone: "22 NOV 2026 15:35:18 UTC\r\n".
[[nodiscard]] std::string short_daytime(WallTime time);

/// Seconds since 1900-01-01 00:00 UTC in network byte order, as RFC 868 counts: modulo 2^32, so
/// that it goes on after 2036.
[[nodiscard]] std::string binary_time(WallTime time);

/// What \r \n \t \\ and \xHH in a configured value stand for. The error starts with "expected".
[[nodiscard]] Result<std::string> unescape(std::string_view text);

}  // namespace basic

}  // namespace netd
