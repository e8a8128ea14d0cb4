#include "ctl/table.h"

#include <gtest/gtest.h>

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

TEST(Table, ColoursOnlyWhereTheTerminalHasThem) {
  Terminal terminal;
  EXPECT_EQ(terminal.red("x"), "x");
  terminal.colour = true;
  EXPECT_EQ(terminal.red("x"), "\x1b[31mx\x1b[0m");
}

}  // namespace
}  // namespace netd::ctl
