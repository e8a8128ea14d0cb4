// A client's bytes through everything that reads them: heads, framing, bodies, targets, conditions
// and ranges. What is found must be the same however the bytes were cut into reads.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/protocols/http/body.h"
#include "daemon/protocols/http/conditional.h"
#include "daemon/protocols/http/fields.h"
#include "daemon/protocols/http/framing.h"
#include "daemon/protocols/http/parser.h"
#include "daemon/protocols/http/range.h"
#include "daemon/protocols/http/target.h"
#include "daemon/protocols/http/url.h"
#include "tests/fuzz/http/pieces.h"

namespace netd::http {
namespace {

constexpr std::uint64_t kMaxBody = 4096;
constexpr std::int64_t kNow = 1767323045;

/// Reads messages as a session does, and writes down what they are.
class Reader {
 public:
  /// Offers all bytes that are there; returns how many were consumed.
  std::size_t offer(std::string_view input) {
    std::size_t used = 0;
    while (used < input.size() && !refused_) {
      const std::size_t taken =
          in_body_ ? take_body(input.substr(used)) : take_head(input.substr(used));
      if (taken == 0) break;
      used += taken;
    }
    return used;
  }
  [[nodiscard]] bool refused() const { return refused_; }
  [[nodiscard]] const std::string& trace() const { return trace_; }

 private:
  void refuse(int status) {
    trace_ += "refused " + std::to_string(status) + "\n";
    refused_ = true;
  }

  std::size_t take_head(std::string_view input) {
    const HeadParser::State state = parser_.parse(input, limits_, request_);
    if (state == HeadParser::State::incomplete) return 0;
    if (state == HeadParser::State::refused) {
      refuse(parser_.status());
      return input.size();
    }
    const std::size_t size = parser_.size();
    parser_.reset();
    const Framing framing = read_framing(request_);
    read_target(request_, target_);
    describe(framing);
    if (framing.status != 0 || target_.status != 0) {
      refuse(framing.status != 0 ? framing.status : target_.status);
      return input.size();
    }
    decoder_ = BodyDecoder(framing, kMaxBody);
    in_body_ = framing.has_body();
    return size;
  }

  std::size_t take_body(std::string_view input) {
    const BodyDecoder::Step step = decoder_.step(input);
    if (step.content.size() > step.consumed) broken("more content than was consumed");
    trace_ += step.content;
    if (step.state == BodyDecoder::State::refused) {
      refuse(decoder_.status());
      return input.size();
    }
    if (step.state == BodyDecoder::State::complete) {
      in_body_ = false;
      trace_ += "\nend of body\n";
    }
    return step.consumed;
  }

  void describe(const Framing& framing) {
    trace_.append(request_.line).append("\n");
    for (std::size_t i = 0; i < request_.field_count(); ++i) {
      trace_.append(request_.field(i).name).append("=").append(request_.field(i).value) += '\n';
    }
    trace_ += std::to_string(framing.status) + std::to_string(framing.content_length) +
              std::to_string(int{framing.chunked}) + std::to_string(int{framing.keep_alive});
    trace_ += "\nhost=" + target_.host + "\npath=" + target_.path + "\n";
    if (target_.status == 0 && target_.form == Target::Form::origin) check_path();
    check_values();
  }

  void check_path() const {
    const std::string& path = target_.path;
    if (!path.starts_with('/')) broken("a path that does not begin with a slash");
    if (path.find('\0') != std::string::npos) broken("a NUL in a path");
    const bool dots = path.find("/../") != std::string::npos || path.ends_with("/..");
    if (dots && !target_.has_encoded_slash) broken("dot segments in a path");
  }

  void check_values() {
    constexpr std::uint64_t kSize = 1000;
    if (parse_range(request_.value(Name::range), kSize, ranges_) == RangeOutcome::satisfiable) {
      if (ranges_.empty() || ranges_.size() > kMaxRanges) broken("no ranges, or too many");
      std::uint64_t total = 0;
      for (const ByteRange& range : ranges_) {
        if (range.first > range.last || range.last >= kSize) broken("a range outside");
        total += range.length();
      }
      if (total > kSize) broken("ranges that overlap");
    }
    const Validators validators{.entity_tag = "\"tag\"", .last_modified = 784111777};
    trace_ += std::to_string(static_cast<int>(evaluate_preconditions(request_, validators, kNow)));
    trace_ += std::to_string(int{if_range_holds(request_, validators, kNow)});
    trace_ += std::to_string(encoding_quality(request_.value(Name::accept_encoding), "gzip"));
    trace_ += std::to_string(int{prefers_json(request_.value(Name::accept))}) + "\n";
    std::string page;
    append_html(page, target_.path);
    if (page.find_first_of("<>\"'") != std::string::npos) broken("HTML that is not escaped");
  }

  HeadLimits limits_{.max_line = 256, .max_head = 1024, .max_fields = 16};
  HeadParser parser_;
  Request request_;
  Target target_;
  BodyDecoder decoder_;
  std::vector<ByteRange> ranges_;
  std::string trace_;
  bool in_body_ = false;
  bool refused_ = false;
};

}  // namespace
}  // namespace netd::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 16384) return 0;
  netd::http::check_every_cut(
      {reinterpret_cast<const char*>(data), size}, [] { return netd::http::Reader(); }, 512);
  return 0;
}
