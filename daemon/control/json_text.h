// Reading JSON texts that are known to be well formed, in place, and writing new ones.
//
// Values are handed on as the slice of text that they are: what a client stores comes back digit
// for digit, whatever a number's size or a member's place.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/base/error.h"

namespace netd::control {

/// Whether `text` is one JSON value and nothing else but white space around it, within the
/// framer's limits.
[[nodiscard]] bool is_json(std::string_view text);

/// The value without the white space that means nothing: one line, ready for an answer. `value` is
/// well formed.
[[nodiscard]] std::string compact_json(std::string_view value);

/// The members of one object, as slices of its text.
class JsonMembers {
 public:
  static constexpr std::size_t kMaxMembers = 64;

  /// `object` is one well-formed JSON object and outlives this. Fails when it has more than
  /// kMaxMembers, and when a name stands twice: readers do not agree on which counts (RFC 8259,
  /// section 4).
  [[nodiscard]] static Result<JsonMembers> parse(std::string_view object);
  JsonMembers(JsonMembers&&) = default;
  JsonMembers& operator=(JsonMembers&&) = default;

  /// The raw value; nothing when absent or null: both mean "not given".
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;
  /// The same, but null is a value like any other.
  [[nodiscard]] std::optional<std::string_view> find_any(std::string_view name) const;

  struct Member {
    std::string_view name;   // without quotes
    std::string_view value;  // raw
  };
  [[nodiscard]] std::span<const Member> all() const {
    return many_.empty() ? std::span(first_).first(count_) : std::span(many_);
  }

 private:
  JsonMembers() = default;
  void add(const Member& member);

  // Most requests have few members, and need no memory for them.
  std::array<Member, 8> first_;
  std::size_t count_ = 0;             // of first_ that there are
  std::vector<Member> many_;          // all of them, where they are more
  std::vector<std::string> decoded_;  // the names that had escapes; members may point here
};

/// The raw elements of a well-formed array; nothing when `value` is no array.
[[nodiscard]] std::optional<std::vector<std::string_view>> json_elements(std::string_view value);

/// A well-formed value as what it is; nothing when it is something else.
[[nodiscard]] std::optional<std::string> json_string(std::string_view value);
[[nodiscard]] std::optional<bool> json_bool(std::string_view value);
/// A whole number within range, also when written 1e3 or 5.0.
[[nodiscard]] std::optional<std::int64_t> json_integer(std::string_view value);
[[nodiscard]] std::optional<double> json_number(std::string_view value);
[[nodiscard]] bool json_is_object(std::string_view value);

/// One spelling for all that mean the same, so that texts can be compared: a string whatever its
/// escapes, a number whether it is written 1, 1.0 or 10e-1. Whole numbers written without a point
/// or exponent stay digit for digit, however long. Nothing when `value` is neither.
[[nodiscard]] std::optional<std::string> json_canonical(std::string_view value);

/// Writes one object or array, member after member:
///   JsonWriter().add("status", "ok").add("count", 3).object()
class JsonWriter {
 public:
  /// `expected`: bytes to have ready.
  explicit JsonWriter(std::size_t expected = 120) {
    text_.reserve(expected);
    text_ = '{';
  }
  JsonWriter& add(std::string_view name, std::string_view text);
  JsonWriter& add(std::string_view name, const char* text) {
    return add(name, std::string_view(text));
  }
  JsonWriter& add(std::string_view name, bool value);
  JsonWriter& add(std::string_view name, std::int64_t value);
  JsonWriter& add(std::string_view name, std::uint64_t value);
  JsonWriter& add(std::string_view name, int value) {
    return add(name, static_cast<std::int64_t>(value));
  }
  JsonWriter& add(std::string_view name, unsigned value) {
    return add(name, static_cast<std::uint64_t>(value));
  }
  /// `value` thousandths of a second as seconds.
  JsonWriter& add_milliseconds(std::string_view name, std::int64_t value);
  /// With at most three digits after the point.
  JsonWriter& add_decimal(std::string_view name, double value);
  /// `json` is a JSON text already.
  JsonWriter& add_raw(std::string_view name, std::string_view json);
  JsonWriter& add_list(std::string_view name, const std::vector<std::string>& texts);

  /// The whole object. The writer is empty afterwards.
  [[nodiscard]] std::string object();

 private:
  void name(std::string_view name);

  std::string text_;
};

/// The raw values as an array.
[[nodiscard]] std::string json_array(const std::vector<std::string>& values);

}  // namespace netd::control
