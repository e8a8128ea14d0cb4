// Syntax shared by header fields: lists, quality values, entity tags (RFC 9110, sections 5.6, 8.8.3
// and 12.4).
#pragma once

#include <optional>
#include <string_view>

#include "daemon/protocols/http/field_table.h"
#include "daemon/protocols/http/grammar.h"

namespace netd::http {

/// Calls visit(element) for each non-empty element of a comma-separated list, trimmed, until it
/// returns false. Commas inside quoted strings do not separate. `escapes`: whether a backslash
/// inside of them takes the next character's meaning away; in entity tags it does not.
template <class Visit>
void for_each_element(std::string_view list, Visit visit, bool escapes = true) {
  std::size_t begin = 0;
  bool quoted = false;
  for (std::size_t i = 0; i <= list.size(); ++i) {
    if (i < list.size()) {
      if (list[i] == '"') quoted = !quoted;
      if (quoted && escapes && list[i] == '\\' && i + 1 < list.size()) ++i;
      if (quoted || list[i] != ',') continue;
    }
    const std::string_view element = trim_ows(list.substr(begin, i - begin));
    if (!element.empty() && !visit(element)) return;
    begin = i + 1;
  }
}

/// A quality value in thousandths: "0.5" is 500. Nothing when malformed.
[[nodiscard]] std::optional<unsigned> parse_quality(std::string_view text);

/// One element of Accept, Accept-Encoding and the like: "gzip;q=0.5".
struct Preference {
  std::string_view value = {};  ///< without parameters
  unsigned quality = 1000;      ///< in thousandths; 0 means "not acceptable"
};
[[nodiscard]] Preference parse_preference(std::string_view element);

/// How much `accept_encoding` wants `coding`, in thousandths (RFC 9110, section 12.5.3); 0 when it
/// is not acceptable. "identity" is acceptable unless excluded.
[[nodiscard]] unsigned encoding_quality(std::string_view accept_encoding, std::string_view coding);

/// Whether `accept` prefers `application/json` to `text/html` (RFC 9110, section 12.5.1). With no
/// preference it is HTML.
[[nodiscard]] bool prefers_json(std::string_view accept);

/// The same for all Accept fields of a message together.
[[nodiscard]] bool prefers_json(const FieldTable& fields);

struct EntityTag {
  std::string_view opaque = {};  ///< with its quotes
  bool weak = false;
};
[[nodiscard]] std::optional<EntityTag> parse_entity_tag(std::string_view text);

[[nodiscard]] inline bool strong_equal(const EntityTag& a, const EntityTag& b) {
  return !a.weak && !b.weak && a.opaque == b.opaque;
}
[[nodiscard]] inline bool weak_equal(const EntityTag& a, const EntityTag& b) {
  return a.opaque == b.opaque;
}

}  // namespace netd::http
