#include "daemon/protocols/http/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>

#include "daemon/config/loader.h"
#include "daemon/protocols/http/http.h"

namespace netd::http {
namespace {

using ::testing::HasSubstr;

/// The mistakes of one line in the section of a listener, each as a line.
std::string mistakes_of(const std::string& line) {
  const std::string text =
      "[listener web]\nprotocol = http\nlisten = tcp:127.0.0.1:0\nroute = / info\n" + line + "\n";
  const std::array sources = {config::SourceFile{.name = "netd.conf", .text = text}};
  const std::array schemas = {config::ProtocolSchema{
      .name = "http", .rows = kHttpProtocol.rows, .check = kHttpProtocol.check}};
  const auto loaded = config::load_sources(sources, schemas, config::Environment::system());
  std::string found;
  if (!loaded) {
    for (const auto& mistake : loaded.error()) found += config::format(mistake) + "\n";
  }
  return found;
}

TEST(HttpSettings, FieldsThatNetdWritesAreNotConfigured) {
  for (const char* name : {"Allow", "Content-Length", "location", "Transfer-Encoding"}) {
    EXPECT_THAT(mistakes_of("header = " + std::string(name) + ": x"),
                HasSubstr("expected a header field that netd does not write itself"))
        << name;
  }
  EXPECT_EQ(mistakes_of("header = X-Frame-Options: DENY"), "");
}

}  // namespace
}  // namespace netd::http
