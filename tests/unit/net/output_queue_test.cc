#include "daemon/net/output_queue.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <utility>

namespace netd {
namespace {

/// Two ends of a TCP connection; what is read from is blocking, the other one not.
std::pair<UniqueFd, UniqueFd> tcp_pair() {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(listener.get(), raw, size), 0);
  EXPECT_EQ(::listen(listener.get(), 1), 0);
  EXPECT_EQ(::getsockname(listener.get(), raw, &size), 0);
  UniqueFd reader(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(reader.get(), raw, size), 0);
  UniqueFd writer(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  const int on = 1;
  EXPECT_EQ(::setsockopt(writer.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
  return {std::move(writer), std::move(reader)};
}

SharedFile file_of(std::string_view content) {
  UniqueFd fd(::memfd_create("test", MFD_CLOEXEC));
  EXPECT_EQ(::write(fd.get(), content.data(), content.size()),
            static_cast<ssize_t>(content.size()));
  return std::make_shared<const UniqueFd>(std::move(fd));
}

std::string numbers(std::size_t size) {
  std::string text;
  for (int i = 0; text.size() < size; ++i) text += std::to_string(i) + ' ';
  text.resize(size);
  return text;
}

bool is_corked(const Stream& stream) {
  int on = 0;
  socklen_t size = sizeof on;
  EXPECT_EQ(::getsockopt(stream.fd(), IPPROTO_TCP, TCP_CORK, &on, &size), 0);
  return on != 0;
}

TEST(OutputQueueTest, ALargeFileLeavesInWholeSegmentsAndHoldsNothingBack) {
  auto [writer, reader] = tcp_pair();
  Stream stream(std::move(writer));
  const std::string content = numbers((std::size_t{3} << 20) + 12345);
  OutputQueue queue;
  queue.append("head");
  queue.append_file(file_of(content), 0, content.size());
  queue.append("tail");
  std::string received;
  std::string buffer(std::size_t{1} << 20, '\0');
  bool was_corked = false;
  while (!queue.empty()) {
    pollfd ready{.fd = stream.fd(), .events = POLLOUT, .revents = 0};
    ASSERT_EQ(::poll(&ready, 1, 10000), 1);
    const IoResult sent = queue.send(stream);
    ASSERT_EQ(sent.error, 0);
    was_corked = was_corked || is_corked(stream);
    // Whoever reads what has been sent until now does not wait for more.
    const std::size_t until = received.size() + sent.count;
    while (received.size() < until) {
      pollfd readable{.fd = reader.get(), .events = POLLIN, .revents = 0};
      ASSERT_EQ(::poll(&readable, 1, 10000), 1);
      const ssize_t count = ::recv(reader.get(), buffer.data(), buffer.size(), 0);
      ASSERT_GT(count, 0);
      received.append(buffer, 0, static_cast<std::size_t>(count));
    }
  }
  EXPECT_TRUE(was_corked);
  EXPECT_FALSE(is_corked(stream));
  EXPECT_EQ(received, "head" + content + "tail");
}

TEST(OutputQueueTest, ASmallFileNeedsNoPreparation) {
  auto [writer, reader] = tcp_pair();
  Stream stream(std::move(writer));
  OutputQueue queue;
  queue.append_file(file_of("0123456789"), 2, 5);
  const IoResult sent = queue.send(stream);
  EXPECT_EQ(sent.count, 5U);
  EXPECT_TRUE(queue.empty());
  EXPECT_FALSE(is_corked(stream));
}

}  // namespace
}  // namespace netd
