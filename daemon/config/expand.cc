#include "daemon/config/expand.h"

#include "daemon/base/text.h"

namespace netd::config {

namespace {

// ${A:-${B:-...}} is as deep as a person writes; the bound is for the stack.
constexpr unsigned kMaxDepth = 8;

bool is_variable_name(std::string_view name) {
  if (name.empty() || is_ascii_digit(name.front())) return false;
  for (const char c : name) {
    if (!is_ascii_alpha(c) && !is_ascii_digit(c) && c != '_') return false;
  }
  return true;
}

class Expansion {
 public:
  Expansion(std::string_view text, const VariableLookup& lookup) : rest_(text), lookup_(lookup) {}

  Result<std::string> run() {
    auto out = text_until_end(0);
    if (!out) return out;
    if (out->size() > kMaxExpandedSize) {
      return fail("expected at most " + std::to_string(kMaxExpandedSize) +
                  " bytes with the variables put in");
    }
    for (const char c : *out) {
      const auto byte = static_cast<unsigned char>(c);
      if ((byte < 0x20 && c != '\t') || byte == 0x7F) {
        return fail("expected variables without line ends and control characters");
      }
    }
    if (!is_utf8(*out)) return fail("expected variables in UTF-8");
    return out;
  }

 private:
  /// Up to the end, or inside ${...} up to its brace, which stays.
  Result<std::string> text_until_end(unsigned depth) {
    std::string out;
    while (!rest_.empty() && !(depth > 0 && rest_.front() == '}')) {
      if (out.size() > kMaxExpandedSize) break;
      if (rest_.starts_with("$$")) {
        out += '$';
        rest_.remove_prefix(2);
      } else if (rest_.starts_with("${")) {
        rest_.remove_prefix(2);
        auto value = variable(depth + 1);
        if (!value) return value;
        out += *value;
      } else {
        out += rest_.front();
        rest_.remove_prefix(1);
      }
    }
    return out;
  }

  /// What follows "${", with its brace.
  Result<std::string> variable(unsigned depth) {
    if (depth > kMaxDepth) {
      return fail("expected at most " + std::to_string(kMaxDepth) + " ${ in each other");
    }
    const auto end = rest_.find_first_of("}:");
    if (end == std::string_view::npos) return fail("expected } after ${");
    const std::string name(rest_.substr(0, end));
    const bool has_default = rest_.substr(end).starts_with(":-");
    if (!is_variable_name(name) && !(name.empty() && has_default)) {
      return fail("expected the name of an environment variable after ${");
    }
    if (rest_[end] == ':' && !has_default) return fail("expected :- or } after ${" + name);
    rest_.remove_prefix(end + (has_default ? 2 : 0));
    auto value = name.empty() ? std::nullopt : lookup_(name);
    if (has_default) {
      auto otherwise = text_until_end(depth);
      if (!otherwise) return otherwise;
      if (!value || value->empty()) value = std::move(*otherwise);
    }
    if (!rest_.starts_with('}')) return fail("expected } after ${" + name);
    rest_.remove_prefix(1);
    if (!value) {
      return fail("expected the environment variable " + name + " to be set, or a default: ${" +
                  name + ":-DEFAULT}");
    }
    return std::move(*value);
  }

  std::string_view rest_;
  const VariableLookup& lookup_;
};

/// A blank that a reader would cut, or a semicolon that would start a comment.
bool needs_quoting(std::string_view value, std::size_t at) {
  const auto blank = [&](std::size_t i) { return value[i] == ' ' || value[i] == '\t'; };
  if (blank(at)) return at == 0 || at + 1 == value.size();
  return value[at] == ';' && (at == 0 || blank(at - 1));
}

}  // namespace

Result<std::string> expand(std::string_view text, const VariableLookup& lookup) {
  return Expansion(text, lookup).run();
}

std::string escape(std::string_view value) {
  std::string out;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '$') {
      out += "$$";
    } else if (needs_quoting(value, i)) {
      out += "${:-";
      out += value[i];
      out += '}';
    } else {
      out += value[i];
    }
  }
  return out;
}

}  // namespace netd::config
