#include <algorithm>
#include <array>

#include "daemon/protocols/basic/basic.h"
#include "daemon/protocols/capture/capture.h"
#include "daemon/protocols/echo/echo.h"
#include "daemon/protocols/forward/forward.h"
#include "daemon/protocols/http/http.h"
#include "daemon/protocols/protocol.h"
#include "daemon/protocols/smtp/smtp.h"

namespace netd {

namespace {

// In alphabetical order: people see it.
constexpr std::array kProtocols = {
    // clang-format off: one a line
    &kCaptureProtocol,
    &kChargenProtocol,
    &kDaytimeProtocol,
    &kDiscardProtocol,
    &kEchoProtocol,
    &kForwardProtocol,
    &kGreetProtocol,
    &kHttpProtocol,
    &kSmtpProtocol,
    &kTimeProtocol,
    // clang-format on
};

}  // namespace

std::span<const Protocol* const> protocols() { return kProtocols; }

const Protocol* find_protocol(std::string_view name) {
  const auto found = std::ranges::find(kProtocols, name, &Protocol::name);
  return found == kProtocols.end() ? nullptr : *found;
}

}  // namespace netd
