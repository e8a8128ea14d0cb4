// One HTTP request by libcurl.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ctl/clients/dial.h"

namespace netd::ctl {

struct HttpRequest {
  std::string url;
  std::string method;                ///< empty: GET, or POST with a body
  std::vector<std::string> headers;  ///< "Name: value"
  std::optional<std::string> body;
  std::string unix_socket;               ///< empty: the URL's host
  std::string proxy;                     ///< empty: none, whatever the environment says
  bool follow = false;                   ///< redirects, ten at most
  milliseconds connect_timeout{30'000};  ///< zero: none
  milliseconds silence_timeout{30'000};  ///< for a peer that has gone silent; zero: none
  milliseconds whole_timeout{0};         ///< for all of it; zero: none
  bool fresh_connection = false;
};

struct HttpAnswer {
  long status = 0;
  std::string version;  ///< "1.1"
  std::string reason;
  /// Of the last answer, in their order.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string head;  ///< as it came
  std::string body;  ///< unless a sink took it
  std::string url;   ///< after redirects
  double connect_ms = 0;
  double first_byte_ms = 0;
  double total_ms = 0;

  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
};

/// Takes a part of the body; `answer` has its head. False ends the transfer.
using HttpSink = std::function<bool(const HttpAnswer& answer, std::string_view data)>;

/// Whether it can be asked for: a URL of http or https, or one that means http.
[[nodiscard]] Result<void> check_url(const std::string& url);

/// How far a request has come.
enum class Progressed : std::uint8_t {
  nowhere,   ///< no byte of it has been sent
  sent,      ///< some may have been, and nobody knows what was made of them
  answered,  ///< a first byte of an answer has come
};

/// An error means that there is no whole answer; `progressed`, where given, tells how far it came.
[[nodiscard]] ClientResult<HttpAnswer> http_ask(const HttpRequest& request,
                                                const HttpSink& sink = nullptr,
                                                Progressed* progressed = nullptr);

/// Connections are kept between the requests of one client.
class HttpClient {
 public:
  HttpClient();
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  [[nodiscard]] ClientResult<HttpAnswer> ask(const HttpRequest& request, const HttpSink& sink,
                                             Progressed* progressed);

 private:
  void* curl_;  // a CURL*
};

}  // namespace netd::ctl
