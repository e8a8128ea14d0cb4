// What may stand in a configuration file: one row for each setting, and what a section of a file
// looks like to the code that uses it.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/endpoint.h"
#include "daemon/base/error.h"

namespace netd::config {

enum class ValueKind : std::uint8_t {
  text,      ///< anything, of at least one character
  integer,   ///< decimal, within minimum and maximum
  boolean,   ///< yes or no
  duration,  ///< "250ms", "30s", "5min", "2h", "1d", "0"; minimum and maximum in milliseconds
  size,      ///< "512", "64K", "10M", "1G"; minimum and maximum in bytes
  choice,    ///< one of `choices`
  path,      ///< absolute
  endpoint,  ///< tcp:HOST:PORT, udp:HOST:PORT, unix:PATH or fd:NAME
  network,   ///< ADDRESS or ADDRESS/PREFIX
};

/// One setting. All views point to constants of the program.
struct SettingRow {
  std::string_view key;
  ValueKind kind = ValueKind::text;
  /// As it would be written; empty: none. It must pass the row's own checks.
  std::string_view default_value = {};
  /// One line for people: netd.conf(5) and `netd --print-config` show it.
  std::string_view help = {};
  bool list = false;       ///< may be given more than once
  bool required = false;   ///< must be given
  bool reloadable = true;  ///< takes effect by a reload; else only by a restart
  std::uint64_t minimum = 0;
  std::uint64_t maximum = std::numeric_limits<std::uint64_t>::max();
  std::span<const std::string_view> choices = {};
  /// What the kind cannot know. The error completes the sentence `found "X", ...`, so it starts
  /// with "expected".
  Result<void> (*check)(std::string_view value) = nullptr;
};

/// Something in a file that keeps the configuration from being used.
struct Mistake {
  std::string file;
  unsigned line = 0;  ///< 0: the file as a whole
  std::string message;

  friend bool operator==(const Mistake&, const Mistake&) = default;
};

/// "FILE:LINE: message".
[[nodiscard]] std::string format(const Mistake& mistake);

/// A value and where it was written. Line 0: nowhere, it is the default.
struct Value {
  std::string text;
  std::string file;
  unsigned line = 0;
};

/// One section with the values of all its rows: what the files say, and the default elsewhere.
/// The values of a Section have passed their rows' checks, so the typed calls cannot fail. Asking
/// for a key that has no row is a bug of the caller.
class Section {
 public:
  struct Entry {
    const SettingRow* row = nullptr;
    std::vector<Value> values;  ///< what holds: written, else the default; empty when neither
    bool written = false;
  };

  Section() = default;
  Section(std::string name, std::string label, std::string file, unsigned line);

  /// "netd", "control", "tasks", "listener", "service".
  [[nodiscard]] const std::string& name() const { return name_; }
  /// The NAME of [listener NAME] and [service NAME].
  [[nodiscard]] const std::string& label() const { return label_; }
  /// Where the section starts; line 0 when no file has it.
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] unsigned line() const { return line_; }
  /// "[listener echo]".
  [[nodiscard]] std::string title() const;

  /// Whether a file gives the key (else its default holds).
  [[nodiscard]] bool has(std::string_view key) const;
  /// Empty when the key is not given and has no default.
  [[nodiscard]] const std::string& text(std::string_view key) const;
  [[nodiscard]] std::uint64_t integer(std::string_view key) const;
  [[nodiscard]] bool flag(std::string_view key) const;
  [[nodiscard]] std::chrono::milliseconds duration(std::string_view key) const;
  [[nodiscard]] std::uint64_t size(std::string_view key) const;
  [[nodiscard]] Endpoint endpoint(std::string_view key) const;
  /// All values of a list, in the order of the files.
  [[nodiscard]] const std::vector<Value>& list(std::string_view key) const;

  /// Whether a [service NAME] section of the same configuration exists.
  [[nodiscard]] bool has_service(std::string_view service) const;

  /// A mistake at the place of the key, or of the section when no file gives the key.
  [[nodiscard]] Mistake mistake(std::string_view key, std::string_view message) const;
  /// The same at the place of one value of a list.
  [[nodiscard]] Mistake mistake(std::string_view key, const Value& value,
                                std::string_view message) const;

  /// `found "VALUE", expected EXPECTED` at the place of the key.
  [[nodiscard]] Mistake refusal(std::string_view key, std::string_view expected) const;
  /// The same at the place of one value of a list.
  [[nodiscard]] Mistake refusal(std::string_view key, const Value& value,
                                std::string_view expected) const;

  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  /// The same name, keys and values; places and whether a value was written do not count.
  [[nodiscard]] bool same_settings(const Section& other) const;

 private:
  friend class SectionBuilder;
  [[nodiscard]] const Entry* find(std::string_view key) const;

  std::string name_;
  std::string label_;
  std::string file_;
  unsigned line_ = 0;
  std::vector<Entry> entries_;
  // One list for all sections of a configuration, which outlives none of them in particular.
  std::shared_ptr<const std::vector<std::string>> services_;
};

/// What the configuration needs to know about a protocol.
struct ProtocolSchema {
  std::string_view name;
  /// Keys of a [listener] section beyond the common ones. A row with the key of a common one takes
  /// its place (another default, another range).
  std::span<const SettingRow> rows = {};
  /// Finds what single rows cannot. Called when all values of the section have been read; values
  /// that were refused are replaced by their defaults, and left out of lists. Not called when a
  /// required key is left without any value. May be null.
  void (*check)(const Section& section, std::vector<Mistake>& mistakes) = nullptr;
  bool stream = true;     ///< runs over tcp:, unix: and fd:
  bool datagram = false;  ///< runs over udp:
};

}  // namespace netd::config
