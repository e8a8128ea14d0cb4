#include "daemon/config/section_builder.h"

#include <algorithm>
#include <utility>

#include "daemon/base/text.h"
#include "daemon/config/value.h"

namespace netd::config {

namespace {

const SettingRow* find_row(std::span<const SettingRow> rows, std::string_view key) {
  const auto found = std::ranges::find(rows, key, &SettingRow::key);
  return found == rows.end() ? nullptr : &*found;
}

}  // namespace

SectionBuilder::SectionBuilder(std::string name, std::string label, std::string file, unsigned line,
                               std::span<const SettingRow> common, std::span<const SettingRow> own)
    : section_(std::move(name), std::move(label), std::move(file), line) {
  const auto add_row = [&](const SettingRow& row) {
    section_.entries_.push_back({&row, {}, false});
    keys_.push_back(row.key);
  };
  for (const SettingRow& row : common) {
    const SettingRow* instead = find_row(own, row.key);
    add_row(instead != nullptr ? *instead : row);
  }
  for (const SettingRow& row : own) {
    if (find_row(common, row.key) == nullptr) add_row(row);
  }
  first_given_.resize(keys_.size());
  expected_.resize(keys_.size());
}

void SectionBuilder::add(const RawSection& section, const VariableLookup& variables,
                         bool skip_unknown, MistakeList& mistakes) {
  for (const RawValue& value : section.values) {
    if (mistakes.full()) return;
    add_value(section, value, variables, skip_unknown, mistakes);
  }
}

void SectionBuilder::add_value(const RawSection& section, const RawValue& value,
                               const VariableLookup& variables, bool skip_unknown,
                               MistakeList& mistakes) {
  const std::size_t at = index_of(value.key);
  if (at == keys_.size()) {
    if (!skip_unknown) report_unknown(section, value, mistakes);
    return;
  }
  const auto refuse = [&](const std::string& message) {
    mistakes.add(section.file, value.line, title(section) + " " + value.key + ": " + message);
  };
  Section::Entry& entry = section_.entries_[at];
  Value& first = first_given_[at];
  if (first.line == 0) {
    first = {{}, section.file, value.line};
  } else if (!entry.row->list) {
    refuse(found(value.text) + ", expected one value: " + first.file + ":" +
           std::to_string(first.line) + " gives it already");
    return;
  }
  auto text = expand(value.text, variables);
  if (!text) {
    refuse(found(value.text) + ", " + text.error().what());
    return;
  }
  if (const auto checked = check_value(*entry.row, *text); !checked) {
    const std::string origin = *text == value.text ? "" : " (from " + value.text + ")";
    refuse(found(*text) + origin + ", " + checked.error().what());
    return;
  }
  entry.values.push_back({std::move(*text), section.file, value.line});
  entry.written = true;
}

void SectionBuilder::report_unknown(const RawSection& section, const RawValue& value,
                                    MistakeList& mistakes) {
  const std::string_view meant = nearest(value.key, keys_);
  const std::string expected =
      meant.empty() ? "expected " + join_or(keys_) : "did you mean \"" + std::string(meant) + "\"?";
  mistakes.add(section.file, value.line,
               title(section) + " " + value.key + ": unknown key, " + expected);
}

void SectionBuilder::expect(std::string_view key, std::string expected) {
  expected_[index_of(key)] = std::move(expected);
}

Section SectionBuilder::finish(const ServiceNames& services, MistakeList& mistakes) {
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    Section::Entry& entry = section_.entries_[i];
    const SettingRow& row = *entry.row;
    if (row.required && first_given_[i].line == 0) {
      mistakes.add(section_.mistake(
          row.key,
          "missing, expected " + (expected_[i].empty() ? expectation(row) : expected_[i])));
    }
    if (row.required && entry.values.empty()) complete_ = false;
    if (entry.values.empty() && !row.default_value.empty()) {
      entry.values.push_back({std::string(row.default_value), {}, 0});
    }
  }
  section_.services_ = services;
  return std::move(section_);
}

void SectionBuilder::set_default(Section& section, std::string_view key, std::string value) {
  const auto entry = std::ranges::find_if(
      section.entries_, [&](const Section::Entry& other) { return other.row->key == key; });
  if (entry == section.entries_.end() || entry->written) return;
  entry->values.assign(1, Value{std::move(value), {}, 0});
}

std::size_t SectionBuilder::index_of(std::string_view key) const {
  return static_cast<std::size_t>(std::ranges::find(keys_, key) - keys_.begin());
}

}  // namespace netd::config
