#include "ctl/mime.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "ctl/mime_decode.h"
#include "daemon/base/text.h"

namespace netd::ctl {

namespace {

/// The next line with its end, taken off `text`.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::size_t length = end == std::string_view::npos ? text.size() : end + 1;
  const std::string_view line = text.substr(0, length);
  text.remove_prefix(length);
  return line;
}

std::string_view without_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

struct RawField {
  std::string_view name;
  std::string value;  // unfolded
};

/// The name of the field that a line begins; empty when it is none: blanks may follow a name (RFC
/// 5322, section 4.5), but none are inside.
std::string_view field_name(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return {};
  const std::string_view name = trim(line.substr(0, colon));
  return name.find_first_of(" \t") == std::string_view::npos ? name : std::string_view();
}

/// Takes the header and the empty line behind it off `text`; fields beyond Mail::kMaxFields are not
/// kept. A line that is no field ends it, too: a hand-typed message often is nothing but its text.
std::vector<RawField> take_header(std::string_view& text) {
  std::vector<RawField> fields;
  while (!text.empty()) {
    std::string_view rest = text;
    const std::string_view line = without_end(take_line(rest));
    if (fields.empty() && line.starts_with("From ")) {  // an mbox' line, which some leave in front
      text = rest;
      continue;
    }
    const bool continues =
        !line.empty() && (line.front() == ' ' || line.front() == '\t') && !fields.empty();
    const std::string_view name = field_name(line);
    if (!line.empty() && !continues && name.empty()) break;
    text = rest;
    if (line.empty()) break;
    if (continues) {
      fields.back().value += line;
      continue;
    }
    if (fields.size() == Mail::kMaxFields) continue;
    fields.push_back({name, std::string(trim(line.substr(line.find(':') + 1)))});
  }
  return fields;
}

std::string value_of(const std::vector<RawField>& fields, std::string_view name) {
  const auto found = std::ranges::find_if(
      fields, [&](const RawField& field) { return iequals(field.name, name); });
  return found == fields.end() ? std::string() : found->value;
}

/// RFC 2231, section 4: "%E4" as in URLs.
std::string percent_decoded(std::string_view text) {
  std::string quoted;
  for (const char c : text) quoted += c == '%' ? '=' : c;
  return text.find('=') == std::string_view::npos ? decode_quoted_printable(quoted, false)
                                                  : std::string(text);
}

/// What stands in front of the parameters and of a comment, in lower case.
std::string first_word(std::string_view text) {
  return to_ascii_lower(trim(text.substr(0, text.find_first_of(";("))));
}

/// The media type. One that is none means text (RFC 2045, section 5.2).
std::string media_type(std::string type) {
  const std::size_t slash = type.find('/');
  const bool is_type = slash != std::string::npos && slash > 0 && slash + 1 < type.size() &&
                       type.find_first_of(" \t") == std::string::npos;
  return is_type ? std::move(type) : "text/plain";
}

/// "value; name=value; name="value"": the parameters by their names in lower case.
struct Parameters {
  static constexpr std::size_t kMax = 1000;
  std::string value;  // lower case
  std::map<std::string, std::string, std::less<>> by_name;

  explicit Parameters(std::string_view text) {
    value = first_word(text);
    std::size_t at = text.find(';');
    while (at != std::string_view::npos && at < text.size() && by_name.size() < kMax) {
      const std::size_t equals = text.find('=', at + 1);
      if (equals == std::string_view::npos) return;
      std::string name = to_ascii_lower(trim(text.substr(at + 1, equals - at - 1)));
      at = equals + 1;
      by_name.emplace(std::move(name), take_value(text, at));
      at = text.find(';', at);
    }
  }

  static std::string take_value(std::string_view text, std::size_t& at) {
    at = std::min(text.find_first_not_of(" \t", at), text.size());
    if (at == text.size() || text[at] != '"') {
      const std::size_t end = std::min(text.find(';', at), text.size());
      const std::string_view token = trim(text.substr(at, end - at));
      at = end;
      return std::string(token);
    }
    std::string value;
    for (++at; at < text.size() && text[at] != '"'; ++at) {
      if (text[at] == '\\' && at + 1 < text.size()) ++at;
      value += text[at];
    }
    if (at < text.size()) ++at;
    return value;
  }

  [[nodiscard]] std::string get(const std::string& name) const {
    const auto found = by_name.find(name);
    return found == by_name.end() ? std::string() : found->second;
  }

