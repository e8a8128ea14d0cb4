#include "ctl/table.h"

#include <gtest/gtest.h>

#include <clocale>

namespace netd::ctl {
namespace {

TEST(Table, AlignsItsColumns) {
  Table table({"NAME", ">COUNT", "ADDRESS"});
  EXPECT_TRUE(table.empty());
  table.add({"é", "7", "x y"});
  table.add({"longer", "12345", ""});
  EXPECT_EQ(table.text(Terminal()),
            "NAME    COUNT  ADDRESS\n"
            "é           7  x y\n"
            "longer  12345\n");
}

TEST(Table, AlignsWhatIsWideOrHasNoWidth) {
  ASSERT_NE(std::setlocale(LC_CTYPE, "C.UTF-8"), nullptr);
  Table table({"NAME", "QUEUE"});
  table.add({"日本語", "a"});
  table.add({"e\u0301t\u00e9", "b"});
  EXPECT_EQ(table.text(Terminal()),
            "NAME    QUEUE\n"
            "日本語  a\n"
            "e\u0301t\u00e9     b\n");
  EXPECT_EQ(table.width(), 13U);
  (void)std::setlocale(LC_CTYPE, "C");
}

TEST(Table, ColoursOnlyWhereTheTerminalHasThem) {
  Terminal terminal;
  EXPECT_EQ(terminal.red("x"), "x");
  terminal.colour = true;
  EXPECT_EQ(terminal.red("x"), "\x1b[31mx\x1b[0m");
}

}  // namespace
}  // namespace netd::ctl
