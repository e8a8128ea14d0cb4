#include "ctl/control_client.h"

#include <grp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <vector>

#include "ctl/waiting.h"

namespace netd::ctl {

namespace {

/// The name of the group that a file belongs to, or its number.
std::string group_of(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return {};
  group entry{};
  group* found = nullptr;
  std::vector<char> buffer(16384);
  if (::getgrgid_r(status.st_gid, &entry, buffer.data(), buffer.size(), &found) == 0 &&
      found != nullptr) {
    return found->gr_name;
  }
  return std::to_string(status.st_gid);
}

Error connect_error(const std::string& path, int code) {
  if (code == ENOENT || code == ECONNREFUSED) {
    return Error("netd is not running: nobody listens on " + path +
                     " (start it with: systemctl start netd; or name another socket with --socket)",
                 code);
  }
  if (code == EACCES) {
    const std::string group = group_of(path);
    return Error("not allowed to open " + path + ": only root, netd's own user and " +
                     (group.empty() ? "its group" : "the group " + group) + " may",
                 code);
  }
  return system_error("connect to " + path, code);
}

}  // namespace

bool ControlClient::is_possible(const std::string& path) {
  return !path.empty() && path.size() < sizeof sockaddr_un::sun_path;
}

Result<ControlClient> ControlClient::connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (!is_possible(path)) return fail("a socket's path has 1 to 107 bytes");
  path.copy(address.sun_path, path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail_system("socket", errno);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return std::unexpected(connect_error(path, errno));
  }
  return ControlClient(std::move(fd), path);
}

Result<std::string> ControlClient::ask(std::string_view request, milliseconds timeout) {
  if (auto sent = send(request, timeout); !sent) return std::unexpected(sent.error());
  return read_line(timeout);
}

Result<void> ControlClient::send(std::string_view request, milliseconds timeout) {
  const auto deadline = deadline_of(timeout);
  const std::string line = std::string(request) + "\n";
  std::string_view left = line;
  while (!left.empty()) {
    const ssize_t count = ::send(fd_.get(), left.data(), left.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count > 0) {
      left.remove_prefix(static_cast<std::size_t>(count));
      continue;
    }
    const int code = count < 0 ? errno : EAGAIN;
    if (code == EAGAIN) {
      if (!wait_for(fd_.get(), POLLOUT, deadline)) return fail("netd does not take the request");
    } else if (code == EPIPE || code == ECONNRESET) {
      return {};  // why it closed stands in the answer, if there is one
    } else if (code != EINTR) {
      return fail_system("send to " + path_, code);
    }
  }
  return {};
}

Result<std::string> ControlClient::read_line(milliseconds timeout) {
  const auto deadline = deadline_of(timeout);
  for (;;) {
    if (auto line = take_line()) return std::move(*line);
    if (!wait_for(fd_.get(), POLLIN, deadline)) {
      return fail("netd did not answer in time (--timeout gives it longer)");
    }
    if (auto received = receive(); !received) return std::unexpected(received.error());
  }
}

Result<std::optional<std::string>> ControlClient::read_ready() {
  for (;;) {
    if (auto line = take_line()) return line;
    auto received = receive();
    if (!received) return std::unexpected(received.error());
    if (!*received) return std::nullopt;
  }
}

std::optional<std::string> ControlClient::take_line() {
  const auto end = received_.find('\n', searched_);
  if (end == std::string::npos) {
    searched_ = received_.size();
    return std::nullopt;
  }
  std::string line = received_.substr(0, end);
  received_.erase(0, end + 1);
  searched_ = 0;
  return line;
}

Result<bool> ControlClient::receive() {
  std::array<char, 65536> buffer{};
  const ssize_t count = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count > 0) {
    received_.append(buffer.data(), static_cast<std::size_t>(count));
    if (received_.size() > kMaxAnswer) return fail("netd's answer is too long");
    return true;
  }
  if (count == 0) return fail("netd has closed the connection");
  if (errno == EAGAIN || errno == EINTR) return false;
  if (errno == ECONNRESET) return fail("netd has closed the connection");
  return fail_system("read from " + path_, errno);
}

}  // namespace netd::ctl
