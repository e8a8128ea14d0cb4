// The header fields of one message: views into its bytes, nothing interpreted but the names.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace netd::http {

/// The field names that netd itself reads. They are recognised while parsing, so that looking one
/// up is an array access.
enum class Name : std::uint8_t {
  accept,
  accept_encoding,
  connection,
  content_length,
  date,
  expect,
  forwarded,
  host,
  if_match,
  if_modified_since,
  if_none_match,
  if_range,
  if_unmodified_since,
  max_forwards,
  range,
  referer,
  te,
  transfer_encoding,
  upgrade,
  user_agent,
  x_forwarded_for,
  other,
};
inline constexpr std::size_t kNameCount = static_cast<std::size_t>(Name::other);

[[nodiscard]] Name name_of(std::string_view text);

struct Field {
  std::string_view name;
  std::string_view value;  ///< without the white space around it
};

/// Too large to be a part of a session.
class FieldTable {
 public:
  static constexpr std::size_t kMaxFields = 256;

  void clear_fields();
  /// False when the array is full.
  bool add(Field field);

  [[nodiscard]] std::size_t field_count() const { return field_count_; }
  [[nodiscard]] const Field& field(std::size_t index) const { return fields_[index]; }
  /// What the field at `index` is called, as far as netd reads it.
  [[nodiscard]] Name name(std::size_t index) const { return names_[index]; }
  [[nodiscard]] bool has(Name name) const { return first_[index_of(name)] != kNone; }
  /// How often the field was sent.
  [[nodiscard]] unsigned count(Name name) const { return count_[index_of(name)]; }
  /// The first one's value, or empty.
  [[nodiscard]] std::string_view value(Name name) const {
    const std::uint16_t at = first_[index_of(name)];
    return at == kNone ? std::string_view{} : fields_[at].value;
  }
  /// Calls visit(value) for every field of this name, in order, until it returns false.
  template <class Visit>
  void each(Name name, Visit visit) const {
    const std::uint16_t first = first_[index_of(name)];
    if (first == kNone) return;
    unsigned left = count_[index_of(name)];
    for (std::size_t i = first; i < field_count_ && left > 0; ++i) {
      if (names_[i] != name) continue;
      --left;
      if (!visit(fields_[i].value)) return;
    }
  }

 private:
  static constexpr std::uint16_t kNone = 0xFFFF;
  [[nodiscard]] static std::size_t index_of(Name name) { return static_cast<std::size_t>(name); }

  std::array<Field, kMaxFields> fields_;
  std::array<Name, kMaxFields> names_{};
  std::array<std::uint16_t, kNameCount> first_{};
  std::array<std::uint16_t, kNameCount> count_{};
  std::size_t field_count_ = 0;
};

}  // namespace netd::http
