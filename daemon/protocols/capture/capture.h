// The netcat file drop: what a connection sends becomes a file.
#pragma once

#include "daemon/protocols/protocol.h"

namespace netd {

extern const Protocol kCaptureProtocol;

}  // namespace netd
