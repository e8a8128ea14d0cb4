#include "ctl/clients/probe.h"

#include <algorithm>
#include <array>
#include <optional>

#include "ctl/clients/http_request.h"
#include "ctl/waiting.h"

namespace netd::ctl {

namespace {

double since(Moment begin) {
  return std::chrono::duration<double, std::milli>(now() - begin).count();
}

/// The address, looked up once.
class KnownAddress {
 public:
  explicit KnownAddress(Endpoint endpoint) : endpoint_(std::move(endpoint)) {}

  ClientResult<UniqueFd> connect(milliseconds timeout) {
    if (address_) return dial_address(*address_, type(), short_text(endpoint_), timeout);
    auto fd = dial(endpoint_, timeout);
    if (fd) address_ = peer_address(fd->get());
    return fd;
  }
  /// Without a connection: the first of the name's addresses.
  ClientResult<void> find(milliseconds timeout) {
    if (address_) return {};
    const auto found = resolve(endpoint_, deadline_of(timeout));
    if (!found) return std::unexpected(found.error());
    if (found->size() == 1) address_ = found->front();
    // Of several one may be dead: the first that connects is the one that is measured.
    if (auto fd = connect(timeout); !fd) return std::unexpected(fd.error());
    return {};
  }

 private:
  [[nodiscard]] int type() const {
    return endpoint_.transport == Transport::udp ? SOCK_DGRAM : SOCK_STREAM;
  }

  const Endpoint endpoint_;
  std::optional<Address> address_;
};

class ConnectProbe final : public Probe {
 public:
  explicit ConnectProbe(const Endpoint& endpoint) : address_(endpoint) {}

  ClientResult<double> measure(milliseconds timeout) override {
    if (auto found = address_.find(timeout); !found) return std::unexpected(found.error());
    const Moment begin = now();
    const auto fd = address_.connect(timeout);
    if (!fd) return std::unexpected(fd.error());
    return since(begin);
  }

 private:
  KnownAddress address_;
};

class EchoProbe final : public Probe {
 public:
  EchoProbe(const Endpoint& endpoint, std::size_t size)
      : address_(endpoint), datagrams_(endpoint.transport == Transport::udp), size_(size) {}

  ClientResult<double> measure(milliseconds timeout) override {
    if (!fd_) {
      auto fd = address_.connect(timeout);
      if (!fd) return std::unexpected(fd.error());
      fd_ = std::move(*fd);
    }
    // The number tells this answer from a late one to an earlier message.
    std::string message = std::to_string(++number_);
    message.insert(0, 15 - std::min<std::size_t>(message.size(), 15), '0');
    message.resize(size_ - 1, '.');
    message += '\n';
    const Moment begin = now();
    auto done = exchange(message, timeout);
    if (!done) {
      // A stream is out of step from here on.
      if (!datagrams_) fd_.reset();
      return std::unexpected(done.error());
    }
    return since(begin);
  }

 private:
  ClientResult<void> exchange(const std::string& message, milliseconds timeout) {
    const Deadline deadline = deadline_of(timeout);
    if (auto sent = send_all(fd_.get(), message, timeout); !sent) return sent;
    std::string back;
    while (back.size() < message.size()) {
      const auto count = receive_some(fd_.get(), room_, deadline);
      if (!count) return std::unexpected(count.error());
      if (datagrams_) {
        back.assign(room_.data(), *count);
        if (back != message) back.clear();  // late
        continue;
      }
      if (*count == 0) {
        return std::unexpected(ClientError{Trouble::closed, "the peer closed the connection"});
      }
      back.append(room_.data(), *count);
    }
    if (back == message) return {};
    return std::unexpected(ClientError{Trouble::failed, "what came back is not what was sent"});
  }

  KnownAddress address_;
  const bool datagrams_;
  const std::size_t size_;
  UniqueFd fd_;
  std::uint64_t number_ = 0;
  std::array<char, 65536> room_{};
};

class HttpProbe final : public Probe {
 public:
  explicit HttpProbe(std::string url) { request_.url = std::move(url); }

  ClientResult<double> measure(milliseconds timeout) override {
    request_.connect_timeout = timeout;
    request_.silence_timeout = timeout;
    request_.whole_timeout = timeout;
    const auto sink = [](const HttpAnswer&, std::string_view) { return true; };
    const auto answer = client_.ask(request_, sink, nullptr);
    if (!answer) return std::unexpected(answer.error());
    // Zero where a kept connection served.
    return answer->total_ms - answer->connect_ms;
  }

 private:
  HttpClient client_;
  HttpRequest request_;
};

}  // namespace

std::string_view probe_name(ProbeKind kind) {
  static constexpr std::array<std::string_view, 4> kNames = {"connect", "echo", "udp", "http"};
  return kNames.at(static_cast<std::size_t>(kind));
}

Result<ProbeTarget> parse_probe_target(std::string_view text, ProbeKind otherwise) {
  ProbeTarget target;
  target.text = text;
  target.kind = otherwise;
  if (text.starts_with("http://") || text.starts_with("https://") || otherwise == ProbeKind::http) {
    target.kind = ProbeKind::http;
    const auto url = check_url(target.text);
    if (!url) return std::unexpected(url.error());
    return target;
  }
  if (text.starts_with("echo:")) {
    target.kind = ProbeKind::echo;
    text.remove_prefix(5);
  } else if (text.starts_with("tcp:")) {
    target.kind = ProbeKind::connect;
  }
  const bool datagrams = target.kind == ProbeKind::udp;
  auto endpoint = parse_target(text, datagrams ? Transport::udp : Transport::tcp);
  if (!endpoint) return std::unexpected(endpoint.error());
  target.endpoint = std::move(*endpoint);
  if (target.endpoint.transport == Transport::udp) target.kind = ProbeKind::udp;
  return target;
}

std::unique_ptr<Probe> make_probe(const ProbeTarget& target, std::size_t size) {
  switch (target.kind) {
    case ProbeKind::connect:
      return std::make_unique<ConnectProbe>(target.endpoint);
    case ProbeKind::http:
      return std::make_unique<HttpProbe>(target.text);
    case ProbeKind::echo:
    case ProbeKind::udp:
      break;
  }
  return std::make_unique<EchoProbe>(target.endpoint, size);
}

}  // namespace netd::ctl
