#include "daemon/config/ini_file.h"

#include <ini.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "daemon/base/text.h"

namespace netd::config {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kExpectedLine = "expected [SECTION] or KEY = VALUE";

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t') || byte == 0x7F;
}

bool is_key(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_ascii_alpha(c) || is_ascii_digit(c) || c == '_' || c == '-';
  });
}

/// Reader and handler of one run of inih. inih asks for a line and then, before it asks for the
/// next, calls the handler if the line holds a key: so the handler's line is the last one read.
class Parse {
 public:
  Parse(const SourceFile& source, std::vector<RawSection>& sections, MistakeList& mistakes)
      : source_(source), rest_(source.text), sections_(sections), mistakes_(mistakes) {
    if (rest_.starts_with(kByteOrderMark)) rest_.remove_prefix(kByteOrderMark.size());
  }

  void run() {
    const int first_error = ::ini_parse_stream(&Parse::read_line, this, &Parse::on_value, this);
    settle_line();
    if (first_error != 0 && mistakes_.empty()) {
      // The checks here are stricter than inih's, so this is out of memory or a stranger inih.
      mistakes_.add(source_.name, line_, "cannot be parsed");
    }
  }

 private:
  static char* read_line(char* buffer, int size, void* self) noexcept {
    return static_cast<Parse*>(self)->next(buffer, static_cast<std::size_t>(size)) ? buffer
                                                                                   : nullptr;
  }

  static int on_value(void* self, const char* /*section*/, const char* key,
                      const char* value) noexcept {
    static_cast<Parse*>(self)->take(key, value == nullptr ? "" : value);
    return 1;
  }

  /// The next line for inih, in `buffer`; an empty one for what is not inih's to judge.
  bool next(char* buffer, std::size_t size) {
    settle_line();
    if (rest_.empty() || mistakes_.full()) return false;
    ++line_;
    const auto end = rest_.find('\n');
    std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    if (text.ends_with('\r')) text.remove_suffix(1);
    const std::string_view kept = accept(text, size);
    buffer[kept.copy(buffer, size - 1)] = '\0';
    return true;
  }

  /// What inih shall see of a line.
  std::string_view accept(std::string_view text, std::size_t size) {
    if (text.size() >= size) {
      refuse("found a line of " + std::to_string(text.size()) + " bytes, expected at most " +
             std::to_string(size - 1));
      // Which section the line would have opened cannot be told.
      if (trim(text).starts_with('[')) {
        section_.reset();
        skipping_ = true;
      }
      return {};
    }
    if (std::ranges::any_of(text, is_control) || !is_utf8(text)) {
      refuse(found(text) + ", expected UTF-8 text without control characters");
      return {};
    }
    text = trim(text);
    if (text.empty() || text.front() == ';' || text.front() == '#') return {};
    if (text.front() == '[') {
      open_section(text);
      return text;
    }
    if (text.starts_with(kByteOrderMark)) {
      refuse(found(text) + ", expected a byte order mark only at the start of the file");
      return {};
    }
    unsettled_ = text;
    return text;
  }

  void open_section(std::string_view text) {
    section_.reset();
    skipping_ = true;
    const auto end = text.find(']');
    if (end == std::string_view::npos) {
      mistakes_.add(source_.name, line_, found(text) + ", expected ] after the section's name");
      return;
    }
    const auto inner = trim(text.substr(1, end - 1));
    const auto blank = inner.find_first_of(" \t");
    RawSection section;
    section.name = inner.substr(0, blank);
    section.label = blank == std::string_view::npos ? "" : trim(inner.substr(blank));
    section.file = source_.name;
    section.line = line_;
    sections_.push_back(std::move(section));
    section_ = sections_.size() - 1;
    skipping_ = false;
    // The section itself is clear all the same: what follows is judged.
    const auto after = trim(text.substr(end + 1));
    if (!after.empty() && after.front() != ';' && after.front() != '#') {
      refuse(found(after) + ", expected the end of the line or a comment after ]");
    }
  }

  void take(std::string_view key, std::string_view text) {
    const std::string_view line = std::exchange(unsettled_, {});
    if (!is_key(key)) {
      refuse(found(line) + ", " + std::string(kExpectedLine));
    } else if (section_) {
      sections_[*section_].values.push_back({std::string(key), std::string(text), line_});
    } else if (!skipping_) {
      refuse(std::string(key) + ": found before the first section, expected [SECTION]");
    }
  }

  /// A line that inih did not hand on is no setting.
  void settle_line() {
    if (unsettled_.empty()) return;
    refuse(found(std::exchange(unsettled_, {})) + ", " + std::string(kExpectedLine));
  }

  void refuse(const std::string& message) {
    const std::string where = section_ ? title(sections_[*section_]) + " " : "";
    mistakes_.add(source_.name, line_, where + message);
  }

  const SourceFile& source_;
  std::string_view rest_;
  std::vector<RawSection>& sections_;
  MistakeList& mistakes_;
  unsigned line_ = 0;
  std::string_view unsettled_;          // what inih was given and has not answered
  std::optional<std::size_t> section_;  // index in sections_
  bool skipping_ = false;               // below a bad header
};

}  // namespace

std::string title(const RawSection& section) {
  const std::string label = section.label.empty() ? "" : " " + section.label;
  return "[" + printable(section.name + label, 100) + "]";
}

void parse_ini(const SourceFile& source, std::vector<RawSection>& sections, MistakeList& mistakes) {
  Parse(source, sections, mistakes).run();
}

}  // namespace netd::config
