#include "ctl/json_access.h"

#include <nlohmann/json.hpp>

#include "ctl/terminal_text.h"

namespace netd::ctl {

const OrderedJson& member(const OrderedJson& from, const char* name) {
  static const OrderedJson null;
  const auto found = from.find(name);
  return found == from.end() ? null : *found;
}

std::string plain(const OrderedJson& value) {
  return shown(value.is_string() ? value.get<std::string>() : value.dump());
}

std::string text(const OrderedJson& from, const char* name) {
  const OrderedJson& value = member(from, name);
  return value.is_null() && !from.contains(name) ? std::string("?") : plain(value);
}

std::string raw_text(const OrderedJson& from, const char* name) {
  const OrderedJson& value = member(from, name);
  return value.is_string() ? value.get<std::string>() : std::string();
}

bool flag(const OrderedJson& from, const char* name, bool otherwise) {
  const OrderedJson& value = member(from, name);
  return value.is_boolean() ? value.get<bool>() : otherwise;
}

double number(const OrderedJson& from, const char* name) {
  const OrderedJson& value = member(from, name);
  return value.is_number() ? value.get<double>() : 0.0;
}

std::string integer_text(const OrderedJson& from, const char* name) {
  const OrderedJson& value = member(from, name);
  return value.is_number() ? value.dump() : "?";
}

const OrderedJson& array(const OrderedJson& from, const char* name) {
  static const OrderedJson empty = OrderedJson::array();
  const OrderedJson& value = member(from, name);
  return value.is_array() ? value : empty;
}

const OrderedJson& object(const OrderedJson& from, const char* name) {
  static const OrderedJson empty = OrderedJson::object();
  const OrderedJson& value = member(from, name);
  return value.is_object() ? value : empty;
}

}  // namespace netd::ctl
