#include "daemon/net/connection.h"
#include "daemon/protocols/basic/basic.h"

namespace netd {

namespace {

class DiscardSession final : public Session {
 public:
  explicit DiscardSession(Connection& connection) : Session(connection) {}
  std::size_t on_data(std::string_view input) override { return input.size(); }
};

class Discard final : public StreamProtocol {
 public:
  std::unique_ptr<Session> open(Connection& connection) override {
    return std::make_unique<DiscardSession>(connection);
  }
};

class DatagramDiscard final : public DatagramProtocol {
 public:
  std::ptrdiff_t answer(std::string_view, std::span<char>) override { return kNoAnswer; }
};

Result<std::unique_ptr<StreamProtocol>> make_discard_stream(const ProtocolContext&) {
  return std::make_unique<Discard>();
}

Result<std::unique_ptr<DatagramProtocol>> make_datagram(const ProtocolContext&) {
  return std::make_unique<DatagramDiscard>();
}

}  // namespace

const Protocol kDiscardProtocol = {
    .name = "discard",
    .summary = "reads everything and says nothing (RFC 863)",
    .rows = {},
    .check = nullptr,
    .make_shared_state = nullptr,
    .make_stream = make_discard_stream,
    .make_datagram = make_datagram,
};

}  // namespace netd
