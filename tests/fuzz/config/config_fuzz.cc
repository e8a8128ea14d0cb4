// Any bytes as configuration: no crash, every mistake with its place, and what loads can be printed
// and loaded again to the same. A 0x01 starts a further file.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/text.h"
#include "daemon/config/loader.h"
#include "daemon/config/settings.h"
#include "tests/unit/config/config_fixture.h"

using netd::config::describe_changes;
using netd::config::load_sources;
using netd::config::LoadResult;
using netd::config::Mistake;
using netd::config::SourceFile;
using netd::config::test::kProtocols;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check_mistakes(const LoadResult& result, const std::vector<SourceFile>& sources) {
  require(!result.error().empty());
  for (const Mistake& mistake : result.error()) {
    require(!mistake.message.empty() && netd::is_utf8(mistake.message));
    require(mistake.message.find('\n') == std::string::npos);
    bool known = false;
    for (const SourceFile& source : sources) known = known || source.name == mistake.file;
    require(known);
  }
}

/// A line that inih could hold; a value with variables put in may have outgrown it.
bool fits(std::string_view text) {
  for (const std::string_view line : netd::split(text, '\n')) {
    if (line.size() > 199) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  std::vector<SourceFile> sources;
  for (const std::string_view text : netd::split(input, '\x01')) {
    sources.push_back({"file" + std::to_string(sources.size()), std::string(text)});
  }
  const auto machine = netd::config::test::environment(
      {{"A", "echo"}, {"EMPTY", ""}, {"ODD", " ; $ "}, {"PORT", "80"}, {"LINES", "a\nb"}});
  const LoadResult first = load_sources(sources, kProtocols, machine);
  if (!first) {
    check_mistakes(first, sources);
    return 0;
  }
  const std::string printed = print(**first);
  if (!fits(printed)) return 0;
  const std::vector<SourceFile> again = {{"printed", printed}};
  const LoadResult second = load_sources(again, kProtocols, machine);
  require(second.has_value());
  require(describe_changes(**first, **second).empty());
  require(print(**second) == printed);
  return 0;
}
