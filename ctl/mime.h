// Reads messages as they lie in a Maildir (RFC 5322, RFC 2045 to 2047, RFC 2231, RFC 2183).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace netd::ctl {

struct MailField {
  std::string name;   ///< as it is written
  std::string value;  ///< unfolded and decoded: UTF-8
};

/// One leaf of a message's tree.
struct MailPart {
  std::string type;      ///< lower case: "text/plain"
  std::string charset;   ///< lower case; may be empty
  std::string filename;  ///< decoded; may be empty
  std::string encoding;  ///< lower case; may be empty
  bool attachment = false;
  std::string_view body;  ///< as it travelled; a view into the message

  /// Without its transfer encoding.
  [[nodiscard]] std::string content() const;
  /// The same as UTF-8 with LF, for parts of type text.
  [[nodiscard]] std::string text() const;
};

/// Hostile mail costs no more than its size: what is nested more deeply than kMaxDepth or comes
/// after kMaxParts is part of its parent's text, and fields of a header after kMaxFields are left
/// out. Broken mail is shown as well as it can be: a multipart without parts is text.
struct Mail {
  static constexpr std::size_t kMaxFields = 10'000;
  static constexpr std::size_t kMaxDepth = 20;
  static constexpr std::size_t kMaxParts = 1000;

  /// `message` must outlive the result.
  [[nodiscard]] static Mail parse(std::string_view message);

  std::vector<MailField> fields;
  std::vector<MailPart> parts;

  /// The first field of that name; empty when there is none.
  [[nodiscard]] std::string field(std::string_view name) const;
  /// The first part of that type that is no attachment; null when there is none.
  [[nodiscard]] const MailPart* body(std::string_view type) const;
  /// What people call attachments, and whatever else is not in either body(): nothing of a message
  /// stays out of sight.
  [[nodiscard]] std::vector<const MailPart*> attachments() const;
};

}  // namespace netd::ctl
