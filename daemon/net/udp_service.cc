#include "daemon/net/udp_service.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/event/dispatcher.h"

namespace netd {

namespace {

// Other services live below; one of them, asked by us in our answer, might answer back.
constexpr std::uint16_t kFirstUnprivilegedPort = 1024;
constexpr std::size_t kUdpHeader = 8;
constexpr std::size_t kIpv4Header = 20;
constexpr std::size_t kIpv6Header = 40;
constexpr std::size_t kMaxAnswerFactor = 2;
// Answers up to this size can be joined: no path is narrower (RFC 8200, section 5: 1280 bytes).
constexpr std::size_t kMaxDatagramSegment = 1280 - kIpv6Header - kUdpHeader;
// Batches that one readiness takes before others get their turn.
constexpr int kBatchesPerTurn = 8;

bool same_bytes(const void* a, std::size_t a_size, const void* b, std::size_t b_size) {
  return a_size == b_size && (a_size == 0 || std::memcmp(a, b, a_size) == 0);
}

/// The largest payload that keeps the whole packet within kMaxAnswerFactor of the one that came.
std::size_t answer_bound(const SocketAddress& peer, std::size_t received, std::size_t buffer) {
  const auto ip = peer.ip();
  const std::size_t headers = kUdpHeader + (ip && ip->is_v4() ? kIpv4Header : kIpv6Header);
  return std::min(kMaxAnswerFactor * (received + headers) - headers, buffer);
}

}  // namespace

struct UdpService::Buffers {
  // Not a power of two: the heads of all buffers would share the same few lines of the cache.
  static constexpr std::size_t kStride = kMaxDatagram + 320;
  // Room for one in_pktinfo or in6_pktinfo: which of our addresses was asked.
  static constexpr std::size_t kControl = CMSG_SPACE(sizeof(in6_pktinfo));
  struct alignas(cmsghdr) Control {
    char bytes[kControl];
  };
  struct alignas(cmsghdr) SegmentControl {
    char bytes[kControl + CMSG_SPACE(sizeof(std::uint16_t))];
  };

