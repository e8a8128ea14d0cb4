#include "daemon/protocols/http/body.h"

#include <algorithm>

#include "daemon/base/text.h"
#include "daemon/protocols/http/grammar.h"

namespace netd::http {

namespace {

constexpr std::size_t kMaxSizeDigits = 16;

std::size_t skip_ows(std::string_view text, std::size_t at) {
  while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) ++at;
  return at;
}

/// The end of a token or a quoted string that begins at `at`; `at` itself when there is none.
std::size_t skip_extension_value(std::string_view text, std::size_t at) {
  if (at == text.size() || text[at] != '"') {
    while (at < text.size() && is_char(text[at], kToken)) ++at;
    return at;
  }
  for (std::size_t i = at + 1; i < text.size(); ++i) {
    if (text[i] == '"') return i + 1;
    if (text[i] == '\\') {
      ++i;
      if (i == text.size() || !is_char(text[i], kFieldText)) return at;
    } else if (!is_char(text[i], kQuotedText)) {
      return at;
    }
  }
  return at;
}

// *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] ), RFC 9112, section 7.1.1.
bool are_extensions(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    at = skip_ows(text, at);
    if (at == text.size() || text[at] != ';') return false;
    const std::size_t name = skip_ows(text, at + 1);
    at = name;
    while (at < text.size() && is_char(text[at], kToken)) ++at;
    if (at == name) return false;
    const std::size_t equals = skip_ows(text, at);
    if (equals == text.size() || text[equals] != '=') continue;
    const std::size_t value = skip_ows(text, equals + 1);
    at = skip_extension_value(text, value);
    if (at == value) return false;
  }
  return true;
}

bool is_field_line(std::string_view line) {
  const std::size_t colon = line.find(':');
  return colon != std::string_view::npos && is_all(line.substr(0, colon), kToken);
}

}  // namespace

BodyDecoder::BodyDecoder(const Framing& framing, std::uint64_t max_size)
    : max_size_(max_size), left_(framing.content_length) {
  part_ = framing.chunked ? Part::chunk_size : left_ > 0 ? Part::content : Part::done;
}

BodyDecoder::Step BodyDecoder::refuse(int status, std::string_view reason) {
  status_ = static_cast<std::uint16_t>(status);
  reason_ = reason;
  return {.state = State::refused};
}

BodyDecoder::Step BodyDecoder::step(std::string_view input) {
  if (status_ != 0) return {.state = State::refused};
  switch (part_) {
    case Part::content:
    case Part::chunk_data:
      return take_data(input);
    case Part::chunk_size:
      return take_chunk_size(input);
    case Part::chunk_end:
      return take_chunk_end(input);
    case Part::trailer:
      return take_trailer(input);
    case Part::done:
      break;
  }
  return {.state = State::complete};
}

BodyDecoder::Progress BodyDecoder::discard(std::string_view input) {
  Progress progress;
  for (;;) {
    const Step next = step(input.substr(progress.consumed));
    progress.consumed += next.consumed;
    progress.state = next.state;
    if (next.state != State::incomplete || next.consumed == 0) return progress;
  }
}

BodyDecoder::Step BodyDecoder::take_data(std::string_view input) {
  if (left_ > max_size_ - size_) return refuse(413, "the body is too large");
  const std::size_t taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
  left_ -= taken;
  size_ += taken;
  Step step{.consumed = taken, .content = input.substr(0, taken)};
  if (left_ == 0) {
    if (part_ == Part::content) {
      part_ = Part::done;
      step.state = State::complete;
    } else {
      part_ = Part::chunk_end;
    }
  }
  return step;
}

bool BodyDecoder::take_line(std::string_view input, std::size_t limit, int too_long,
                            std::string_view& line) {
  line = {};
  const std::string_view window = input.substr(0, std::min(input.size(), limit));
  std::size_t stop = 0;
  while (stop < window.size() && is_char(window[stop], kFieldText)) ++stop;
  if (stop + 1 >= window.size() && (stop == window.size() || window[stop] == '\r')) {
    if (input.size() < limit) return true;
    refuse(too_long, "a line of the body's framing is too long");
    return false;
  }
  if (window[stop] != '\r' || window[stop + 1] != '\n') {
    refuse(400, "a line of the body's framing does not end in CRLF");
    return false;
  }
  line = window.substr(0, stop);
  return true;
}

BodyDecoder::Step BodyDecoder::take_chunk_size(std::string_view input) {
  std::string_view line;
  if (!take_line(input, kMaxChunkLine, 400, line)) return {.state = State::refused};
  if (line.data() == nullptr) return {};
  std::size_t digits = 0;
  std::uint64_t size = 0;
  while (digits < line.size() && is_char(line[digits], kHexDigit)) {
    if (digits == kMaxSizeDigits) return refuse(400, "the chunk size is too long");
    size = size << 4U | static_cast<std::uint64_t>(hex_value(line[digits++]));
  }
  const std::string_view extensions = line.substr(digits);
  if (digits == 0) return refuse(400, "malformed chunk size");
  if (!are_extensions(extensions)) return refuse(400, "malformed chunk extension");
  overhead_ += static_cast<std::uint32_t>(extensions.size());
  if (overhead_ > kMaxExtensions) return refuse(400, "too many chunk extensions");
  if (size > max_size_ - size_) return refuse(413, "the body is too large");
  left_ = size;
  part_ = size > 0 ? Part::chunk_data : Part::trailer;
  if (size == 0) overhead_ = 0;
  return {.consumed = line.size() + 2};
}

BodyDecoder::Step BodyDecoder::take_chunk_end(std::string_view input) {
  if (input.empty()) return {};
  if (input[0] != '\r' || (input.size() > 1 && input[1] != '\n')) {
    return refuse(400, "the chunk's data is longer than its size");
  }
  if (input.size() < 2) return {};
  part_ = Part::chunk_size;
  return {.consumed = 2};
}

BodyDecoder::Step BodyDecoder::take_trailer(std::string_view input) {
  std::string_view line;
  if (!take_line(input, kMaxTrailer - overhead_, 431, line)) return {.state = State::refused};
  if (line.data() == nullptr) return {};
  if (line.empty()) {
    part_ = Part::done;
    return {.state = State::complete, .consumed = 2};
  }
  if (!is_field_line(line)) return refuse(400, "malformed trailer field");
  overhead_ += static_cast<std::uint32_t>(line.size() + 2);
  return {.consumed = line.size() + 2, .trailer = line};
}

}  // namespace netd::http
