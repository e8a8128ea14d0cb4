// Finds the end of a request's body (RFC 9112, sections 6 and 7) and hands out what it holds.
#pragma once

#include <cstdint>
#include <string_view>

#include "daemon/protocols/http/framing.h"

namespace netd::http {

/// Reads a body that comes in any pieces. The chunked coding is read strictly: CRLF only,
/// extensions and trailers by the grammar, all of it bounded.
///
/// The result depends on the bytes alone and never on how they were cut into reads.
class BodyDecoder {
 public:
  enum class State : std::uint8_t { incomplete, complete, refused };

  BodyDecoder() = default;
  BodyDecoder(const Framing& framing, std::uint64_t max_size);

  /// Takes one step: consumes `consumed` bytes of `input`, of which `content` are the body's own.
  /// Call again with the rest until it is not `incomplete` or consumes nothing.
  struct Step {
    State state = State::incomplete;
    std::size_t consumed = 0;
    std::string_view content = {};
    std::string_view trailer = {};  ///< a trailer field's line without its CRLF
  };
  [[nodiscard]] Step step(std::string_view input);

  /// Steps through `input` as far as it goes, dropping content and trailers.
  struct Progress {
    State state = State::incomplete;
    std::size_t consumed = 0;
  };
  [[nodiscard]] Progress discard(std::string_view input);

  /// After refused: 400, 413 or 431, and why.
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] std::string_view reason() const { return reason_; }
  /// Content bytes so far.
  [[nodiscard]] std::uint64_t size() const { return size_; }

 private:
  enum class Part : std::uint8_t {
    content,     // by Content-Length
    chunk_size,  // the line with the size and the extensions
    chunk_data,
    chunk_end,  // the CRLF after the data
    trailer,
    done,
  };
  static constexpr std::size_t kMaxChunkLine = 1024;
  static constexpr std::uint32_t kMaxExtensions = 16384;  // over all chunks of a message
  static constexpr std::uint32_t kMaxTrailer = 8192;

  Step refuse(int status, std::string_view reason);
  Step take_data(std::string_view input);
  Step take_chunk_size(std::string_view input);
  Step take_chunk_end(std::string_view input);
  Step take_trailer(std::string_view input);
  /// The line at the front of `input` without its CRLF. What is no CRLF line refuses; a line that
  /// has not ended gives a `line` without data().
  bool take_line(std::string_view input, std::size_t limit, int too_long, std::string_view& line);

  std::uint64_t max_size_ = 0;
  std::uint64_t left_ = 0;  // of the content, or of this chunk
  std::uint64_t size_ = 0;
  std::uint32_t overhead_ = 0;  // extensions, then trailers: bounded
  Part part_ = Part::done;
  std::uint16_t status_ = 0;
  std::string_view reason_;
};

}  // namespace netd::http
