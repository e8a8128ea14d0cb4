#include <algorithm>
#include <array>
#include <optional>

#include "daemon/base/text.h"
#include "daemon/net/connection.h"
#include "daemon/protocols/basic/basic.h"
#include "daemon/protocols/basic/one_shot.h"

namespace netd {

namespace {

class Greet final : public StreamProtocol {
 public:
  explicit Greet(std::string message) : message_(std::move(message)) {}
  std::unique_ptr<Session> open(Connection& connection) override {
    return std::make_unique<basic::OneShotSession>(connection, message_);
  }

 private:
  std::string message_;
};

/// The character that `text`, which starts behind a backslash, stands for; `text` is advanced.
std::optional<char> take_escape(std::string_view& text) {
  if (text.empty()) return std::nullopt;
  const char kind = text.front();
  text.remove_prefix(1);
  switch (kind) {
    case 'r':
      return '\r';
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case '\\':
      return '\\';
    case 'x':
      break;
    default:
      return std::nullopt;
  }
  if (text.size() < 2) return std::nullopt;
  const int high = hex_value(text[0]);
  const int low = hex_value(text[1]);
  if (high < 0 || low < 0) return std::nullopt;
  text.remove_prefix(2);
  return static_cast<char>(high << 4 | low);
}

Result<void> check_message(std::string_view value) {
  auto message = basic::unescape(value);
  if (!message) return std::unexpected(message.error());
  return {};
}

constexpr std::array<config::SettingRow, 1> kRows = {{
    {.key = "message",
     .kind = config::ValueKind::text,
     .default_value = "Hola Mundo\\r\\n",
     .help = "what is said; \\r \\n \\t \\\\ and \\xHH stand for what cannot be written",
     .check = check_message},
}};

Result<std::unique_ptr<StreamProtocol>> make_greet_stream(const ProtocolContext& context) {
  auto message = basic::unescape(context.listener.own.text("message"));
  if (!message) return std::unexpected(message.error().within("message"));
  return std::make_unique<Greet>(std::move(*message));
}

}  // namespace

Result<std::string> basic::unescape(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t plain = std::min(text.find('\\'), text.size());
    result += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    text.remove_prefix(1);
    const auto character = take_escape(text);
    if (!character) return fail("expected \\r, \\n, \\t, \\\\ or \\xHH behind each backslash");
    result += *character;
  }
  return result;
}

const Protocol kGreetProtocol = {
    .name = "greet",
    .summary = "says one message and closes",
    .rows = kRows,
    .check = nullptr,
    .make_shared_state = nullptr,
    .make_stream = make_greet_stream,
    .make_datagram = nullptr,
};

}  // namespace netd
