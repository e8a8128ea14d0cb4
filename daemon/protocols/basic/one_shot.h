#pragma once

#include <string>
#include <utility>

#include "daemon/net/connection.h"
#include "daemon/net/session.h"

namespace netd::basic {

/// Says one thing and closes. What the peer sends is read and dropped by the connection's graceful
/// close, so that no reset overtakes the answer.
class OneShotSession final : public Session {
 public:
  OneShotSession(Connection& connection, std::string message)
      : Session(connection), message_(std::move(message)) {}

  void on_open() override {
    connection().write(message_);
    connection().close();
  }
  std::size_t on_data(std::string_view input) override { return input.size(); }

 private:
  std::string message_;
};

}  // namespace netd::basic
