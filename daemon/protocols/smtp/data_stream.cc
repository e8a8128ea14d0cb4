#include "daemon/protocols/smtp/data_stream.h"

#include <algorithm>
#include <cstring>

#include "daemon/base/text.h"

namespace netd::smtp {

namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kReceived = "received:";
constexpr std::uint8_t kNoMatch = 0xFF;

/// How much of `text` has neither CR nor LF.
std::size_t plain_length(std::string_view text) {
  const void* lf = std::memchr(text.data(), '\n', text.size());
  const std::size_t length =
      lf == nullptr ? text.size()
                    : static_cast<std::size_t>(static_cast<const char*>(lf) - text.data());
  const void* cr = std::memchr(text.data(), '\r', length);
  return cr == nullptr ? length
                       : static_cast<std::size_t>(static_cast<const char*>(cr) - text.data());
}

}  // namespace

DataStream::Step DataStream::feed(std::string_view input, std::string& out, std::size_t limit) {
  Step result;
  if (!dropping_) out.reserve(std::min(limit, out.size() + input.size()));
  while (!input.empty() && !ended_ && out.size() < limit) {
    const std::string_view room = input.substr(0, limit - out.size());
    std::size_t consumed = at_ == At::line_start && !in_header_ ? take_lines(room, out) : 0;
    if (consumed == 0) consumed = step(room, out);
    input.remove_prefix(consumed);
    result.consumed += consumed;
  }
  result.ended = ended_;
  return result;
}

DataStream::Step DataStream::skip(std::string_view input) {
  dropping_ = true;
  std::string nothing;
  return feed(input, nothing, std::string_view::npos);
}

void DataStream::finish(std::string& out) {
  if (at_ == At::cr) take_bare('\r', out);
}

/// At the start of a line: takes the whole lines that ask for nothing but to be copied, all at
/// once, because they are nearly all of a message. Consumes none when the first is not such a line.
std::size_t DataStream::take_lines(std::string_view input, std::string& out) {
  std::string_view rest = input;
  while (!rest.empty() && !(rest.front() == '.' && framing_ == Framing::dot)) {
    const std::size_t length = plain_length(rest);
    if (!rest.substr(length).starts_with(kLineEnd)) break;
    longest_line_ = std::max<std::uint64_t>(longest_line_, length);
    rest.remove_prefix(length + kLineEnd.size());
  }
  const std::size_t consumed = input.size() - rest.size();
  emit(input.substr(0, consumed), out);
  return consumed;
}

/// Consumes at least one octet of `input`, which is not empty.
std::size_t DataStream::step(std::string_view input, std::string& out) {
  const char c = input.front();
  switch (at_) {
    case At::line_start:
      if (c == '.' && framing_ == Framing::dot) {
        at_ = At::dot;
        return 1;
      }
      break;
    case At::dot:
      if (c == '\r') {
        at_ = At::dot_cr;
        return 1;
      }
      break;  // text follows: the dot was there for transparency
    case At::dot_cr:
      if (c == '\n') {
        ended_ = true;
        return 1;
      }
      take_bare('\r', out);
      break;
    case At::cr:
      if (c == '\n') {
        take_line_end(out);
        return 1;
      }
      take_bare('\r', out);
      break;
    case At::text:
      break;
  }
  if (c == '\r') {
    at_ = At::cr;
    return 1;
  }
  if (c == '\n') {
    take_bare('\n', out);
    return 1;
  }
  const std::size_t length = plain_length(input);
  take_text(input.substr(0, length), out);
  return length;
}

void DataStream::take_text(std::string_view text, std::string& out) {
  if (in_header_) watch_header(text);
  line_ += text.size();
  at_ = At::text;
  emit(text, out);
}

void DataStream::take_line_end(std::string& out) {
  if (in_header_) {
    if (line_ == 0) in_header_ = false;
    name_matched_ = 0;
  }
  longest_line_ = std::max(longest_line_, line_);
  line_ = 0;
  at_ = At::line_start;
  emit(kLineEnd, out);
}

void DataStream::take_bare(char c, std::string& out) {
  (c == '\r' ? bare_cr_ : bare_lf_) = true;
  if (normalise_) {
    take_line_end(out);
    at_ = At::text;  // a dot behind it is text: for the wire this is no new line
    return;
  }
  take_text(std::string_view(&c, 1), out);
}

void DataStream::watch_header(std::string_view text) {
  for (const char c : text) {
    if (name_matched_ == kNoMatch) return;
    // The obsolete syntax has blanks before the colon (RFC 5322, section 4.5).
    if ((c == ' ' || c == '\t') && name_matched_ + 1U == kReceived.size()) continue;
    if (ascii_lower(c) != kReceived[name_matched_]) {
      name_matched_ = kNoMatch;
    } else if (++name_matched_ == kReceived.size()) {
      ++received_fields_;
      name_matched_ = kNoMatch;
    }
  }
}

void DataStream::emit(std::string_view octets, std::string& out) {
  size_ += octets.size();
  if (!dropping_) out.append(octets);
}

}  // namespace netd::smtp
