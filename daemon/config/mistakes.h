// Where a load collects what is wrong.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/schema.h"

namespace netd::config {

/// Bounded: rubbish of a megabyte must not become a report of many.
class MistakeList {
 public:
  void add(Mistake mistake);
  void add(std::string_view file, unsigned line, std::string message);
  [[nodiscard]] bool empty() const { return mistakes_.empty(); }
  /// kMaxMistakes are here: further ones are dropped, and whoever looks for them may stop.
  [[nodiscard]] bool full() const;
  /// In the order in which a person reads: by file as in `files`, then by line.
  [[nodiscard]] std::vector<Mistake> sorted(const std::vector<std::string>& files) &&;

 private:
  std::vector<Mistake> mistakes_;
};

/// The word of `known` that somebody may have meant, or an empty one.
[[nodiscard]] std::string_view nearest(std::string_view word,
                                       const std::vector<std::string_view>& known);

/// `found "TEXT"` with control characters escaped and the length bounded; `found nothing` when it
/// is empty.
[[nodiscard]] std::string found(std::string_view text);

/// "a, b or c".
[[nodiscard]] std::string join_or(const std::vector<std::string_view>& words);

}  // namespace netd::config
