#include "daemon/net/connection.h"
#include "daemon/protocols/basic/basic.h"

namespace netd {

namespace {

constexpr char kFirstPrintable = ' ';
constexpr std::size_t kPrintable = 95;
constexpr std::size_t kLineLength = 72;

std::string make_pattern() {
  std::string pattern;
  pattern.reserve(kPrintable * (kLineLength + 2));
  for (std::size_t line = 0; line < kPrintable; ++line) {
    for (std::size_t column = 0; column < kLineLength; ++column) {
      const std::size_t offset = (line + column) % kPrintable;
      pattern += static_cast<char>(kFirstPrintable + static_cast<char>(offset));
    }
    pattern += "\r\n";
  }
  return pattern;
}

class ChargenSession final : public Session {
 public:
  explicit ChargenSession(Connection& connection) : Session(connection) {}

  void on_open() override {
    connection().set_full_duplex();
    produce();
  }
  void on_drained() override { produce(); }
  std::size_t on_data(std::string_view input) override { return input.size(); }

 private:
  // write() and not write_through(): the backlog then ends the loop however fast the peer reads,
  // and the other connections get their turn.
  void produce() {
    while (connection().is_open() && !connection().backlogged()) {
      connection().write(basic::chargen_pattern());
    }
  }
};

class Chargen final : public StreamProtocol {
 public:
  std::unique_ptr<Session> open(Connection& connection) override {
    return std::make_unique<ChargenSession>(connection);
  }
};

Result<std::unique_ptr<StreamProtocol>> make_chargen_stream(const ProtocolContext&) {
  return std::make_unique<Chargen>();
}

}  // namespace

const std::string& basic::chargen_pattern() {
  static const std::string pattern = make_pattern();
  return pattern;
}

const Protocol kChargenProtocol = {
    .name = "chargen",
    .summary = "sends lines of printable characters until the peer closes (RFC 864)",
    .rows = {},
    .check = nullptr,
    .make_shared_state = nullptr,
    .make_stream = make_chargen_stream,
    .make_datagram = nullptr,
};

}  // namespace netd
