#include "ctl/clients/echo_verifier.h"

#include <algorithm>

#include "daemon/base/text.h"

namespace netd::ctl {

namespace {

constexpr std::size_t kRaw = 0;
constexpr std::size_t kLine = 1;
constexpr std::size_t kTimestamp = 2;
constexpr std::array<std::string_view, 3> kNames = {"raw", "line", "timestamp"};

constexpr std::string_view kLinePrefix = "ECHO: ";
constexpr std::string_view kStamp = "[0000-00-00 00:00:00] Echo: ";  // 0: any digit

bool fits_stamp(std::size_t place, char byte) {
  return kStamp[place] == '0' ? is_ascii_digit(byte) : kStamp[place] == byte;
}

}  // namespace

void EchoVerifier::sent(std::string_view data) { kept_ += data; }

bool EchoVerifier::received(std::string_view data) {
  fits_[kRaw] = fits_[kRaw] && match_raw(data);
  fits_[kLine] = fits_[kLine] && match_line(data);
  fits_[kTimestamp] = fits_[kTimestamp] && match_timestamp(data);
  forget();
  return std::ranges::find(fits_, true) != fits_.end();
}

bool EchoVerifier::match_raw(std::string_view data) { return take(kRaw, data); }

bool EchoVerifier::match_line(std::string_view data) {
  while (!data.empty()) {
    if (in_prefix_ < kLinePrefix.size()) {
      if (data.front() != kLinePrefix[in_prefix_]) return false;
      ++in_prefix_;
      data.remove_prefix(1);
      continue;
    }
    const std::size_t end = std::min(data.find('\n'), data.size() - 1) + 1;
    if (!take(kLine, data.substr(0, end))) return false;
    if (data[end - 1] == '\n') in_prefix_ = 0;
    data.remove_prefix(end);
  }
  return true;
}

bool EchoVerifier::match_timestamp(std::string_view data) {
  while (!data.empty()) {
    if (fits_stamp(held_.size(), data.front())) {
      held_ += data.front();
      data.remove_prefix(1);
      if (held_.size() == kStamp.size()) {
        held_.clear();
        stamped_ = true;
      }
    } else if (!held_.empty()) {
      // It only looked like one; no later part of a stamp begins like its first byte.
      if (!stamped_ || !take(kTimestamp, held_)) return false;
      held_.clear();
    } else {
      const std::size_t end = std::min(data.find(kStamp.front()), data.size());
      if (!stamped_ || !take(kTimestamp, data.substr(0, end))) return false;
      data.remove_prefix(end);
    }
  }
  return true;
}

bool EchoVerifier::take(std::size_t form, std::string_view data) {
  const auto place = static_cast<std::size_t>(at_[form] - begin_);
  if (data.size() > kept_.size() - place || kept_.compare(place, data.size(), data) != 0) {
    return false;
  }
  at_[form] += data.size();
  return true;
}

void EchoVerifier::forget() {
  constexpr std::size_t kWorthIt = 65536;
  std::uint64_t first = begin_ + kept_.size();
  for (std::size_t form = 0; form < kForms; ++form) {
    if (fits_[form]) first = std::min(first, at_[form]);
  }
  const auto unused = static_cast<std::size_t>(first - begin_);
  if (unused < kWorthIt && unused < kept_.size()) return;
  kept_.erase(0, unused);
  begin_ = first;
}

std::uint64_t EchoVerifier::outstanding() const {
  std::uint64_t least = kept_.size();
  for (std::size_t form = 0; form < kForms; ++form) {
    if (fits_[form]) least = std::min(least, begin_ + kept_.size() - at_[form]);
  }
  return least;
}

bool EchoVerifier::complete() const {
  return std::ranges::find(fits_, true) != fits_.end() && outstanding() == 0;
}

std::string_view EchoVerifier::form() const {
  for (std::size_t form = 0; form < kForms; ++form) {
    if (fits_[form] && begin_ + kept_.size() == at_[form]) return kNames[form];
  }
  return kNames[kRaw];
}

}  // namespace netd::ctl
