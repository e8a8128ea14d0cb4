// `netctl http`: one request, its answer.

#include "ctl/clients/commands.h"
#include "ctl/clients/http_options.h"

namespace netd::ctl {

int run_http(const HttpCommandOptions& options, const Context& context) {
  if (const auto url = check_url(options.url); !url) {
    return complain(url.error().what(), kUsage, context);
  }
  auto request = make_request(options.http, context);
  if (!request) return complain(request.error().what(), kUsage, context);
  request->url = options.url;
  request->unix_socket = options.unix_socket;
  request->proxy = options.proxy;
  const auto answer = ask_and_show(*request, options.http, context, nullptr);
  return answer ? conclude(*answer, options.http, context) : complain(answer.error(), context);
}

}  // namespace netd::ctl
