// How far a transfer is, in one line of a terminal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ctl/waiting.h"

namespace netd::ctl {

/// "[=====>    ]  52 %  1.2 MiB of 2.3 MiB  340 KiB/s  3 s left". Without a total: bytes and rate.
[[nodiscard]] std::string progress_line(std::uint64_t done, std::optional<std::uint64_t> total,
                                        double seconds, unsigned columns);

/// Draws on standard error, ten times a second at most, and only where that is a terminal.
class Progress {
 public:
  explicit Progress(std::optional<std::uint64_t> total);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void set_total(std::uint64_t total) { total_ = total; }
  void update(std::uint64_t done);
  /// Takes the line away.
  void clear();
  [[nodiscard]] double seconds() const;

 private:
  std::optional<std::uint64_t> total_;
  const Moment begin_;
  Moment next_;
  const unsigned columns_;  // 0: nothing is drawn
  bool drawn_ = false;
};

}  // namespace netd::ctl
