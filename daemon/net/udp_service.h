// A UDP socket whose datagrams are answered one by one, many to a system call.
#pragma once

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <bitset>
#include <cstdint>
#include <memory>
#include <vector>

#include "daemon/base/endpoint.h"
#include "daemon/base/error.h"
#include "daemon/base/unique_fd.h"
#include "daemon/event/read_watch.h"
#include "daemon/net/counters.h"
#include "daemon/net/session.h"
#include "daemon/net/socket.h"
#include "daemon/net/socket_address.h"

namespace netd {

class Dispatcher;

/// The ports that netd itself serves, for all workers: no datagram from one of them is answered.
/// Two services that answer each other would never stop (RFC 862 has no way to tell an answer from
/// a question).
class ServedPorts {
 public:
  void add(std::uint16_t port) { counts_[port].fetch_add(1, std::memory_order_relaxed); }
  void remove(std::uint16_t port) { counts_[port].fetch_sub(1, std::memory_order_relaxed); }
  [[nodiscard]] bool contains(std::uint16_t port) const {
    return counts_[port].load(std::memory_order_relaxed) != 0;
  }

 private:
  std::array<std::atomic<std::uint16_t>, 65536> counts_{};
};

/// Counts a port as served while it lives.
class ServedPort {
 public:
  /// `ports` must outlive it.
  ServedPort(ServedPorts& ports, std::uint16_t port) : ports_(ports), port_(port) {
    ports_.add(port_);
  }
  ~ServedPort() { ports_.remove(port_); }
  ServedPort(const ServedPort&) = delete;
  ServedPort& operator=(const ServedPort&) = delete;

 private:
  ServedPorts& ports_;
  std::uint16_t port_;
};

/// Whose datagrams a service answers.
class DatagramPolicy {
 public:
  virtual ~DatagramPolicy() = default;
  [[nodiscard]] virtual bool allows(const SocketAddress& peer) const = 0;
  [[nodiscard]] virtual DatagramProtocol* protocol() const = 0;
};

/// Lives in its worker's thread. Answers no datagram from a port below 1024 (where other services
/// live) or one that netd serves, and none with more than twice the bytes that came, headers
/// counted, so that it is of no use for reflection attacks.
class UdpService {
 public:
  /// All references must outlive the service.
  [[nodiscard]] static Result<std::unique_ptr<UdpService>> create(Dispatcher& dispatcher,
                                                                  BoundSocket socket,
                                                                  DatagramPolicy& policy,
                                                                  TrafficCounters& counters,
                                                                  ServedPorts& ports);
  ~UdpService();
  UdpService(const UdpService&) = delete;
  UdpService& operator=(const UdpService&) = delete;

  /// The socket, still open; the service is of no use after this.
  [[nodiscard]] BoundSocket release_socket();

 private:
  /// The largest payload of a datagram over IPv4 is 65,507 bytes, over IPv6 65,527.
  static constexpr std::size_t kMaxDatagram = 65536;
  static constexpr std::size_t kBatch = 32;
  struct Buffers;

  UdpService(BoundSocket socket, DatagramPolicy& policy, TrafficCounters& counters,
             ServedPorts& ports);
  void on_readable();
  [[nodiscard]] std::size_t receive_batch();
  /// Returns how many messages are ready to be sent.
  [[nodiscard]] std::size_t answer_batch(std::size_t received);
  /// Takes the answer into the message before it when one call can carry both. Returns how many
  /// messages there are then.
  std::size_t add_answer(std::size_t messages, std::size_t answer, const msghdr& question);
  void ask_for_segmentation(std::size_t index);
  [[nodiscard]] bool may_answer(const SocketAddress& peer) const;
  void send_messages(std::size_t count);
  void send_one_by_one(const msghdr& message, int error);

  BoundSocket socket_;
  DatagramPolicy& policy_;
  TrafficCounters& counters_;
  ServedPorts& ports_;
  std::unique_ptr<Buffers> buffers_;
  bool segments_ = true;              // until the kernel refuses
  std::unique_ptr<ReadWatch> watch_;  // depends on: socket_
};

}  // namespace netd
