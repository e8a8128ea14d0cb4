#include "daemon/config/mistakes.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "daemon/base/text.h"
#include "daemon/config/loader.h"

namespace netd::config {

void MistakeList::add(Mistake mistake) {
  if (!full()) mistakes_.push_back(std::move(mistake));
}

void MistakeList::add(std::string_view file, unsigned line, std::string message) {
  add({std::string(file), line, std::move(message)});
}

bool MistakeList::full() const { return mistakes_.size() >= kMaxMistakes; }

std::vector<Mistake> MistakeList::sorted(const std::vector<std::string>& files) && {
  // Within a line: in the order in which they were found.
  std::vector<std::tuple<std::ptrdiff_t, unsigned, std::size_t>> order;
  order.reserve(mistakes_.size());
  for (const Mistake& mistake : mistakes_) {
    const auto file = std::ranges::find(files, mistake.file) - files.begin();
    order.emplace_back(file, mistake.line, order.size());
  }
  std::ranges::sort(order);
  std::vector<Mistake> sorted;
  sorted.reserve(mistakes_.size() + 1);
  for (const auto& [file, line, index] : order) sorted.push_back(std::move(mistakes_[index]));
  if (full()) {
    sorted.push_back({sorted.back().file, sorted.back().line,
                      std::to_string(kMaxMistakes) + " mistakes, further ones are not listed"});
  }
  return sorted;
}

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& known) {
  return nearest_word(to_ascii_lower(word), known);
}

std::string found(std::string_view text) {
  if (text.empty()) return "found nothing";
  return "found \"" + printable(text, 100) + "\"";
}

std::string join_or(const std::vector<std::string_view>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
    out += words[i];
  }
  return out;
}

}  // namespace netd::config
