#include "daemon/protocols/http/http.h"

#include "daemon/protocols/http/settings.h"
#include "daemon/protocols/http/site.h"

namespace netd {

const Protocol kHttpProtocol = {
    .name = "http",
    .summary = "serves files and what netd knows about itself (RFC 9110, RFC 9112)",
    .rows = http::kSettingRows,
    .check = http::check_settings,
    .make_shared_state = nullptr,
    .make_stream = http::Site::create,
    .make_datagram = nullptr,
};

}  // namespace netd
