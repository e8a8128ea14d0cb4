// Any octets after DATA: every division into packets and chunks gives the same message, and the end
// is where a search for CRLF.CRLF in the whole finds it.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <tuple>

#include "daemon/protocols/smtp/data_stream.h"

using netd::smtp::DataStream;
using netd::smtp::Framing;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

struct Outcome {
  std::string text;
  std::size_t consumed = 0;
  bool ended = false;
  std::tuple<bool, bool, std::uint64_t, std::uint64_t, unsigned> notes;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome run(std::string_view input, Framing framing, bool normalise, std::size_t piece,
            std::size_t limit) {
  DataStream stream(framing, normalise);
  Outcome outcome;
  std::string out;
  while (!input.empty() && !outcome.ended) {
    const DataStream::Step step = stream.feed(input.substr(0, piece), out, limit);
    require(step.consumed <= piece && out.size() <= limit + 3);
    require(step.consumed > 0 || out.size() >= limit);
    input.remove_prefix(step.consumed);
    outcome.consumed += step.consumed;
    outcome.ended = step.ended;
    if (out.size() < limit) continue;
    outcome.text += out;
    out.clear();
  }
  if (framing == Framing::counted) stream.finish(out);
  outcome.text += out;
  outcome.notes = {stream.has_bare_cr(), stream.has_bare_lf(), stream.size(), stream.longest_line(),
                   stream.received_fields()};
  require(stream.size() == outcome.text.size());
  return outcome;
}

/// RFC 5321, section 4.5.2, on the whole message at once.
std::string unstuffed(std::string_view lines) {
  std::string text;
  while (!lines.empty()) {
    const std::size_t end = lines.find("\r\n");
    std::string_view line = lines.substr(0, end == std::string_view::npos ? end : end + 2);
    lines.remove_prefix(line.size());
    if (line.starts_with('.')) line.remove_prefix(1);
    text += line;
  }
  return text;
}

void check(std::string_view input, Framing framing, bool normalise) {
  const Outcome whole = run(input, framing, normalise, std::string_view::npos, 1 << 20);
  for (const std::size_t piece : {1U, 2U, 3U, 7U}) {
    for (const std::size_t limit : {1U, 2U, 5U, 4096U}) {
      require(run(input, framing, normalise, piece, limit) == whole);
    }
  }
  if (framing == Framing::counted) {
    if (!normalise) require(whole.text == input);
    return;
  }
  const std::string framed = "\r\n" + std::string(input);
  const std::size_t end = framed.find("\r\n.\r\n");
  require(whole.ended == (end != std::string::npos));
  if (!whole.ended) return;
  require(whole.consumed == end + 3);
  if (!normalise) require(whole.text == unstuffed(input.substr(0, end)));
  DataStream dropping(Framing::dot);
  require(dropping.skip(input).consumed == whole.consumed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  for (const Framing framing : {Framing::dot, Framing::counted}) {
    check(input, framing, false);
    check(input, framing, true);
  }
  return 0;
}
