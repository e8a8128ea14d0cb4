// Members of an answer, for printers: what is missing or of another kind is shown as nothing, so
// that an older or newer netd never ends netctl. For .cc files only.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "ctl/humanize.h"

namespace netd::ctl {

using OrderedJson = nlohmann::ordered_json;

inline const OrderedJson& member(const OrderedJson& from, const char* name) {
  static const OrderedJson kNull;
  const auto found = from.find(name);
  return found == from.end() ? kNull : *found;
}

/// A string without its quotes, anything else as JSON; safe for a terminal.
inline std::string plain(const OrderedJson& value) {
  return shown(value.is_string() ? value.get<std::string>() : value.dump());
}

inline std::string text(const OrderedJson& from, const char* name) {
  const OrderedJson& value = member(from, name);
  return value.is_null() && !from.contains(name) ? std::string("?") : plain(value);
}

inline double number(const OrderedJson& from, const char* name) {
  const OrderedJson& value = member(from, name);
  return value.is_number() ? value.get<double>() : 0.0;
}

/// A whole number to the last digit.
inline std::string integer_text(const OrderedJson& from, const char* name) {
  const OrderedJson& value = member(from, name);
  return value.is_number() ? value.dump() : "?";
}

/// Empty when there is no such array.
inline const OrderedJson& array(const OrderedJson& from, const char* name) {
  static const OrderedJson kEmpty = OrderedJson::array();
  const OrderedJson& value = member(from, name);
  return value.is_array() ? value : kEmpty;
}

inline const OrderedJson& object(const OrderedJson& from, const char* name) {
  static const OrderedJson kEmpty = OrderedJson::object();
  const OrderedJson& value = member(from, name);
  return value.is_object() ? value : kEmpty;
}

}  // namespace netd::ctl
