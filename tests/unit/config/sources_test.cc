// Which files are read, in which order, and what cannot be read.
#include "daemon/config/sources.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "tests/support/temp_dir.h"
#include "tests/unit/config/config_fixture.h"

namespace netd::config::test {
namespace {

using netd::test::TempDir;
using ::testing::ElementsAre;
using ::testing::SizeIs;

LoadResult load_file(const std::string& path) { return load(path, kProtocols, environment()); }

TEST(Sources, ReadTheMainFileAndThenConfDInNameOrder) {
  const TempDir folder;
  const std::string main = folder.write("netd.conf", "[netd]\nworkers = 2\n");
  folder.write("conf.d/20-b.conf", "[listener b]\nprotocol = echo\nlisten = fd:b\n");
  folder.write("conf.d/10-a.conf", "[listener a]\nprotocol = echo\nlisten = fd:a\n");
  folder.write("conf.d/Z.conf", "[tasks]\nsync = off\n");
  folder.write("conf.d/.hidden.conf", "nonsense");
  folder.write("conf.d/readme.txt", "nonsense");
  folder.write("conf.d/a.conf.bak", "nonsense");
  std::filesystem::create_symlink("/dev/null", folder / "conf.d/masked.conf");
  const auto settings = load_file(main);
  ASSERT_TRUE(settings) << ::testing::PrintToString(mistakes_of(settings));
  EXPECT_THAT((*settings)->files,
              ElementsAre(main, folder / "conf.d/10-a.conf", folder / "conf.d/20-b.conf",
                          folder / "conf.d/Z.conf", folder / "conf.d/masked.conf"));
  EXPECT_EQ((*settings)->netd.workers, 2U);
  EXPECT_EQ((*settings)->tasks.sync, SyncMode::off);
  ASSERT_THAT((*settings)->listeners, SizeIs(2));
  EXPECT_EQ((*settings)->listeners[0].name, "a");
}

TEST(Sources, FindConfDBesideAFileOfTheWorkingFolder) {
  const TempDir folder;
  folder.write("netd.conf", "");
  folder.write("conf.d/a.conf", "[netd]\nworkers = 5\n");
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  const auto settings = load_file("netd.conf");
  std::filesystem::current_path(before);
  ASSERT_TRUE(settings);
  EXPECT_THAT((*settings)->files, ElementsAre("netd.conf", "conf.d/a.conf"));
}

TEST(Sources, SayWhyAFileCannotBeRead) {
  const TempDir folder;
  std::filesystem::create_directory(folder.path() / "folder");
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  std::filesystem::create_symlink(folder / "loop", folder / "loop");
  folder.write("big", std::string(kMaxFileSize + 1, '\n'));
  const auto only = [&](const std::string& name) { return mistakes_of(load_file(folder / name)); };
  EXPECT_THAT(only("none"),
              ElementsAre(folder / "none" + ":0: cannot open the file: No such file or directory"));
  EXPECT_THAT(
      only("none/none"),
      ElementsAre(folder / "none/none" + ":0: cannot open the file: No such file or directory"));
  EXPECT_THAT(only("folder"),
              ElementsAre(folder / "folder" + ":0: found a folder, expected a file"));
  EXPECT_THAT(only("fifo"), ElementsAre(folder / "fifo" + ":0: expected a regular file"));
  EXPECT_THAT(only("loop"),
              ElementsAre(folder / "loop" + ":0: cannot open the file: Too many levels of symbolic "
                                            "links"));
  EXPECT_THAT(only("big"),
              ElementsAre(folder / "big" + ":0: found a file over 1M, expected a smaller one"));
  EXPECT_THAT(mistakes_of(load_file("/dev/zero")),
              ElementsAre("/dev/zero:0: found a file over 1M, expected a smaller one"));
  EXPECT_THAT(mistakes_of(load_file("")),
              ElementsAre(":0: cannot open the file: No such file or directory"));
}

TEST(Sources, TakeAFileOfTheLargestSize) {
  const TempDir folder;
  EXPECT_TRUE(load_file(folder.write("big", std::string(kMaxFileSize, '\n'))));
}

TEST(Sources, ReportUnreadableFilesBesideOtherMistakes) {
  const TempDir folder;
  const std::string main = folder.write("netd.conf", "[netd]\nworkers = x\n");
  folder.write("conf.d/b.conf", "[tasks]\nsync = x\n");
  std::filesystem::create_directory(folder.path() / "conf.d/a.conf");
  std::filesystem::create_symlink(folder / "nowhere", folder / "conf.d/c.conf");
  EXPECT_THAT(
      mistakes_of(load_file(main)),
      ElementsAre(
          main + ":2: [netd] workers: found \"x\", expected auto or a number from 1 to 64",
          folder / "conf.d/a.conf" + ":0: found a folder, expected a file",
          folder / "conf.d/b.conf" + ":2: [tasks] sync: found \"x\", expected always, batch or off",
          folder / "conf.d/c.conf" + ":0: cannot open the file: No such file or directory"));
}

TEST(Sources, AConfDThatIsNoFolderIsAMistake) {
  const TempDir folder;
  const std::string main = folder.write("netd.conf", "");
  folder.write("conf.d", "");
  EXPECT_THAT(mistakes_of(load_file(main)),
              ElementsAre(folder / "conf.d" + ":0: cannot read the folder: Not a directory"));
}

TEST(Sources, AreBounded) {
  const TempDir folder;
  const std::string main = folder.write("netd.conf", "");
  for (std::size_t i = 0; i <= kMaxFiles; ++i) {
    folder.write("conf.d/" + std::to_string(i) + ".conf", "");
  }
  EXPECT_THAT(mistakes_of(load_file(main)),
              ElementsAre(folder / "conf.d" + ":0: expected at most 256 files"));
}

}  // namespace
}  // namespace netd::config::test
