// One file's text as sections, keys and values: inih, with everything said that inih keeps quiet.
#pragma once

#include <string>
#include <vector>

#include "daemon/config/loader.h"
#include "daemon/config/mistakes.h"

namespace netd::config {

struct RawValue {
  std::string key;
  std::string text;  ///< without comment and outer blanks; variables not put in yet
  unsigned line = 0;
};

struct RawSection {
  std::string name;   ///< "listener" of [listener echo]
  std::string label;  ///< "echo" of [listener echo]; empty when there is none
  std::string file;
  unsigned line = 0;
  std::vector<RawValue> values;
};

/// "[listener echo]".
[[nodiscard]] std::string title(const RawSection& section);

/// Appends the file's sections, empty ones too, in their order; the section of a bad header is left
/// out with all its keys.
///
/// The syntax, beyond what netd.conf(5) promises users: inih takes a line apart, but sees each line
/// without its indentation, because to inih an indented line continues the value above it. inih
/// cuts lines, and ignores what follows "]": both are mistakes here.
void parse_ini(const SourceFile& source, std::vector<RawSection>& sections, MistakeList& mistakes);

}  // namespace netd::config
