// From what a file says to a Section: values checked against rows, defaults filled in.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/expand.h"
#include "daemon/config/ini_file.h"
#include "daemon/config/mistakes.h"
#include "daemon/config/schema.h"

namespace netd::config {

using ServiceNames = std::shared_ptr<const std::vector<std::string>>;

class SectionBuilder {
 public:
  /// `own` rows stand before `common` ones of the same key.
  SectionBuilder(std::string name, std::string label, std::string file, unsigned line,
                 std::span<const SettingRow> common, std::span<const SettingRow> own = {});

  /// Takes a section's values, several sections' one after another. With `skip_unknown` keys
  /// without a row are not mistakes: for a listener whose protocol is not known.
  void add(const RawSection& section, const VariableLookup& variables, bool skip_unknown,
           MistakeList& mistakes);

  /// What to say of a required key that is missing, when that is not in its row.
  void expect(std::string_view key, std::string expected);

  /// Reports required keys that are missing, and fills in defaults.
  [[nodiscard]] Section finish(const ServiceNames& services, MistakeList& mistakes);

  /// After finish(): every required key has a good value.
  [[nodiscard]] bool complete() const { return complete_; }

  /// Another default than the row's, where that depends on the machine or on other keys. No effect
  /// on a key that a file gives.
  static void set_default(Section& section, std::string_view key, std::string value);

 private:
  void add_value(const RawSection& section, const RawValue& value, const VariableLookup& variables,
                 bool skip_unknown, MistakeList& mistakes);
  void report_unknown(const RawSection& section, const RawValue& value, MistakeList& mistakes);
  [[nodiscard]] std::size_t index_of(std::string_view key) const;

  Section section_;
  std::vector<std::string_view> keys_;  // of section_.entries_, in the same order
  std::vector<Value> first_given_;      // the same; where it was first given, even if refused
  std::vector<std::string> expected_;   // the same; of expect()
  bool complete_ = true;
};

}  // namespace netd::config
