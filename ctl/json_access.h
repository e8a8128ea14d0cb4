// Members of an answer, for printers: what is missing or of another kind is shown as nothing, so
// that an older or newer netd never ends netctl.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace netd::ctl {

using OrderedJson = nlohmann::ordered_json;

/// Null when there is no such member.
const OrderedJson& member(const OrderedJson& from, const char* name);

/// A string without its quotes, anything else as JSON; safe for a terminal.
std::string plain(const OrderedJson& value);
/// The same of a member; "?" when there is none.
std::string text(const OrderedJson& from, const char* name);

/// A string as it is, control characters and all; empty when it is none.
std::string raw_text(const OrderedJson& from, const char* name);
bool flag(const OrderedJson& from, const char* name, bool otherwise);

double number(const OrderedJson& from, const char* name);
/// A whole number to the last digit.
std::string integer_text(const OrderedJson& from, const char* name);

/// Empty when there is no such array.
const OrderedJson& array(const OrderedJson& from, const char* name);
/// Empty when there is no such object.
const OrderedJson& object(const OrderedJson& from, const char* name);

}  // namespace netd::ctl
