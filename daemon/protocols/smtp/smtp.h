#pragma once

#include "daemon/protocols/protocol.h"

namespace netd {

extern const Protocol kSmtpProtocol;

}  // namespace netd
