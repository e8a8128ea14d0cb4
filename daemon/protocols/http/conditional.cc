#include "daemon/protocols/http/conditional.h"

#include "daemon/protocols/http/date.h"
#include "daemon/protocols/http/fields.h"

namespace netd::http {

namespace {

enum class Comparison : std::uint8_t { strong, weak };

bool matches_any(const Request& request, Name name, const Validators& validators,
                 Comparison comparison) {
  const std::optional<EntityTag> own = parse_entity_tag(validators.entity_tag);
  bool matches = false;
  request.each(name, [&](std::string_view list) {
    if (list == "*") {
      matches = validators.exists;
      return !matches;
    }
    const auto visit = [&](std::string_view element) {
      const std::optional<EntityTag> tag = parse_entity_tag(element);
      matches =
          tag && own &&
          (comparison == Comparison::strong ? strong_equal(*tag, *own) : weak_equal(*tag, *own));
      return !matches;
    };
    for_each_element(list, visit, false);
    return !matches;
  });
  return matches;
}

/// The date of a field that may be given once only; nothing otherwise.
std::optional<std::int64_t> date_of(const Request& request, Name name, std::int64_t now) {
  if (request.count(name) != 1) return std::nullopt;
  return parse_date(request.value(name), now);
}

}  // namespace

Precondition evaluate_preconditions(const Request& request, const Validators& validators,
                                    std::int64_t now) {
  if (request.has(Name::if_match)) {
    if (!matches_any(request, Name::if_match, validators, Comparison::strong)) {
      return Precondition::failed;
    }
  } else if (request.has(Name::if_unmodified_since) && validators.exists) {
    const auto date = date_of(request, Name::if_unmodified_since, now);
    if (date && validators.last_modified > *date) return Precondition::failed;
  }
  const bool reading = request.method == Method::get || request.method == Method::head;
  if (request.has(Name::if_none_match)) {
    if (matches_any(request, Name::if_none_match, validators, Comparison::weak)) {
      return reading ? Precondition::not_modified : Precondition::failed;
    }
  } else if (reading && request.has(Name::if_modified_since) && validators.exists) {
    const auto date = date_of(request, Name::if_modified_since, now);
    if (date && validators.last_modified <= *date) return Precondition::not_modified;
  }
  return Precondition::proceed;
}

bool if_range_holds(const Request& request, const Validators& validators, std::int64_t now) {
  if (!request.has(Name::if_range)) return true;
  if (request.count(Name::if_range) != 1) return false;
  const std::string_view value = request.value(Name::if_range);
  if (const auto tag = parse_entity_tag(value)) {
    const auto own = parse_entity_tag(validators.entity_tag);
    return own && strong_equal(*tag, *own);
  }
  // A date is a strong validator only once the second is over in which the file was changed
  // (RFC 9110, section 8.8.2.2).
  const auto date = parse_date(value, now);
  return date && *date == validators.last_modified && validators.last_modified < now;
}

}  // namespace netd::http
