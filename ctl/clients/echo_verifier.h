// Whether what comes back from an echo service is what was sent.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace netd::ctl {

/// Takes both directions in any cuts. Three forms count as an echo: the bytes as they are (RFC
/// 862), each line behind "ECHO: ", and netd's timestamps, "[YYYY-mm-dd HH:MM:SS] Echo: ", in front
/// of each piece. All are tried until what comes rules them out.
class EchoVerifier {
 public:
  void sent(std::string_view data);
  /// False from the first byte on that fits no form.
  bool received(std::string_view data);

  /// Everything that was sent has come back.
  [[nodiscard]] bool complete() const;
  /// Of the form that is nearest to the end.
  [[nodiscard]] std::uint64_t outstanding() const;
  /// "raw", "line" or "timestamp"; the first of those that still fit.
  [[nodiscard]] std::string_view form() const;

 private:
  static constexpr std::size_t kForms = 3;

  bool match_raw(std::string_view data);
  bool match_line(std::string_view data);
  bool match_timestamp(std::string_view data);
  /// Whether `data` is what comes next for a form.
  bool take(std::size_t form, std::string_view data);
  void forget();

  std::string kept_;         // what was sent and some form still has to see
  std::uint64_t begin_ = 0;  // the place of kept_ in all that was sent
  std::array<std::uint64_t, kForms> at_{};
  std::array<bool, kForms> fits_{true, true, true};
  std::size_t in_prefix_ = 0;  // bytes of "ECHO: " that this line has had
  std::string held_;           // what may become a timestamp
  bool stamped_ = false;
};

}  // namespace netd::ctl
