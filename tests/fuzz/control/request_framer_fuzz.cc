// The framer against any bytes: the same verdicts however the bytes are split, the same as
// nlohmann's where that one can be asked, and what it lets through can be taken apart.
#include <cstdint>
#include <cstdlib>
#include <string>

#include <nlohmann/json.hpp>

#include "daemon/control/json_text.h"
#include "daemon/control/request_framer.h"

using netd::control::RequestFramer;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

/// nlohmann computes with doubles and has no limit of depth: its verdict counts where ours is not
/// a matter of size. It takes a NUL for the end, whatever stands behind it.
bool compare_with_other_parser(std::string_view text) {
  return text.size() < RequestFramer::kMaxDepth && text.find_first_of("eE") == text.npos &&
         text.find('\0') == text.npos && text.find_first_not_of(" \t\r\n") != text.npos;
}

std::string read_all(std::string_view input, std::size_t piece) {
  RequestFramer framer;
  std::string log;
  std::string pending;
  for (std::size_t at = 0; at < input.size(); at += piece) {
    pending += input.substr(at, piece);
    for (;;) {
      const auto frame = framer.next(pending);
      require(frame.consumed <= pending.size());
      if (frame.verdict == RequestFramer::Verdict::incomplete) {
        pending.erase(0, frame.consumed);
        break;
      }
      log += std::to_string(static_cast<int>(frame.verdict)) + ' ';
      const bool whole = frame.verdict == RequestFramer::Verdict::object ||
                         frame.verdict == RequestFramer::Verdict::not_object;
      if (!whole) return log;
      log += frame.text;
      pending.erase(0, frame.consumed);
    }
  }
  return log;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string whole = read_all(input, size + 1);
  require(whole == read_all(input, 1));
  require(whole == read_all(input, 7));

  const bool accepted = netd::control::is_json(input);
  if (compare_with_other_parser(input)) require(accepted == nlohmann::json::accept(input));
  if (!accepted) return 0;
  const std::string compact = netd::control::compact_json(input);
  require(netd::control::is_json(compact));
  require(compact.find('\n') == std::string::npos);
  (void)netd::control::json_string(compact);
  (void)netd::control::json_integer(compact);
  (void)netd::control::json_elements(compact);
  if (!netd::control::json_is_object(compact)) return 0;
  if (const auto members = netd::control::JsonMembers::parse(compact)) {
    for (const auto& [name, value] : members->all()) require(netd::control::is_json(value));
  }
  return 0;
}
