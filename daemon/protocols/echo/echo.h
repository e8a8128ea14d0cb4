// What came goes back: RFC 862, and two forms that show a person how the stream was cut.
#pragma once

#include "daemon/protocols/protocol.h"

namespace netd {

extern const Protocol kEchoProtocol;

}  // namespace netd
