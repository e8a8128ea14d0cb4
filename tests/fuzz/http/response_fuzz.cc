// What an instance of a service answers, through everything that reads it. What is found must be
// the same however the bytes were cut into reads, and what is passed on must be read by everybody
// as it was read here.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/protocols/http/body.h"
#include "daemon/protocols/http/proxy_head.h"
#include "daemon/protocols/http/response_parser.h"
#include "tests/fuzz/http/pieces.h"

namespace netd::http {
namespace {

/// Reads answers one after another, as to requests of one kind, and writes down what they are.
class Reader {
 public:
  explicit Reader(bool to_head) : to_head_(to_head) {}

  std::size_t offer(std::string_view input) {
    std::size_t used = 0;
    while (used < input.size() && !refused_) {
      const std::string_view rest = input.substr(used);
      const std::size_t taken = in_body_ ? take_body(rest) : take_head(rest);
      if (taken == 0) break;
      used += taken;
    }
    return used;
  }
  [[nodiscard]] bool refused() const { return refused_; }
  [[nodiscard]] const std::string& trace() const { return trace_; }

 private:
  std::size_t refuse(std::string_view input) {
    trace_ += "refused\n";
    refused_ = true;
    return input.size();
  }

  std::size_t take_head(std::string_view input) {
    switch (parser_.parse(input, head_)) {
      case ResponseParser::State::incomplete:
        return 0;
      case ResponseParser::State::refused:
        return refuse(input);
      case ResponseParser::State::complete:
        break;
    }
    const std::size_t size = parser_.size();
    parser_ = ResponseParser();
    const ConnectionOptions options(head_);
    const ResponseFraming framing = read_response_framing(head_, to_head_);
    if (options.too_many() || !framing.refusal.empty()) return refuse(input);
    trace_ += std::to_string(head_.status) + std::to_string(static_cast<int>(framing.body)) +
              std::to_string(framing.content_length) + std::to_string(int{framing.keep_alive}) +
              "\n";
    pass_on(options, framing);
    in_body_ = framing.body != ResponseFraming::Body::none;
    until_close_ = framing.body == ResponseFraming::Body::until_close;
    decoder_ = BodyDecoder({.content_length = framing.content_length,
                            .chunked = framing.body == ResponseFraming::Body::chunked},
                           4096);
    return size;
  }

  void pass_on(const ConnectionOptions& options, const ResponseFraming& framing) {
    std::string out;
    const bool has_body = framing.body != ResponseFraming::Body::none;
    write_forwarded_answer(out, {.head = head_,
                                 .options = options,
                                 .common = "X-Common: 1\r\n",
                                 .date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
                                 .has_length = framing.has_content_length,
                                 .length = framing.content_length,
                                 .chunked = has_body && !framing.has_content_length});
    trace_ += out;
    ResponseHead again;
    ResponseParser parser;
    if (parser.parse(out, again) != ResponseParser::State::complete ||
        parser.size() != out.size()) {
      broken("what is passed on is not one head");
    }
    const ResponseFraming same = read_response_framing(again, to_head_);
    if (!same.refusal.empty() || same.content_length != framing.content_length) {
      broken("what is passed on is framed in another way");
    }
    if (has_body && same.body == ResponseFraming::Body::until_close) {
      broken("what is passed on has no end");
    }
  }

  std::size_t take_body(std::string_view input) {
    if (until_close_) {
      trace_ += input;
      return input.size();
    }
    const BodyDecoder::Step step = decoder_.step(input);
    if (step.content.size() > step.consumed) broken("more content than was consumed");
    trace_ += step.content;
    if (step.state == BodyDecoder::State::refused) return refuse(input);
    if (step.state == BodyDecoder::State::complete) {
      in_body_ = false;
      trace_ += "\nend of body\n";
    }
    return step.consumed;
  }

  const bool to_head_;
  ResponseParser parser_;
  ResponseHead head_;
  BodyDecoder decoder_;
  std::string trace_;
  bool in_body_ = false;
  bool until_close_ = false;
  bool refused_ = false;
};

}  // namespace
}  // namespace netd::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 4096) return 0;
  const bool to_head = (data[0] & 1U) != 0;
  netd::http::check_every_cut(
      {reinterpret_cast<const char*>(data) + 1, size - 1},
      [to_head] { return netd::http::Reader(to_head); }, 256);
  return 0;
}
