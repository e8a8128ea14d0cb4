// The commands that are clients of the network: what each is asked for, and what runs it. Their
// options are defined in one file, as CLI11 is dear to compile.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "ctl/clients/http_options.h"
#include "ctl/clients/load.h"
#include "ctl/clients/probe.h"
#include "ctl/context.h"

namespace netd::ctl {

struct EchoOptions {
  std::string target;
  std::vector<std::string> words;
  std::string interval = "0";
  int count = 0;
  bool udp = false;
};
[[nodiscard]] int run_echo(const EchoOptions& options, const Context& context);

struct ConnectOptions {
  std::vector<std::string> target;
  std::string send;
  std::string receive;
  std::string wait;
  bool udp = false;
  bool listen = false;
  bool crlf = false;
};
[[nodiscard]] int run_connect(const ConnectOptions& options, const Context& context);

struct HttpCommandOptions {
  HttpOptions http;
  std::string url;
  std::string unix_socket;
  std::string proxy;
};
[[nodiscard]] int run_http(const HttpCommandOptions& options, const Context& context);

struct CallOptions {
  HttpOptions http;
  std::string service;
  std::string path;
};
[[nodiscard]] int run_call(const CallOptions& options, const Context& context);

struct ScanOptions {
  std::string host;
  std::vector<std::string> ports;
  std::size_t parallel = 500;
  bool udp = false;
  bool all = false;
  bool open = false;
};
[[nodiscard]] int run_scan(const ScanOptions& options, const Context& context);

struct LatencyOptions {
  std::vector<std::string> targets;
  std::string interval = "100ms";
  std::string plot;
  ProbeKind kind = ProbeKind::connect;
  int count = 10;
  std::size_t size = 64;
};
[[nodiscard]] int run_latency(const LatencyOptions& options, const Context& context);

struct ThroughputOptions {
  std::vector<std::string> targets;
  std::string time = "3s";
  std::string plot;
  std::string rate;
  LoadMode mode = LoadMode::echo;
  std::size_t streams = 1;
  std::size_t size = 1400;
  bool udp = false;
};
[[nodiscard]] int run_throughput(const ThroughputOptions& options, const Context& context);

}  // namespace netd::ctl
