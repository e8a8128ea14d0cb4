// The text of one message, from the wire to the store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/protocols/smtp/courier.h"
#include "daemon/protocols/smtp/data_stream.h"
#include "daemon/protocols/smtp/delivery.h"
#include "daemon/protocols/smtp/reply.h"

namespace netd::smtp {

/// Reads a message, judges it, and passes it on to the store in chunks: two chunks is all that it
/// ever holds. Once it is refused the rest is read and dropped, because the client hears of it only
/// at the end. Lives in a worker's thread; destroyed before its end, it leaves nothing on disk.
class IncomingMessage {
 public:
  static constexpr std::size_t kChunk = std::size_t{64} << 10;
  /// More than this many Received fields are a loop (RFC 5321, section 6.3).
  static constexpr unsigned kMaxReceived = 50;

  struct Limits {
    std::uint64_t size = 0;          ///< octets of the message as it came
    std::size_t line = 0;            ///< octets of a line without its end
    bool normalise_newline = false;  ///< else a CR or LF that stands alone is refused
  };

  /// `client` hears of deliveries that return, passes them to returned(), and must outlive the
  /// message.
  IncomingMessage(Framing framing, const Limits& limits, std::shared_ptr<Courier> courier,
                  DeliveryClient& client, std::vector<std::string> mailboxes,
                  std::string file_name);
  ~IncomingMessage();
  IncomingMessage(const IncomingMessage&) = delete;
  IncomingMessage& operator=(const IncomingMessage&) = delete;

  /// What goes in front of the message. Before the first read().
  [[nodiscard]] std::string& front() { return fill_; }

  /// Reads as much of `input` as it can. With nothing consumed, and on blocked(), the store has to
  /// return a chunk first.
  DataStream::Step read(std::string_view input);
  [[nodiscard]] bool blocked() const;

  /// Refuses the message, unless it is refused already.
  void refuse(const Reply& reason);
  [[nodiscard]] bool refused() const { return refused_.has_value(); }
  /// Whether `more` octets would be too many.
  [[nodiscard]] bool has_room_for(std::uint64_t more) const;

  /// All of the text was read.
  void complete();
  /// What came back from the store.
  void returned(std::unique_ptr<Delivery> delivery);
  /// The answer, once there is one: not before complete(), unless it is refused.
  [[nodiscard]] std::optional<Reply> verdict() const;

  [[nodiscard]] std::uint64_t size() const { return stream_.size(); }

 private:
  void judge();
  bool flush();
  void commit();
  void send(bool last);
  void let_go();

  const Limits limits_;
  const std::shared_ptr<Courier> courier_;  // shared by the messages of one worker
  DeliveryClient& client_;
  DataStream stream_;
  std::string fill_;
  std::unique_ptr<Delivery> delivery_;  // null while it is with the store
  Delivery* away_ = nullptr;            // it, then
  std::optional<Reply> refused_;
  bool complete_ = false;
  bool committing_ = false;
  bool stored_ = false;
};

}  // namespace netd::smtp