  std::array<mmsghdr, kBatch> in{};
  std::array<mmsghdr, kBatch> out{};
  std::array<iovec, kBatch> in_vector{};
  std::array<iovec, kBatch> out_vector{};
  std::array<sockaddr_storage, kBatch> peers{};
  std::array<Control, kBatch> controls{};
  std::array<SegmentControl, kBatch> segment_controls{};
  // Not touched, and so not in memory, before datagrams of such size come.
  std::unique_ptr<char[]> received = std::make_unique_for_overwrite<char[]>(kBatch * kStride);
  std::unique_ptr<char[]> answers = std::make_unique_for_overwrite<char[]>(kBatch * kStride);
};

UdpService::UdpService(BoundSocket socket, DatagramPolicy& policy, TrafficCounters& counters,
                       ServedPorts& ports)
    : socket_(std::move(socket)),
      policy_(policy),
      counters_(counters),
      ports_(ports),
      buffers_(std::make_unique<Buffers>()) {
  ports_.add(socket_.endpoint.port);
}

UdpService::~UdpService() { ports_.remove(socket_.endpoint.port); }

BoundSocket UdpService::release_socket() {
  watch_.reset();
  return {std::move(socket_.fd), socket_.endpoint};
}

Result<std::unique_ptr<UdpService>> UdpService::create(Dispatcher& dispatcher, BoundSocket socket,
                                                       DatagramPolicy& policy,
                                                       TrafficCounters& counters,
                                                       ServedPorts& ports) {
  std::unique_ptr<UdpService> service(new UdpService(std::move(socket), policy, counters, ports));
  const int fd = service->socket_.fd.get();
  const Endpoint& endpoint = service->socket_.endpoint;
  if (endpoint.host == "*" || endpoint.host == "0.0.0.0" || endpoint.host == "::") {
    // On a host with several addresses the answer must come from the one that was asked.
    const int on = 1;
    (void)::setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
    (void)::setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
  }
  auto watch = ReadWatch::create(dispatcher, fd, [raw = service.get()] { raw->on_readable(); });
  if (!watch) return std::unexpected(watch.error());
  service->watch_ = std::move(*watch);
  return service;
}

void UdpService::on_readable() {
  for (int i = 0; i < kBatchesPerTurn; ++i) {
    const std::size_t received = receive_batch();
    if (received == 0) return;
    send_messages(answer_batch(received));
    if (received < kBatch) return;
  }
}

std::size_t UdpService::receive_batch() {
  Buffers& b = *buffers_;
  for (std::size_t i = 0; i < kBatch; ++i) {
    b.in_vector[i] = {b.received.get() + i * Buffers::kStride, kMaxDatagram};
    b.in[i] = {};
    b.in[i].msg_hdr.msg_name = &b.peers[i];
    b.in[i].msg_hdr.msg_namelen = sizeof b.peers[i];
    b.in[i].msg_hdr.msg_iov = &b.in_vector[i];
    b.in[i].msg_hdr.msg_iovlen = 1;
    b.in[i].msg_hdr.msg_control = b.controls[i].bytes;
    b.in[i].msg_hdr.msg_controllen = Buffers::kControl;
  }
  const int count = ::recvmmsg(socket_.fd.get(), b.in.data(), kBatch, MSG_DONTWAIT, nullptr);
  // Errors here are reports about earlier answers (a port that nobody listens on), or EAGAIN.
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

bool UdpService::may_answer(const SocketAddress& peer) const {
  const std::uint16_t port = peer.port();
  return port >= kFirstUnprivilegedPort && !ports_.contains(port) && policy_.allows(peer);
}

std::size_t UdpService::answer_batch(std::size_t received) {
  Buffers& b = *buffers_;
  DatagramProtocol* protocol = policy_.protocol();
  std::size_t answers = 0;
  std::size_t messages = 0;
  for (std::size_t i = 0; i < received; ++i) {
    const msghdr& question = b.in[i].msg_hdr;
    const std::size_t length = b.in[i].msg_len;
    const SocketAddress peer(reinterpret_cast<const sockaddr*>(&b.peers[i]), question.msg_namelen);
    counters_.accepted.add(1);
    counters_.bytes_in.add(length);
    if (protocol == nullptr || !may_answer(peer)) {
      counters_.refused.add(1);
      continue;
    }
    char* const buffer = b.answers.get() + answers * Buffers::kStride;
    const std::ptrdiff_t size =
        protocol->answer({b.received.get() + i * Buffers::kStride, length},
                         {buffer, answer_bound(peer, length, kMaxDatagram)});
    if (size < 0) continue;
    b.out_vector[answers] = {buffer, static_cast<std::size_t>(size)};
    messages = add_answer(messages, answers, question);
    ++answers;
  }
  for (std::size_t i = 0; i < messages; ++i) {
    if (b.out[i].msg_hdr.msg_iovlen > 1) ask_for_segmentation(i);
  }
  return messages;
}

std::size_t UdpService::add_answer(std::size_t messages, std::size_t answer,
                                   const msghdr& question) {
  Buffers& b = *buffers_;
  const std::size_t size = b.out_vector[answer].iov_len;
  if (segments_ && messages > 0) {
    // Generic segmentation (udp(7), UDP_SEGMENT) cuts one message into datagrams of one size, the
    // last of which may be shorter: the way through the kernel is paid once for all of them.
    msghdr& last = b.out[messages - 1].msg_hdr;
    const std::size_t segment = last.msg_iov[0].iov_len;
    const bool fits = size > 0 && size <= segment && segment <= kMaxDatagramSegment &&
                      last.msg_iov[last.msg_iovlen - 1].iov_len == segment;
    if (fits &&
        same_bytes(last.msg_name, last.msg_namelen, question.msg_name, question.msg_namelen) &&
        same_bytes(last.msg_control, last.msg_controllen, question.msg_control,
                   question.msg_controllen)) {
      ++last.msg_iovlen;
      return messages;
    }
  }
  b.out[messages] = {};
  msghdr& message = b.out[messages].msg_hdr;
  message.msg_name = question.msg_name;
  message.msg_namelen = question.msg_namelen;
  message.msg_iov = &b.out_vector[answer];
  message.msg_iovlen = 1;
  // What says where the question arrived also says where the answer is to leave from.
  message.msg_control = question.msg_controllen > 0 ? question.msg_control : nullptr;
  message.msg_controllen = question.msg_controllen;
  return messages + 1;
}

void UdpService::ask_for_segmentation(std::size_t index) {
  Buffers& b = *buffers_;
  msghdr& message = b.out[index].msg_hdr;
  char* const control = b.segment_controls[index].bytes;
  const std::size_t before = CMSG_ALIGN(message.msg_controllen);
  if (before > 0) std::memcpy(control, message.msg_control, message.msg_controllen);
  const auto segment = static_cast<std::uint16_t>(message.msg_iov[0].iov_len);
  const cmsghdr header = {
      .cmsg_len = CMSG_LEN(sizeof segment), .cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT};
  std::memcpy(control + before, &header, sizeof header);
  std::memcpy(control + before + CMSG_LEN(0), &segment, sizeof segment);
  message.msg_control = control;
  message.msg_controllen = before + CMSG_SPACE(sizeof segment);
}

void UdpService::send_messages(std::size_t count) {
  Buffers& b = *buffers_;
  std::size_t sent = 0;
  while (sent < count) {
    const int result = ::sendmmsg(socket_.fd.get(), b.out.data() + sent,
                                  static_cast<unsigned>(count - sent), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (result < 0) {
      send_one_by_one(b.out[sent].msg_hdr, errno);
      ++sent;
      continue;
    }
    for (int i = 0; i < result; ++i) {
      counters_.bytes_out.add(b.out[sent + static_cast<std::size_t>(i)].msg_len);
    }
    sent += static_cast<std::size_t>(result);
  }
}

/// For a message that was refused as it is. What is refused again (a full buffer, a peer out of
/// reach) is lost, as UDP may.
void UdpService::send_one_by_one(const msghdr& message, int error) {
  const bool device_cannot = error == EIO || error == EINVAL || error == EOPNOTSUPP;
  if (message.msg_iovlen == 1) {
    counters_.errors.add(1);
    return;
  }
  if (device_cannot) segments_ = false;
  msghdr one = message;
  one.msg_iovlen = 1;
  one.msg_controllen -= CMSG_SPACE(sizeof(std::uint16_t));
  for (std::size_t i = 0; i < message.msg_iovlen; ++i) {
    one.msg_iov = message.msg_iov + i;
    const ssize_t count = ::sendmsg(socket_.fd.get(), &one, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0) {
      counters_.errors.add(1);
    } else {
      counters_.bytes_out.add(static_cast<std::uint64_t>(count));
    }
  }
}

}  // namespace netd
