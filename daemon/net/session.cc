#include "daemon/net/session.h"

#include "daemon/net/connection.h"

namespace netd {

void Session::on_end() { connection_.close(); }

void Session::on_timeout(Timeout) { connection_.abort(); }

void Session::on_shutdown() { connection_.close(); }

}  // namespace netd
