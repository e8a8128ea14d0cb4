#include "daemon/net/udp_service.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
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
// Batches that one readiness takes before others get their turn.
constexpr int kBatchesPerTurn = 8;

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

  std::array<mmsghdr, kBatch> in{};
  std::array<mmsghdr, kBatch> out{};
  std::array<iovec, kBatch> in_vector{};
  std::array<iovec, kBatch> out_vector{};
  std::array<sockaddr_storage, kBatch> peers{};
  std::array<Control, kBatch> controls{};
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
    send_answers(answer_batch(received));
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
  std::size_t ready = 0;
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
    char* const buffer = b.answers.get() + ready * Buffers::kStride;
    const std::ptrdiff_t size =
        protocol->answer({b.received.get() + i * Buffers::kStride, length},
                         {buffer, answer_bound(peer, length, kMaxDatagram)});
    if (size < 0) continue;
    b.out_vector[ready] = {buffer, static_cast<std::size_t>(size)};
    b.out[ready] = {};
    msghdr& answer = b.out[ready].msg_hdr;
    answer.msg_name = &b.peers[i];
    answer.msg_namelen = question.msg_namelen;
    answer.msg_iov = &b.out_vector[ready];
    answer.msg_iovlen = 1;
    // What says where the question arrived also says where the answer is to leave from.
    answer.msg_control = question.msg_controllen > 0 ? question.msg_control : nullptr;
    answer.msg_controllen = question.msg_controllen;
    ++ready;
  }
  return ready;
}

void UdpService::send_answers(std::size_t count) {
  Buffers& b = *buffers_;
  std::size_t sent = 0;
  while (sent < count) {
    const int result = ::sendmmsg(socket_.fd.get(), b.out.data() + sent,
                                  static_cast<unsigned>(count - sent), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (result < 0) {
      // The first of them cannot be sent: a full buffer or a peer out of reach. UDP may lose it.
      counters_.errors.add(1);
      ++sent;
      continue;
    }
    for (int i = 0; i < result; ++i) {
      counters_.bytes_out.add(b.out[sent + static_cast<std::size_t>(i)].msg_len);
    }
    sent += static_cast<std::size_t>(result);
  }
}

}  // namespace netd
