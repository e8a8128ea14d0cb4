// What a handler answers, and how an answer's head is written.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/net/stream.h"
#include "daemon/protocols/http/date.h"

namespace netd::http {

/// "Not Found" for 404; empty for what netd never sends.
[[nodiscard]] std::string_view reason_phrase(int status);

/// Bytes in memory, or a part of a file.
struct BodyPart {
  std::string_view bytes = {};  ///< must stay where they are until the response is sent
  SharedFile file = {};         ///< instead of bytes
  std::uint64_t offset = 0;     ///< into the file
  std::uint64_t length = 0;     ///< of the file's part
};

/// One a worker, used again for every request, so that nothing is allocated for an answer of the
/// usual size.
struct Response {
  int status = 200;
  std::string fields;         ///< header fields, each with its CRLF; Date, Server,
                              ///< Content-Length and Connection are the session's
  std::string_view prepared;  ///< more of them, prepared earlier
  std::vector<BodyPart> body;
  std::string text;               ///< a place for bytes that `body` refers to
  std::uint64_t body_length = 0;  ///< of what a GET would get, also where HEAD gets nothing
  bool close = false;             ///< the connection ends with this answer

  void clear();
  void field(std::string_view name, std::string_view value);
  void add_bytes(std::string_view bytes);
  void add_file(SharedFile file, std::uint64_t offset, std::uint64_t length);
  /// A body of one piece, made in `text`.
  void set_text(std::string_view content_type, std::string content);
};

/// Writes heads of answers. One a worker: the date is formatted once a second.
class HeadWriter {
 public:
  /// `server`: the value of the Server field; empty: none. `common`: fields that every answer has,
  /// each with its CRLF.
  HeadWriter(std::string_view server, std::string_view common);

  /// How the answer and the connection go together.
  struct Context {
    bool keep_alive = true;
    bool http_1_0 = false;  ///< an HTTP/1.0 client must be told that the connection stays
  };
  /// The head with its empty line; valid until the next call. `now` is seconds since 1970.
  [[nodiscard]] std::string_view write(const Response& response, Context context, std::int64_t now);

  /// Parts of it, for heads that are written elsewhere; the date is valid until the next call.
  [[nodiscard]] std::string_view common_fields() const {
    return std::string_view(fixed_).substr(server_size_);
  }
  [[nodiscard]] std::string_view date_field(std::int64_t now) {
    refresh_date(now);
    return date_;
  }

 private:
  void refresh_date(std::int64_t now);

  std::string head_;
  std::string fixed_;            // the Server field and the common ones
  std::size_t server_size_ = 0;  // of the Server field in fixed_
  std::string date_;             // the Date field
  std::int64_t date_of_ = -1;    // the second that date_ was formatted for
};

}  // namespace netd::http
