#include "ctl/clients/http_request.h"

#include <curl/curl.h>

#include <array>
#include <cerrno>
#include <memory>

#include "daemon/base/text.h"
#include "version.h"

namespace netd::ctl {

namespace {

constexpr long kMaxRedirects = 10;
/// A body that is kept in memory has at most this many bytes.
constexpr std::size_t kMaxKeptBody = std::size_t{256} << 20;

/// The heads of an answer and of the redirects before it, in bytes.
constexpr std::size_t kMaxHeads = std::size_t{1} << 20;

struct Transfer {
  HttpAnswer answer;
  const HttpSink* sink = nullptr;
  Progressed progressed = Progressed::nowhere;
  std::size_t head_bytes = 0;
};

int on_connected(void* user, char*, char*, int, int) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (transfer.progressed == Progressed::nowhere) transfer.progressed = Progressed::sent;
  return CURL_PREREQFUNC_OK;
}

std::size_t on_header(const char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  HttpAnswer& answer = transfer.answer;
  transfer.head_bytes += size;
  if (transfer.head_bytes > kMaxHeads) return 0;
  const std::string_view line = trim({data, size});
  transfer.progressed = Progressed::answered;
  if (line.starts_with("HTTP/")) {
    // Of several heads, as of a redirect, the last counts.
    const auto words = split_words(line);
    answer.head.clear();
    answer.headers.clear();
    answer.version = words[0].substr(5);
    const auto blank = line.find(' ', words[0].size() + 1);
    answer.reason = blank == std::string_view::npos ? "" : std::string(line.substr(blank + 1));
  } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
    answer.headers.emplace_back(line.substr(0, colon), trim(line.substr(colon + 1)));
  }
  answer.head.append(data, size);
  return size;
}

std::size_t on_body(const char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (*transfer.sink) return (*transfer.sink)(transfer.answer, {data, size}) ? size : 0;
  if (size > kMaxKeptBody - transfer.answer.body.size()) return 0;
  transfer.answer.body.append(data, size);
  return size;
}

Trouble trouble_of(CURLcode code, long system_code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return Trouble::unresolved;
    case CURLE_OPERATION_TIMEDOUT:
      return Trouble::timed_out;
    case CURLE_COULDNT_CONNECT:
      if (system_code == ECONNREFUSED || system_code == ENOENT || system_code == 0) {
        return Trouble::refused;
      }
      if (system_code == ETIMEDOUT) return Trouble::timed_out;
      return Trouble::unreachable;
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
      if (system_code == ETIMEDOUT) return Trouble::timed_out;
      return system_code == ECONNRESET || system_code == EPIPE ? Trouble::reset : Trouble::failed;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
      return Trouble::closed;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
      return Trouble::tls;
    default:
      return Trouble::failed;
  }
}

ClientError error_of(CURL* curl, CURLcode code, const char* details, const HttpRequest& request) {
  long system_code = 0;
  (void)::curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &system_code);
  const Trouble trouble = trouble_of(code, system_code);
  const std::string where =
      request.unix_socket.empty() ? request.url : request.url + " by " + request.unix_socket;
  std::string message = printable(where, 200) + ": ";
  if (trouble == Trouble::refused) message += "Connection refused: nobody listens there";
  if (trouble == Trouble::unresolved) message += "the name does not resolve";
  if (trouble == Trouble::timed_out) message += "timed out";
  if (trouble == Trouble::tls) message += "TLS: ";
  const bool named = trouble == Trouble::unresolved || trouble == Trouble::timed_out;
  if (named && *details != '\0') message.append(" (").append(details).append(")");
  if (!named && trouble != Trouble::refused) {
    message += *details != '\0' ? details : ::curl_easy_strerror(code);
  }
  return {trouble, std::move(message)};
}

using HeaderList = std::unique_ptr<curl_slist, void (*)(curl_slist*)>;

HeaderList header_list(const std::vector<std::string>& headers) {
  curl_slist* list = nullptr;
  for (const auto& header : headers) {
    // "Name:" alone would take the header away; libcurl writes an empty one as "Name;".
    std::string text = header;
    if (text.ends_with(':')) text.back() = ';';
    list = ::curl_slist_append(list, text.c_str());
  }
  return {list, ::curl_slist_free_all};
}

void set_method(CURL* curl, const HttpRequest& request) {
  const std::string& method = request.method;
  if (request.body) {
    ::curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(request.body->size()));
    ::curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body->data());
  }
  if (method == "HEAD") {
    ::curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  } else if (method == "POST" && !request.body) {
    ::curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, 0L);
    ::curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
  } else if (!method.empty() && method != (request.body ? "POST" : "GET")) {
    // Only what libcurl has no name for: a custom method outlives redirects that should change it.
    ::curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method.c_str());
  }
}

