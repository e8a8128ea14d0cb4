#pragma once

#include "daemon/protocols/protocol.h"

namespace netd {

/// HTTP/1.1 and 1.0 (RFC 9110, RFC 9112) over streams.
extern const Protocol kHttpProtocol;

}  // namespace netd
