#include "daemon/control/line_splitter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace netd::control {
namespace {

using testing::ElementsAre;

std::vector<std::string> feed(LineSplitter& splitter, std::string_view bytes, std::size_t piece) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    splitter.feed(bytes.substr(at, piece), [&](LineSplitter::Kind kind, std::string_view text) {
      lines.emplace_back(kind == LineSplitter::Kind::line ? text : "TOO LONG");
    });
  }
  return lines;
}

TEST(LineSplitter, LinesComeWholeInWhateverPieces) {
  for (std::size_t piece = 1; piece < 20; ++piece) {
    LineSplitter splitter(10);
    EXPECT_THAT(feed(splitter, "status\r\n\nversion\nhalf", piece),
                ElementsAre("status", "", "version"))
        << piece;
    EXPECT_TRUE(splitter.drop_unfinished());
    EXPECT_FALSE(splitter.drop_unfinished());
    EXPECT_THAT(feed(splitter, "stop\n", piece), ElementsAre("stop"));
  }
}

TEST(LineSplitter, ALineThatIsTooLongIsSkippedToItsEnd) {
  for (std::size_t piece = 1; piece < 40; ++piece) {
    LineSplitter splitter(5);
    EXPECT_THAT(feed(splitter, "12345\n123456\n" + std::string(30, 'x') + "\nok\n12345\r\n", piece),
                ElementsAre("12345", "TOO LONG", "TOO LONG", "ok", "12345"))
        << piece;
  }
}

}  // namespace
}  // namespace netd::control