void set_options(CURL* curl, const HttpRequest& request) {
  ::curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  ::curl_easy_setopt(curl, CURLOPT_DEFAULT_PROTOCOL, "http");
  ::curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  ::curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  ::curl_easy_setopt(curl, CURLOPT_USERAGENT, (std::string("netctl/") + kVersion).c_str());
  ::curl_easy_setopt(curl, CURLOPT_PROXY, request.proxy.c_str());
  ::curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  if (request.fresh_connection) {
    ::curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
    ::curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
  }
  if (!request.unix_socket.empty()) {
    ::curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
  }
  if (request.follow) {
    ::curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    ::curl_easy_setopt(curl, CURLOPT_MAXREDIRS, kMaxRedirects);
  }
  if (request.connect_timeout > milliseconds(0)) {
    ::curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                       static_cast<long>(request.connect_timeout.count()));
  }
  if (request.silence_timeout > milliseconds(0)) {
    const auto time = static_cast<long>(request.silence_timeout.count());
    ::curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    ::curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (time + 999) / 1000);
  }
  if (request.whole_timeout > milliseconds(0)) {
    ::curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(request.whole_timeout.count()));
  }
}

double milliseconds_info(CURL* curl, CURLINFO info) {
  curl_off_t microseconds = 0;
  (void)::curl_easy_getinfo(curl, info, &microseconds);
  return static_cast<double>(microseconds) / 1000.0;
}

}  // namespace

std::optional<std::string_view> HttpAnswer::header(std::string_view name) const {
  for (const auto& [known, value] : headers) {
    if (iequals(known, name)) return value;
  }
  return std::nullopt;
}

Result<void> check_url(const std::string& url) {
  const std::unique_ptr<CURLU, void (*)(CURLU*)> parts(::curl_url(), ::curl_url_cleanup);
  constexpr unsigned kFlags = CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME | CURLU_PATH_AS_IS;
  const CURLUcode code = ::curl_url_set(parts.get(), CURLUPART_URL, url.c_str(), kFlags);
  if (code != CURLUE_OK) {
    return fail("expected a URL, found \"" + printable(url, 40) +
                "\": " + ::curl_url_strerror(code));
  }
  char* scheme = nullptr;
  (void)::curl_url_get(parts.get(), CURLUPART_SCHEME, &scheme, 0);
  const std::unique_ptr<char, void (*)(void*)> owner(scheme, ::curl_free);
  if (scheme == nullptr || !(iequals(scheme, "http") || iequals(scheme, "https"))) {
    return fail("expected a URL of http or https, found " + printable(url, 40));
  }
  return {};
}

HttpClient::HttpClient() : curl_(::curl_easy_init()) {}
HttpClient::~HttpClient() { ::curl_easy_cleanup(curl_); }

ClientResult<HttpAnswer> HttpClient::ask(const HttpRequest& request, const HttpSink& sink,
                                         Progressed* progressed) {
  if (curl_ == nullptr) return std::unexpected(ClientError{Trouble::failed, "libcurl: no memory"});
  ::curl_easy_reset(curl_);
  Transfer transfer;
  transfer.sink = &sink;
  std::array<char, CURL_ERROR_SIZE> details{};
  const HeaderList headers = header_list(request.headers);
  set_options(curl_, request);
  set_method(curl_, request);
  ::curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, headers.get());
  ::curl_easy_setopt(curl_, CURLOPT_ERRORBUFFER, details.data());
  ::curl_easy_setopt(curl_, CURLOPT_PREREQFUNCTION, on_connected);
  ::curl_easy_setopt(curl_, CURLOPT_PREREQDATA, &transfer);
  ::curl_easy_setopt(curl_, CURLOPT_HEADERFUNCTION, on_header);
  ::curl_easy_setopt(curl_, CURLOPT_HEADERDATA, &transfer);
  ::curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, on_body);
  ::curl_easy_setopt(curl_, CURLOPT_WRITEDATA, &transfer);
  const CURLcode code = ::curl_easy_perform(curl_);
  if (progressed != nullptr) *progressed = transfer.progressed;
  if (transfer.head_bytes > kMaxHeads) {
    return std::unexpected(
        ClientError{Trouble::failed, printable(request.url, 200) + ": the head has no end"});
  }
  if (code != CURLE_OK) return std::unexpected(error_of(curl_, code, details.data(), request));
  HttpAnswer& answer = transfer.answer;
  (void)::curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &answer.status);
  const char* url = nullptr;
  (void)::curl_easy_getinfo(curl_, CURLINFO_EFFECTIVE_URL, &url);
  if (url != nullptr) answer.url = url;
  answer.connect_ms = milliseconds_info(curl_, CURLINFO_CONNECT_TIME_T);
  answer.first_byte_ms = milliseconds_info(curl_, CURLINFO_STARTTRANSFER_TIME_T);
  answer.total_ms = milliseconds_info(curl_, CURLINFO_TOTAL_TIME_T);
  return std::move(answer);
}

ClientResult<HttpAnswer> http_ask(const HttpRequest& request, const HttpSink& sink,
                                  Progressed* progressed) {
  return HttpClient().ask(request, sink, progressed);
}

}  // namespace netd::ctl
