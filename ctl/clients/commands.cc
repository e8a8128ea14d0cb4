#include "ctl/clients/commands.h"

#include <memory>

#include <CLI/CLI.hpp>

#include "ctl/custom_commands.h"
#include "ctl/option_checks.h"

namespace netd::ctl {

namespace {

constexpr std::uint64_t kMaxDatagram = 65507;  // bytes, over IPv4

void add_http_options(CLI::App& command, HttpOptions& options) {
  command.add_option("--method,-X", options.method, "default: GET, or POST with --data")
      ->type_name("METHOD");
  command.add_option("--header,-H", options.headers, "may be given several times")
      ->type_name("'NAME: VALUE'")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command.add_option("--data,-d", options.data, "the body; @FILE reads a file, @- standard input")
      ->type_name("TEXT");
  command.add_option("--output,-o", options.output, "write the body to this file")
      ->type_name("FILE");
  command.add_flag("--include,-i", options.include, "show the head of the answer, too");
  command.add_flag("--follow,-L", options.follow, "follow redirects, ten at most");
}

}  // namespace

std::function<int(const Context&)> define_echo(CLI::App& command) {
  const auto options = std::make_shared<EchoOptions>();  // lives as long as the callback
  command.add_option("TARGET", options->target, "HOST:PORT, [IPV6]:PORT or unix:PATH")
      ->type_name("TEXT")
      ->required();
  command
      .add_option("MESSAGE", options->words,
                  "sent once; without it: what is typed, or standard input to its end")
      ->type_name("TEXT");
  command.add_flag("--udp,-u", options->udp, "datagrams instead of a TCP connection");
  expect_whole_number(
      command.add_option("--count,-c", options->count, "send so many times, and tell the times")
          ->type_name("N"),
      1);
  command.add_option("--interval,-i", options->interval, "between two of them")
      ->type_name("TIME")
      ->capture_default_str();
  return [options](const Context& context) { return run_echo(*options, context); };
}

std::function<int(const Context&)> define_connect(CLI::App& command) {
  const auto options = std::make_shared<ConnectOptions>();  // lives as long as the callback
  command
      .add_option("TARGET", options->target,
                  "HOST:PORT, HOST PORT, unix:PATH; with --listen a port alone is enough")
      ->type_name("TEXT")
      ->expected(1, 2)
      ->required();
  command.add_flag("--udp,-u", options->udp, "datagrams instead of a TCP connection");
  command.add_flag("--listen,-l", options->listen, "wait for one peer instead of connecting");
  command.add_flag("--crlf,-C", options->crlf, "send line ends as CR LF");
  command.add_option("--send", options->send, "send this file, and tell its checksum")
      ->type_name("FILE");
  command.add_option("--receive", options->receive, "write what comes to this file")
      ->type_name("FILE");
  command
      .add_option("--wait,-w", options->wait,
                  "after the input's end, wait so long for the peer to say something; default: "
                  "until it closes, with --udp 1s")
      ->type_name("TIME");
  return [options](const Context& context) { return run_connect(*options, context); };
}

std::function<int(const Context&)> define_http(CLI::App& command) {
  const auto options = std::make_shared<HttpCommandOptions>();  // lives as long as the callback
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

std::function<int(const Context&)> define_call(CLI::App& command) {
  const auto options = std::make_shared<CallOptions>();  // lives as long as the callback
  command.add_option("SERVICE", options->service, "a service of netd's configuration")
      ->type_name("TEXT")
      ->required();
  command.add_option("PATH", options->path, "and query")->type_name("TEXT")->required();
  add_http_options(command, options->http);
  return [options](const Context& context) { return run_call(*options, context); };
}

std::function<int(const Context&)> define_scan(CLI::App& command) {
  const auto options = std::make_shared<ScanOptions>();  // lives as long as the callback
  command.add_option("HOST", options->host, "a name or an address")->type_name("TEXT")->required();
  command.add_option("PORTS", options->ports, "22, http, 8000-8010, 22,80,443; - is all")
      ->type_name("TEXT")
      ->required();
  expect_whole_number(command.add_option("--parallel", options->parallel, "so many at once")
                          ->type_name("N")
                          ->capture_default_str(),
                      1, 10'000);
  command.add_flag("--udp,-u", options->udp, "datagrams instead of TCP connections");
  command.add_flag("--all", options->all, "show closed and filtered ports, however many");
  command.add_flag("--open", options->open, "show open ports only");
  return [options](const Context& context) { return run_scan(*options, context); };
}

std::function<int(const Context&)> define_latency(CLI::App& command) {
  const auto options = std::make_shared<LatencyOptions>();  // lives as long as the callback
  command
      .add_option("TARGET", options->targets,
                  "HOST:PORT, echo:HOST:PORT, udp:HOST:PORT, unix:PATH or a URL")
      ->type_name("TEXT")
      ->required();
  expect_one_of(
      command
          .add_option(
              "--mode,-m", options->kind,
              "what is measured where the target does not say it: connect, echo, udp or http")
          ->type_name("MODE"),
      {"connect", "echo", "udp", "http"});
  expect_whole_number(
      command.add_option("--count,-c", options->count, "round trips to each target")
          ->type_name("N")
          ->capture_default_str(),
      1, 1'000'000);
  command.add_option("--interval,-i", options->interval, "between two of them")
      ->type_name("TIME")
      ->capture_default_str();
  expect_whole_number(command.add_option("--size,-s", options->size, "bytes of an echo's message")
                          ->type_name("N")
                          ->capture_default_str(),
                      16, kMaxDatagram);
  command.add_option("--plot", options->plot, "draw them into this SVG file")->type_name("FILE");
  return [options](const Context& context) { return run_latency(*options, context); };
}

std::function<int(const Context&)> define_throughput(CLI::App& command) {
  const auto options = std::make_shared<ThroughputOptions>();  // lives as long as the callback
  command.add_option("TARGET", options->targets, "HOST:PORT, udp:HOST:PORT or unix:PATH")
      ->type_name("TEXT")
      ->required();
  expect_one_of(command
                    .add_option("--mode,-m", options->mode,
                                "echo: both ways, checking what comes back; send: to discard; "
                                "receive: from chargen. Default: echo")
                    ->type_name("MODE"),
                {"echo", "send", "receive"});
  command.add_option("--time,-t", options->time, "for each target")
      ->type_name("TIME")
      ->capture_default_str();
  command.add_flag("--udp,-u", options->udp,
                   "datagrams to an echo service; counts those that are lost or out of order");
  expect_whole_number(command.add_option("--size,-s", options->size, "bytes of each datagram")
                          ->type_name("N")
                          ->capture_default_str(),
                      kLeastDatagram, kMaxDatagram);
  command
      .add_option("--rate,-r", options->rate,
                  "bits a second of datagrams, such as 10M; default: as fast as they come back")
      ->type_name("RATE");
  expect_whole_number(command.add_option("--streams,-n", options->streams, "connections at once")
                          ->type_name("N")
                          ->capture_default_str(),
                      1, 1000);
  command.add_option("--plot", options->plot, "draw the rates into this SVG file")
      ->type_name("FILE");
  return [options](const Context& context) { return run_throughput(*options, context); };
}

}  // namespace netd::ctl
