#include "daemon/config/settings.h"

#include <algorithm>

#include "daemon/config/expand.h"

namespace netd::config {

namespace {

void print_section(const Section& section, std::string& out) {
  if (!out.empty()) out += '\n';
  out += section.title() + "\n";
  for (const Section::Entry& entry : section.entries()) {
    // A key cannot be given without a value: what has none is shown as a comment.
    if (entry.values.empty()) out += "; " + std::string(entry.row->key) + " =\n";
    for (const Value& value : entry.values) {
      out += std::string(entry.row->key) + " = " + escape(value.text) + "\n";
    }
  }
}

/// Every section, in the order of print().
std::vector<const Section*> sections_of(const Settings& settings) {
  std::vector<const Section*> sections = {&settings.netd.own, &settings.control.own,
                                          &settings.tasks.own};
  for (const ListenerSettings& listener : settings.listeners) sections.push_back(&listener.own);
  for (const ServiceSettings& service : settings.services) sections.push_back(&service.own);
  return sections;
}

std::string values_of(const Section::Entry& entry) {
  if (entry.values.empty()) return "nothing";
  std::string out;
  for (const Value& value : entry.values) {
    if (!out.empty()) out += ", ";
    out += value.text;
  }
  return out;
}

const Section::Entry* entry_of(const Section& section, std::string_view key) {
  const auto found = std::ranges::find_if(
      section.entries(), [&](const Section::Entry& entry) { return entry.row->key == key; });
  return found == section.entries().end() ? nullptr : &*found;
}

void compare_sections(const Section& before, const Section& after, std::vector<Change>& changes) {
  for (const Section::Entry& now : after.entries()) {
    const Section::Entry* const then = entry_of(before, now.row->key);
    // Keys of another protocol: that the protocol changed says it.
    if (then == nullptr ||
        std::ranges::equal(then->values, now.values, {}, &Value::text, &Value::text)) {
      continue;
    }
    changes.push_back({after.title() + " " + std::string(now.row->key) + ": " + values_of(*then) +
                           " -> " + values_of(now),
                       !now.row->reloadable});
  }
}

const Section* same_title(const std::vector<const Section*>& sections, const Section& wanted) {
  const auto found = std::ranges::find_if(sections, [&](const Section* section) {
    return section->name() == wanted.name() && section->label() == wanted.label();
  });
  return found == sections.end() ? nullptr : *found;
}

}  // namespace

const ListenerSettings* Settings::find_listener(std::string_view name) const {
  const auto found = std::ranges::find(listeners, name, &ListenerSettings::name);
  return found == listeners.end() ? nullptr : &*found;
}

const ServiceSettings* Settings::find_service(std::string_view name) const {
  const auto found = std::ranges::find(services, name, &ServiceSettings::name);
  return found == services.end() ? nullptr : &*found;
}

std::string print(const Settings& settings) {
  std::string out;
  for (const Section* const section : sections_of(settings)) print_section(*section, out);
  return out;
}

std::vector<Change> describe_changes(const Settings& before, const Settings& after) {
  std::vector<Change> changes;
  const auto old_sections = sections_of(before);
  const auto new_sections = sections_of(after);
  for (const Section* const section : old_sections) {
    if (same_title(new_sections, *section) == nullptr) {
      changes.push_back({section->title() + " removed", false});
    }
  }
  for (const Section* const section : new_sections) {
    if (const Section* const old_section = same_title(old_sections, *section)) {
      compare_sections(*old_section, *section, changes);
    } else {
      changes.push_back({section->title() + " added", false});
    }
  }
  return changes;
}

}  // namespace netd::config
