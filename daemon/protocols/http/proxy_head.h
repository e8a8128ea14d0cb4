// The heads of messages that are passed on: what goes along and what stays here (RFC 9110, section
// 7.6), and what is told about the client (RFC 7239).
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "daemon/net/socket_address.h"
#include "daemon/protocols/http/framing.h"
#include "daemon/protocols/http/request.h"
#include "daemon/protocols/http/response_parser.h"
#include "daemon/protocols/http/target.h"

namespace netd::http {

/// The options of a message's Connection fields.
class ConnectionOptions {
 public:
  explicit ConnectionOptions(const FieldTable& fields);

  /// There are more than a proxy could honour at a bounded price: refuse the message.
  [[nodiscard]] bool too_many() const { return too_many_; }
  [[nodiscard]] bool upgrade() const { return upgrade_; }
  [[nodiscard]] bool names_any() const { return count_ > 0; }
  /// Whether the sender says that a field is for this connection only.
  [[nodiscard]] bool names(std::string_view field) const;

 private:
  static constexpr std::size_t kMaxNamed = 16;

  std::array<std::string_view, kMaxNamed> named_;
  std::size_t count_ = 0;
  bool upgrade_ = false;
  bool too_many_ = false;
};

/// Whether the client asks to change the protocol to one that is passed through. Not to HTTP/2: its
/// messages would go by unseen.
[[nodiscard]] bool asks_for_upgrade(const Request& request, const Framing& framing);

/// The protocols that the Upgrade fields of a message name, as one list.
[[nodiscard]] std::string protocols_of(const FieldTable& fields);
/// Whether `chosen` names a protocol and none that is not in `asked`; both as protocols_of() gives
/// them. Nothing else may be switched to (RFC 9110, section 7.8).
[[nodiscard]] bool are_among(std::string_view chosen, std::string_view asked);

/// Whether the client takes trailer fields (RFC 9110, section 10.1.4).
[[nodiscard]] bool takes_trailers(const Request& request);

/// Whether a trailer field may go on to a client that takes them: none that frames or routes a
/// message, or says how to read it, for who merges trailers into the head would believe it (RFC
/// 9110, section 6.5.1).
[[nodiscard]] bool is_passed_trailer(std::string_view name);

struct ForwardedRequest {
  const Request& request;
  const Target& target;
  const Framing& framing;
  const ConnectionOptions& options;
  const SocketAddress& client;
  std::string_view default_host;  ///< for an HTTP/1.0 client that names none
  bool upgrade = false;           ///< asks_for_upgrade()
  bool trailers = false;          ///< takes_trailers()
};
/// Appends the head for the instance. Framing is said anew, never copied.
void write_forwarded_request(std::string& out, const ForwardedRequest& forwarded);

struct ForwardedAnswer {
  const ResponseHead& head;
  const ConnectionOptions& options;
  std::string_view common;  ///< fields of our own, each with its CRLF
  std::string_view date;    ///< a Date field, for answers without
  bool has_length = false;  ///< Content-Length is said
  std::uint64_t length = 0;
  bool chunked = false;   ///< Transfer-Encoding is said
  bool upgrade = false;   ///< 101: Connection and Upgrade go along
  bool trailers = false;  ///< they go along, and what the instance says of them
  bool keep_alive = true;
  bool http_1_0 = false;  ///< what the client speaks
};
/// Appends the head for the client.
void write_forwarded_answer(std::string& out, const ForwardedAnswer& answer);
/// The same for an interim one (100, 103).
void write_interim_answer(std::string& out, const ResponseHead& head,
                          const ConnectionOptions& options);

}  // namespace netd::http