  /// With continuations ("name*0") and character sets ("name*=utf-8''...") of RFC 2231, which come
  /// before the plain value for old readers; encoded words, which many send instead, are read too.
  [[nodiscard]] std::string get_extended(const std::string& name) const {
    std::string charset;
    if (const auto whole = by_name.find(name + '*'); whole != by_name.end()) {
      const std::string bytes = extended_bytes(whole->second, charset);
      return to_utf8(bytes, charset);
    }
    std::string joined;
    bool extended = false;
    for (int i = 0;; ++i) {
      const std::string section = name + '*' + std::to_string(i);
      const auto literal = by_name.find(section);
      if (const auto coded = by_name.find(section + '*'); coded != by_name.end()) {
        joined += i == 0 ? extended_bytes(coded->second, charset) : percent_decoded(coded->second);
        extended = true;
      } else if (literal != by_name.end()) {
        joined += literal->second;
      } else {
        break;
      }
    }
    if (extended) return to_utf8(joined, charset);
    return decode_header(joined.empty() ? get(name) : joined);
  }

  /// "utf-8'en'..." taken apart and decoded.
  static std::string extended_bytes(std::string_view text, std::string& charset) {
    const std::size_t first = text.find('\'');
    const std::size_t second = first == std::string_view::npos ? first : text.find('\'', first + 1);
    if (second == std::string_view::npos) return percent_decoded(text);
    charset = text.substr(0, first);
    return percent_decoded(text.substr(second + 1));
  }
};

/// Walks the tree of parts.
class Walk {
 public:
  explicit Walk(std::vector<MailPart>& parts) : parts_(parts) {}

  void visit(std::string_view body, const std::vector<RawField>& header, std::size_t depth) {
    const Parameters type(value_of(header, "Content-Type"));
    const std::string boundary = type.get("boundary");
    const bool is_multipart = type.value.starts_with("multipart/");
    if (is_multipart && !boundary.empty() && depth < Mail::kMaxDepth &&
        visit_parts(body, "--" + boundary, depth)) {
      return;
    }
    if (parts_.size() >= Mail::kMaxParts) return;
    const Parameters disposition(value_of(header, "Content-Disposition"));
    MailPart part;
    // What cannot be taken apart is at least shown.
    part.type = is_multipart ? "text/plain" : media_type(type.value);
    part.charset = first_word(type.get("charset"));
    part.filename = disposition.get_extended("filename");
    if (part.filename.empty()) part.filename = type.get_extended("name");
    part.encoding = first_word(value_of(header, "Content-Transfer-Encoding"));
    part.attachment = disposition.value == "attachment";
    part.body = body;
    parts_.push_back(std::move(part));
  }

 private:
  /// Whether there was any part.
  bool visit_parts(std::string_view body, std::string_view delimiter, std::size_t depth) {
    bool any = false;
    std::optional<std::size_t> start;  // of the part that is being read
    const std::string_view all = body;
    while (!body.empty()) {
      const std::size_t at = all.size() - body.size();
      const std::string_view line = without_end(take_line(body));
      if (!line.starts_with(delimiter)) continue;
      const std::string_view behind = trim(line.substr(delimiter.size()));
      if (!behind.empty() && behind != "--") continue;
      if (start) visit_part(without_end(all.substr(*start, at - *start)), depth);
      start.reset();
      if (behind == "--") return any;
      start = all.size() - body.size();
      any = true;
    }
    if (start) visit_part(all.substr(*start), depth);  // cut off
    return any;
  }

  void visit_part(std::string_view text, std::size_t depth) {
    if (parts_.size() >= Mail::kMaxParts) return;
    const std::vector<RawField> header = take_header(text);
    visit(text, header, depth + 1);
  }

  std::vector<MailPart>& parts_;
};

}  // namespace

std::string MailPart::content() const {
  if (encoding == "base64") return decode_base64(body);
  if (encoding == "quoted-printable") return decode_quoted_printable(body, false);
  return std::string(body);
}

std::string MailPart::text() const {
  std::string text = to_utf8(content(), charset);
  std::string lines;
  lines.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r' || i + 1 == text.size() || text[i + 1] != '\n') lines += text[i];
  }
  return lines;
}

Mail Mail::parse(std::string_view message) {
  Mail mail;
  const std::vector<RawField> header = take_header(message);
  mail.fields.reserve(header.size());
  for (const RawField& field : header) {
    mail.fields.push_back({std::string(field.name), decode_header(field.value)});
  }
  Walk(mail.parts).visit(message, header, 0);
  return mail;
}

std::string Mail::field(std::string_view name) const {
  const auto found =
      std::ranges::find_if(fields, [&](const MailField& one) { return iequals(one.name, name); });
  return found == fields.end() ? std::string() : found->value;
}

const MailPart* Mail::body(std::string_view type) const {
  const auto found = std::ranges::find_if(parts, [&](const MailPart& part) {
    return part.type == type && !part.attachment && part.filename.empty();
  });
  return found == parts.end() ? nullptr : &*found;
}

std::vector<const MailPart*> Mail::attachments() const {
  std::vector<const MailPart*> found;
  const MailPart* const plain = body("text/plain");
  const MailPart* const html = body("text/html");
  for (const MailPart& part : parts) {
    if (&part != plain && &part != html) found.push_back(&part);
  }
  return found;
}

}  // namespace netd::ctl
