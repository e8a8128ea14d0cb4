// `netctl http`: one request, its answer.
#include <memory>

#include <CLI/CLI.hpp>

#include "ctl/clients/http_options.h"
#include "ctl/custom_commands.h"

namespace netd::ctl {

namespace {

struct Options {
  HttpOptions http;
  std::string url;
  std::string unix_socket;
  std::string proxy;
};

int run_http(const Options& options, const Context& context) {
  auto request = make_request(options.http, context);
  if (!request) return complain(request.error().what(), kUsage);
  request->url = options.url;
  request->unix_socket = options.unix_socket;
  request->proxy = options.proxy;
  const auto answer = ask_and_show(*request, options.http, context, nullptr);
  return answer ? conclude(*answer, options.http, context) : complain(answer.error(), context);
}

}  // namespace

std::function<int(const Context&)> define_http(CLI::App& command) {
  const auto options = std::make_shared<Options>();  // lives as long as the callback
  command.add_option("URL", options->url, "http:// is meant where nothing stands")
      ->type_name("TEXT")
      ->required();
  add_http_options(command, options->http);
  command.add_option("--unix", options->unix_socket, "connect to this socket, whatever the host")
      ->type_name("PATH");
  command.add_option("--proxy", options->proxy, "by this proxy; the environment's is not used")
      ->type_name("URL");
  return [options](const Context& context) { return run_http(*options, context); };
}

}  // namespace netd::ctl
