#include "daemon/config/expand.h"

#include <gmock/gmock.h>
#include <ini.h>

#include <map>
#include <string>

namespace netd::config {
namespace {

std::optional<std::string> lookup(const std::string& name) {
  static const std::map<std::string, std::string> variables = {
      {"HOST", "::1"},
      {"EMPTY", ""},
      {"_a1", "x"},
      {"MANY", "a\nb = c"},
      {"DOLLAR", "${HOST}"},
      {"LATIN", "caf\xE9"},
      {"BIG", std::string(kMaxExpandedSize, 'b')},
  };
  const auto found = variables.find(name);
  if (found == variables.end()) return std::nullopt;
  return found->second;
}

TEST(Expand, PutsVariablesIn) {
  const struct {
    const char* text;
    const char* expanded;
  } cases[] = {
      {"", ""},
      {"plain", "plain"},
      {"${HOST}", "::1"},
      {"tcp:[${HOST}]:${PORT:-80}", "tcp:[::1]:80"},
      {"${_a1}${_a1}", "xx"},
      {"${EMPTY}", ""},
      {"${EMPTY:-full}", "full"},
      {"${HOST:-no}", "::1"},
      {"${UNSET:-}", ""},
      {"${UNSET:-${HOST}}", "::1"},
      {"${UNSET:-a ${UNSET2:-b} c}", "a b c"},
      {"${UNSET:-a:-b}", "a:-b"},
      {"${:-;}", ";"},
      {"a${:- }", "a "},
      {"$$", "$"},
      {"$${HOST}", "${HOST}"},
      {"$$$${HOST}", "$${HOST}"},
      {"$$${HOST}", "$::1"},
      {"5$", "5$"},
      {"$HOST", "$HOST"},
      {"a}b", "a}b"},
      {"${DOLLAR}", "${HOST}"},  // values are not read again
  };
  for (const auto& test : cases) {
    const auto expanded = expand(test.text, lookup);
    ASSERT_TRUE(expanded) << test.text << ": " << expanded.error().what();
    EXPECT_EQ(*expanded, test.expanded) << test.text;
  }
}

TEST(Expand, SaysWhatIsWrong) {
  const struct {
    const char* text;
    const char* error;
  } cases[] = {
      {"${PORT}",
       "expected the environment variable PORT to be set, or a default: ${PORT:-DEFAULT}"},
      {"a ${HOST", "expected } after ${"},
      {"${", "expected } after ${"},
      {"${HOST:-", "expected } after ${HOST"},
      {"${HOST:-${HOST}", "expected } after ${HOST"},
      {"${}", "expected the name of an environment variable after ${"},
      {"${1A}", "expected the name of an environment variable after ${"},
      {"${A B}", "expected the name of an environment variable after ${"},
      {"${A-b}", "expected the name of an environment variable after ${"},
      {"${HOST:+x}", "expected :- or } after ${HOST"},
      {"${HOST:}", "expected :- or } after ${HOST"},
      {"${MANY}", "expected variables without line ends and control characters"},
      {"${LATIN}", "expected variables in UTF-8"},
      {"${BIG}${BIG}", "expected at most 4096 bytes with the variables put in"},
      {"${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-}}}}}}}}}",
       "expected at most 8 ${ in each other"},
  };
  for (const auto& test : cases) {
    const auto expanded = expand(test.text, lookup);
    ASSERT_FALSE(expanded) << test.text;
    EXPECT_EQ(expanded.error().what(), test.error) << test.text;
  }
  EXPECT_TRUE(expand("${BIG}", lookup));
}

TEST(Escape, IsReadBackAsItWas) {
  for (const std::string value :
       {"a", "$",  "$$", "${HOST}", "$${HOST}", " a ", "\ta\t", ";",   "a ;b", "a ; b", "a;b",
        " ", "  ", ";;", " ;",      "; ; ;",    "a }", "{;}",   "= x", ": x",  "# x",   "[x]"}) {
    const std::string line = "k = " + escape(value) + "\n";
    std::string seen = "nothing";
    const auto handler = [](void* user, const char*, const char*, const char* text) {
      *static_cast<std::string*>(user) = text;
      return 1;
    };
    ASSERT_EQ(::ini_parse_string(line.c_str(), handler, &seen), 0) << line;
    const auto expanded = expand(seen, lookup);
    ASSERT_TRUE(expanded) << line;
    EXPECT_EQ(*expanded, value) << line;
  }
}

}  // namespace
}  // namespace netd::config
