#include "daemon/protocols/http/fields.h"

#include <algorithm>
#include <string>

#include "daemon/base/text.h"

namespace netd::http {

// "0" or "1", then up to three decimals; after "1" only zeros (RFC 9110, section 12.4.2).
std::optional<unsigned> parse_quality(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return std::nullopt;
  if (text.size() > 1 && text[1] != '.') return std::nullopt;
  unsigned value = text[0] == '1' ? 1000 : 0;
  unsigned weight = 100;
  for (std::size_t i = 2; i < text.size(); ++i, weight /= 10) {
    if (!is_ascii_digit(text[i])) return std::nullopt;
    value += static_cast<unsigned>(text[i] - '0') * weight;
  }
  if (value > 1000) return std::nullopt;
  return value;
}

Preference parse_preference(std::string_view element) {
  const std::size_t semicolon = element.find(';');
  Preference preference{.value = trim_ows(element.substr(0, semicolon))};
  if (semicolon == std::string_view::npos) return preference;
  std::string_view rest = element.substr(semicolon + 1);
  for (;;) {
    const std::size_t end = rest.find(';');
    const std::string_view parameter = trim_ows(rest.substr(0, end));
    if (parameter.size() >= 2 && ascii_lower(parameter[0]) == 'q' && parameter[1] == '=') {
      // What cannot be read is taken as the least wish: it must not win over a clear one.
      preference.quality = parse_quality(parameter.substr(2)).value_or(1);
    }
    if (end == std::string_view::npos) return preference;
    rest.remove_prefix(end + 1);
  }
}

unsigned encoding_quality(std::string_view accept_encoding, std::string_view coding) {
  std::optional<unsigned> exact;
  std::optional<unsigned> any;
  for_each_element(accept_encoding, [&](std::string_view element) {
    const Preference preference = parse_preference(element);
    const bool alias = coding == "gzip" && iequals(preference.value, "x-gzip");
    if (iequals(preference.value, coding) || alias) {
      exact = std::max(exact.value_or(0), preference.quality);
    } else if (preference.value == "*") {
      any = preference.quality;
    }
    return true;
  });
  if (exact) return *exact;
  if (any) return *any;
  return coding == "identity" ? 1 : 0;
}

bool prefers_json(std::string_view accept) {
  // The more specific range decides for each type.
  struct Best {
    int specific = -1;
    unsigned quality = 0;
    void offer(int how_specific, unsigned with_quality) {
      if (how_specific <= specific) return;
      specific = how_specific;
      quality = with_quality;
    }
  };
  Best json;
  Best html;
  for_each_element(accept, [&](std::string_view element) {
    const Preference preference = parse_preference(element);
    if (iequals(preference.value, "application/json")) json.offer(2, preference.quality);
    if (iequals(preference.value, "application/*")) json.offer(1, preference.quality);
    if (iequals(preference.value, "text/html")) html.offer(2, preference.quality);
    if (iequals(preference.value, "text/*")) html.offer(1, preference.quality);
    if (preference.value == "*/*") {
      json.offer(0, preference.quality);
      html.offer(0, preference.quality);
    }
    return true;
  });
  if (json.quality != html.quality) return json.quality > html.quality;
  return json.specific > html.specific && json.quality > 0;
}

bool prefers_json(const FieldTable& fields) {
  if (fields.count(Name::accept) < 2) return prefers_json(fields.value(Name::accept));
  std::string joined;
  fields.each(Name::accept, [&joined](std::string_view value) {
    joined.append(value).append(",");
    return true;
  });
  return prefers_json(joined);
}

std::optional<EntityTag> parse_entity_tag(std::string_view text) {
  EntityTag tag;
  if (text.starts_with("W/")) {
    tag.weak = true;
    text.remove_prefix(2);
  }
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::nullopt;
  for (const char c : text.substr(1, text.size() - 2)) {
    if (!is_char(c, kEtagText)) return std::nullopt;
  }
  tag.opaque = text;
  return tag;
}

}  // namespace netd::http
