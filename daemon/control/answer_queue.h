#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>

namespace netd::control {

/// Answers in the order of their requests, in whatever order they become known.
class AnswerQueue {
 public:
  struct Entry {
    std::string label;      ///< the owner's own
    std::uint8_t mark = 0;  ///< the owner's own
    std::optional<std::string> document;
  };

  /// A place at the end; its number is never used again.
  std::uint64_t open(std::string label = {}, std::uint8_t mark = 0) {
    entries_.push_back({std::move(label), mark, std::nullopt});
    return first_ + entries_.size() - 1;
  }

  /// Of a place that is not answered yet; null when there is none of that number any more.
  [[nodiscard]] Entry* find(std::uint64_t slot) {
    if (slot < first_ || slot - first_ >= entries_.size()) return nullptr;
    Entry& entry = entries_[slot - first_];
    return entry.document ? nullptr : &entry;
  }

  /// The first place, once it is answered.
  [[nodiscard]] std::optional<Entry> take_ready() {
    if (!ready()) return std::nullopt;
    Entry entry = std::move(entries_.front());
    drop_first();
    return entry;
  }
  /// The document of the first place, which is ready; gone after drop_first().
  [[nodiscard]] std::string& first_document() { return *entries_.front().document; }
  void drop_first() {
    entries_.pop_front();
    ++first_;
  }
  [[nodiscard]] bool ready() const { return !entries_.empty() && entries_.front().document; }

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  /// Calls `visit` for all that are not answered.
  template <class Visitor>
  void for_each_open(Visitor visit) {
    for (auto& entry : entries_) {
      if (!entry.document) visit(entry);
    }
  }

 private:
  std::deque<Entry> entries_;
  std::uint64_t first_ = 0;  // the number of entries_.front()
};

}  // namespace netd::control
