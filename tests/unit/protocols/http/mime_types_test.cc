#include "daemon/protocols/http/mime_types.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temp_dir.h"

namespace netd::http {
namespace {

TEST(MimeTypes, HasTheEssentials) {
  const MimeTypes types("/nonexistent");
  EXPECT_EQ(types.type_of("index.html"), "text/html; charset=utf-8");
  EXPECT_EQ(types.type_of("a.b/INDEX.HTML"), "text/html; charset=utf-8");
  EXPECT_EQ(types.type_of("x.svg"), "image/svg+xml");
  EXPECT_EQ(types.type_of("x.js"), "text/javascript; charset=utf-8");
  EXPECT_EQ(types.type_of("x.unheard-of"), "application/octet-stream");
  EXPECT_EQ(types.type_of("Makefile"), "application/octet-stream");
  EXPECT_EQ(types.type_of("dot."), "application/octet-stream");
  EXPECT_EQ(types.type_of("x." + std::string(100, 'a')), "application/octet-stream");
}

TEST(MimeTypes, ReadsTheSystemsTable) {
  const test::TempDir dir;
  const std::string path = dir.path() / "mime.types";
  std::ofstream(path) << "# comment\napplication/x-one\tone uno # eins\n\ntext/two two\n"
                         "application/x-javascript js\nno/extension\n";
  const MimeTypes types(path);
  EXPECT_EQ(types.type_of("a.one"), "application/x-one");
  EXPECT_EQ(types.type_of("a.uno"), "application/x-one");
  EXPECT_EQ(types.type_of("a.two"), "text/two; charset=utf-8");
  EXPECT_EQ(types.type_of("a.js"), "text/javascript; charset=utf-8");
}

}  // namespace
}  // namespace netd::http
