#include "daemon/config/schema.h"

#include <algorithm>
#include <cassert>

#include "daemon/base/text.h"
#include "daemon/config/mistakes.h"

namespace netd::config {

namespace {

const std::string kNoText;
const std::vector<Value> kNoValues;

}  // namespace

std::string format(const Mistake& mistake) {
  return mistake.file + ":" + std::to_string(mistake.line) + ": " + mistake.message;
}

Section::Section(std::string name, std::string label, std::string file, unsigned line)
    : name_(std::move(name)), label_(std::move(label)), file_(std::move(file)), line_(line) {}

std::string Section::title() const {
  return label_.empty() ? "[" + name_ + "]" : "[" + name_ + " " + label_ + "]";
}

const Section::Entry* Section::find(std::string_view key) const {
  const auto found =
      std::ranges::find_if(entries_, [&](const Entry& entry) { return entry.row->key == key; });
  assert(found != entries_.end() && "a key without a row");
  return found == entries_.end() ? nullptr : &*found;
}

bool Section::has(std::string_view key) const {
  const Entry* entry = find(key);
  return entry != nullptr && entry->written;
}

const std::string& Section::text(std::string_view key) const {
  const Entry* entry = find(key);
  return entry == nullptr || entry->values.empty() ? kNoText : entry->values.front().text;
}

std::uint64_t Section::integer(std::string_view key) const {
  return parse_decimal(text(key)).value_or(0);
}

bool Section::flag(std::string_view key) const { return text(key) == "yes"; }

std::chrono::milliseconds Section::duration(std::string_view key) const {
  return parse_duration(text(key)).value_or(std::chrono::milliseconds(0));
}

std::uint64_t Section::size(std::string_view key) const {
  return parse_size(text(key)).value_or(0);
}

Endpoint Section::endpoint(std::string_view key) const {
  return Endpoint::parse(text(key)).value_or(Endpoint{});
}

const std::vector<Value>& Section::list(std::string_view key) const {
  const Entry* entry = find(key);
  return entry == nullptr ? kNoValues : entry->values;
}

bool Section::has_service(std::string_view service) const {
  return services_ && std::ranges::find(*services_, service) != services_->end();
}

Mistake Section::mistake(std::string_view key, std::string_view message) const {
  const Entry* entry = find(key);
  if (entry == nullptr || entry->values.empty() || entry->values.front().line == 0) {
    return mistake(key, Value{{}, file_, line_}, message);
  }
  return mistake(key, entry->values.front(), message);
}

Mistake Section::mistake(std::string_view key, const Value& value, std::string_view message) const {
  return {value.file, value.line, title() + " " + std::string(key) + ": " + std::string(message)};
}

Mistake Section::refusal(std::string_view key, std::string_view expected) const {
  return mistake(key, found(text(key)) + ", expected " + std::string(expected));
}

Mistake Section::refusal(std::string_view key, const Value& value,
                         std::string_view expected) const {
  return mistake(key, value, found(value.text) + ", expected " + std::string(expected));
}

bool Section::same_settings(const Section& other) const {
  if (name_ != other.name_ || label_ != other.label_) return false;
  return std::ranges::equal(entries_, other.entries_, [](const Entry& a, const Entry& b) {
    return a.row->key == b.row->key &&
           std::ranges::equal(a.values, b.values, {}, &Value::text, &Value::text);
  });
}

}  // namespace netd::config
