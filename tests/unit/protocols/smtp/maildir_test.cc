#include "daemon/protocols/smtp/maildir.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"

namespace netd::smtp {
namespace {

TEST(UniqueNames, AreAsTheMaildirPageSays) {
  const test::FakeClock clock;
  UniqueNames names(clock, "mail.example.org");
  const auto name = names.next();
  EXPECT_TRUE(name.file.starts_with("1767323045.M0P")) << name.file;
  EXPECT_TRUE(name.file.ends_with("Q1.mail.example.org")) << name.file;
  EXPECT_EQ(name.file, "1767323045." + name.id + ".mail.example.org");
  EXPECT_EQ(name.file.find_first_of(":/,"), std::string::npos);
}

TEST(UniqueNames, EscapeWhatMeansSomethingInMaildir) {
  const test::FakeClock clock;
  UniqueNames names(clock, "a/b:c");
  EXPECT_TRUE(names.next().file.ends_with(".a\\057b\\072c"));
}

TEST(UniqueNames, NeverComeTwice) {
  const test::FakeClock clock;  // the time stands still
  UniqueNames names(clock, "x");
  UniqueNames others(clock, "x");  // another instance, as after a restart
  std::vector<std::vector<std::string>> made(4);
  {
    std::vector<std::jthread> threads;
    threads.reserve(made.size());
    for (std::size_t i = 0; i < made.size(); ++i) {
      threads.emplace_back([&, i] {
        UniqueNames& from = i % 2 == 0 ? names : others;
        for (int n = 0; n < 1000; ++n) made[i].push_back(from.next().file);
      });
    }
  }
  std::set<std::string> all;
  for (const auto& some : made) all.insert(some.begin(), some.end());
  EXPECT_EQ(all.size(), 4000U);
}

TEST(UniqueNames, AreKnownInTmp) {
  const test::FakeClock clock;
  UniqueNames names(clock, "x");
  UniqueNames others(clock, "x");
  const std::string in_tmp = UniqueNames::in_tmp(names.next().file);
  EXPECT_TRUE(UniqueNames::is_of_netd(in_tmp));
  EXPECT_TRUE(names.is_of_this(in_tmp));
  EXPECT_FALSE(others.is_of_this(in_tmp));
  EXPECT_FALSE(UniqueNames::is_of_netd("1767323045.M0P1Q1.x"));
}

TEST(UniqueNames, OfALongHostFitIntoAFileSystem) {
  const SystemClock clock;
  UniqueNames names(clock, std::string(253, 'a'));
  const std::string file =
      UniqueNames::in_tmp(names.next().file) + ",S=18446744073709551615:2,DFPRST";
  EXPECT_LE(file.size(), 255U);
}

TEST(Mailbox, FoldersAreMadeOnceAndStay) {
  const test::TempDir dir;
  for (int i = 0; i < 2; ++i) {
    const auto made = make_mailbox(dir.path(), "example.org/bob", true);
    ASSERT_TRUE(made) << made.error().what();
  }
  for (const char* part : {"tmp", "new", "cur"}) {
    EXPECT_TRUE(std::filesystem::is_directory(dir.path() / "example.org/bob" / part)) << part;
  }
}

TEST(Mailbox, ErrorsNameThePath) {
  const test::TempDir dir;
  dir.write("example.org", "a file in the way");
  const auto made = make_mailbox(dir.path(), "example.org/bob", true);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), ENOTDIR);
  EXPECT_NE(made.error().what().find("example.org"), std::string::npos);
}

TEST(Root, IsMadeWithItsParents) {
  const test::TempDir dir;
  const auto made = make_root(dir / "a/b/c");
  ASSERT_TRUE(made) << made.error().what();
  EXPECT_TRUE(std::filesystem::is_directory(dir.path() / "a/b/c"));
  EXPECT_TRUE(make_root(dir / "a/b/c"));
  dir.write("file", "");
  EXPECT_FALSE(make_root(dir / "file/x"));
}

TEST(RenameNew, ReplacesNothing) {
  const test::TempDir dir;
  const std::string from = dir.write("from", "new");
  const std::string to = dir.write("to", "old");
  EXPECT_EQ(rename_new(from, to), EEXIST);
  EXPECT_EQ(dir.read("to"), "old");
  EXPECT_EQ(rename_new(from, dir / "free"), 0);
  EXPECT_EQ(dir.read("free"), "new");
  EXPECT_FALSE(std::filesystem::exists(from));
}

}  // namespace
}  // namespace netd::smtp
