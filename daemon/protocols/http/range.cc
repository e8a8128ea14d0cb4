#include "daemon/protocols/http/range.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "daemon/base/text.h"
#include "daemon/protocols/http/fields.h"

namespace netd::http {

namespace {

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_ascii_digit);
}

/// A position; what does not fit is as good as the largest.
std::uint64_t position(std::string_view digits) {
  return parse_decimal(digits).value_or(std::numeric_limits<std::uint64_t>::max());
}

struct Spec {
  bool valid = false;
  std::optional<ByteRange> range;  // absent: valid, but beyond the representation
};

// int-range = first-pos "-" [ last-pos ], suffix-range = "-" suffix-length.
Spec parse_spec(std::string_view text, std::uint64_t size) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return {};
  const std::string_view before = text.substr(0, dash);
  const std::string_view after = text.substr(dash + 1);
  if (before.empty()) {
    if (!is_number(after)) return {};
    const std::uint64_t length = std::min(position(after), size);
    if (length == 0) return {.valid = true, .range = {}};
    return {.valid = true, .range = ByteRange{size - length, size - 1}};
  }
  if (!is_number(before) || (!after.empty() && !is_number(after))) return {};
  const std::uint64_t first = position(before);
  const std::uint64_t last =
      after.empty() ? std::numeric_limits<std::uint64_t>::max() : position(after);
  if (last < first) return {};
  if (first >= size) return {.valid = true, .range = {}};
  return {.valid = true, .range = ByteRange{first, std::min(last, size - 1)}};
}

/// Joins what overlaps or touches. Leaves the order alone when nothing does.
void coalesce(std::vector<ByteRange>& ranges) {
  std::vector<ByteRange> sorted = ranges;
  std::sort(sorted.begin(), sorted.end(),
            [](const ByteRange& a, const ByteRange& b) { return a.first < b.first; });
  std::vector<ByteRange> joined;
  for (const ByteRange& range : sorted) {
    if (!joined.empty() && range.first <= joined.back().last + 1) {
      joined.back().last = std::max(joined.back().last, range.last);
    } else {
      joined.push_back(range);
    }
  }
  if (joined.size() < ranges.size()) ranges = std::move(joined);
}

}  // namespace

RangeOutcome parse_range(std::string_view field, std::uint64_t size,
                         std::vector<ByteRange>& ranges) {
  ranges.clear();
  // All there is of an empty file is sent with 200: no Content-Range can say it, and whoever
  // resumes or looks ahead with "bytes=0-" has no use for an error.
  if (size == 0) return RangeOutcome::ignored;
  const std::size_t equals = field.find('=');
  if (equals == std::string_view::npos || !iequals(field.substr(0, equals), "bytes")) {
    return RangeOutcome::ignored;
  }
  bool valid = true;
  std::size_t count = 0;
  for_each_element(field.substr(equals + 1), [&](std::string_view element) {
    const Spec spec = parse_spec(element, size);
    valid = spec.valid && ++count <= kMaxRanges;
    if (valid && spec.range) ranges.push_back(*spec.range);
    return valid;
  });
  if (!valid || count == 0) return RangeOutcome::ignored;
  if (ranges.empty()) return RangeOutcome::unsatisfiable;
  if (ranges.size() > 1) coalesce(ranges);
  return RangeOutcome::satisfiable;
}

}  // namespace netd::http
