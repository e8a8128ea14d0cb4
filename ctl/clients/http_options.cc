#include "ctl/clients/http_options.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "ctl/clients/progress.h"
#include "ctl/humanize.h"
#include "ctl/input.h"
#include "ctl/terminal_text.h"
#include "daemon/base/text.h"
#include "daemon/control/json_text.h"

namespace netd::ctl {

namespace {

/// A file that has its name only when all of it is there. What is no regular file is written to
/// directly.
class Download {
 public:
  explicit Download(std::string path) : path_(std::move(path)), progress_(std::nullopt) {
    struct stat status{};
    const bool special = ::stat(path_.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
    written_ = special ? path_ : path_ + ".part";
    file_ = UniqueFd(::open(written_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    code_ = file_ ? 0 : errno;
  }
  ~Download() {
    if (file_ && written_ != path_) (void)::unlink(written_.c_str());
  }
  Download(const Download&) = delete;
  Download& operator=(const Download&) = delete;

  bool write(const HttpAnswer& answer, std::string_view data) {
    if (bytes_ == 0) {
      const auto length = answer.header("content-length");
      if (const auto total = length ? parse_decimal(*length) : std::nullopt) {
        progress_.set_total(*total);
      }
    }
    bytes_ += data.size();
    while (!data.empty() && code_ == 0) {
      const ssize_t count = ::write(file_.get(), data.data(), data.size());
      if (count < 0 && errno != EINTR) code_ = errno;
      if (count > 0) data.remove_prefix(static_cast<std::size_t>(count));
    }
    progress_.update(bytes_);
    return code_ == 0;
  }

  void finish() {
    progress_.clear();
    if (code_ != 0 || written_ == path_) return;
    if (::rename(written_.c_str(), path_.c_str()) != 0) {
      code_ = errno;
      return;
    }
    written_ = path_;
  }

  [[nodiscard]] int code() const { return code_; }
  [[nodiscard]] std::string summary() const {
    const double seconds = progress_.seconds();
    return path_ + ": " + std::to_string(bytes_) + " bytes in " + human_seconds(seconds) + " (" +
           human_bytes(seconds > 0 ? static_cast<double>(bytes_) / seconds : 0) + "/s)";
  }

 private:
  const std::string path_;
  std::string written_;
  UniqueFd file_;
  int code_ = 0;  // errno of what failed
  std::uint64_t bytes_ = 0;
  Progress progress_;
};

std::string answer_json(const HttpAnswer& answer, const HttpOptions& options) {
  nlohmann::ordered_json headers = nlohmann::ordered_json::object();
  for (const auto& [name, value] : answer.headers) {
    auto& known = headers[to_ascii_lower(name)];
    known = known.is_string() ? known.get<std::string>() + ", " + value : value;
  }
  constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
  control::JsonWriter times;
  times.add_decimal("connect", answer.connect_ms)
      .add_decimal("first_byte", answer.first_byte_ms)
      .add_decimal("total", answer.total_ms);
  control::JsonWriter writer;
  writer.add("status", "ok")
      .add("url", answer.url)
      .add("http_status", static_cast<std::int64_t>(answer.status))
      .add("reason", answer.reason)
      .add("version", answer.version)
      .add_raw("headers", headers.dump(-1, ' ', false, kReplace))
      .add_raw("time_ms", times.object());
  if (options.output.empty()) writer.add("body", answer.body);
  return writer.object();
}

}  // namespace

Result<HttpRequest> make_request(const HttpOptions& options, const Context& context) {
  HttpRequest request;
  request.method = options.method.value_or("");
  const auto no_token = [](char c) { return c <= ' ' || c == 0x7F; };
  if (options.method == "" || std::ranges::any_of(request.method, no_token)) {
    return fail("--method: expected one word");
  }
  for (const auto& header : options.headers) {
    const auto colon = header.find(':');
    if (colon == 0 || colon == std::string::npos ||
        header.find_first_of("\r\n") != std::string::npos) {
      return fail("--header: expected 'NAME: VALUE', found " + printable(header, 40));
    }
    request.headers.push_back(header);
  }
  if (options.data) {
    auto body = options.data->starts_with('@') ? read_input(options.data->substr(1))
                                               : Result<std::string>(*options.data);
    if (!body) return std::unexpected(body.error());
    request.body = std::move(*body);
    const auto is_type = [](const std::string& header) {
      return iequals(std::string_view(header).substr(0, 13), "content-type:");
    };
    const bool document =
        trim(*request.body).starts_with('{') || trim(*request.body).starts_with('[');
    if (document && control::is_json(*request.body) &&
        std::ranges::none_of(options.headers, is_type)) {
      request.headers.emplace_back("Content-Type: application/json");
    }
  }
  request.follow = options.follow;
  request.connect_timeout = context.timeout;
  request.silence_timeout = context.timeout;
  if (context.timeout_given) request.whole_timeout = context.timeout;
  return request;
}

ClientResult<HttpAnswer> ask_and_show(const HttpRequest& request, const HttpOptions& options,
                                      const Context& context, Progressed* progressed) {
  if (!options.output.empty()) {
    Download download(options.output);
    const auto broken = [&] {
      return std::unexpected(ClientError{
          Trouble::failed, system_error("write " + options.output, download.code()).what()});
    };
    if (download.code() != 0) return broken();
    const auto sink = [&](const HttpAnswer& answer, std::string_view data) {
      return download.write(answer, data);
    };
    auto answer = http_ask(request, sink, progressed);
    if (answer) download.finish();
    if (download.code() != 0) return broken();
    if (answer && !context.json) print(download.summary() + "\n");
    return answer;
  }
  if (context.json) return http_ask(request, nullptr, progressed);
  bool shown_head = !options.include;
  TerminalText text;
  const auto show = [&](std::string_view data) {
    print(context.terminal.is_terminal() ? text.add(data) : data);
  };
  const auto show_head = [&](const HttpAnswer& answer) {
    if (!shown_head) show(answer.head);
    shown_head = true;
  };
  const auto sink = [&](const HttpAnswer& answer, std::string_view data) {
    show_head(answer);
    show(data);
    return std::fflush(stdout) == 0;
  };
  auto answer = http_ask(request, sink, progressed);
  if (answer) show_head(*answer);
  print(text.rest());
  return answer;
}

int conclude(const HttpAnswer& answer, const HttpOptions& options, const Context& context) {
  const bool refused = answer.status >= 400;
  if (context.json) {
    print(answer_json(answer, options) + "\n");
    return refused ? kFailed : kDone;
  }
  if (refused) {
    return complain(answer.url + ": " + std::to_string(answer.status) + " " + answer.reason,
                    kFailed);
  }
  if (const auto place = answer.header("location"); place && answer.status / 100 == 3) {
    complain(std::to_string(answer.status) + " " + answer.reason + ": " + std::string(*place) +
                 " (--follow goes there)",
             kDone);
  }
  return kDone;
}

}  // namespace netd::ctl
