#include "daemon/config/paths.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "daemon/base/unique_fd.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/config/config_fixture.h"

namespace netd::config::test {
namespace {

using netd::test::TempDir;
using ::testing::ElementsAre;

class Paths : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_.write("file", "x");
    std::filesystem::create_directory(folder_.path() / "folder");
    ASSERT_EQ(::mkfifo((folder_ / "fifo").c_str(), 0600), 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = folder_ / "socket";
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    socket_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }

  TempDir folder_;
  UniqueFd socket_;
};

TEST_F(Paths, AreJudgedByWhatIsThere) {
  const struct {
    const char* name;
    bool socket, fifo, file, folder, readable;
  } cases[] = {
      {"new", true, true, true, true, false},
      {"file", false, false, true, false, false},
      {"folder", false, false, false, true, true},
      {"fifo", false, true, true, false, false},
      {"socket", true, false, true, false, false},
      {"folder/new", true, true, true, true, false},
      {"none/new", false, false, false, false, false},
      {"file/new", false, false, false, false, false},
  };
  for (const auto& test : cases) {
    const std::string path = folder_ / test.name;
    EXPECT_EQ(check_socket_place(path).has_value(), test.socket) << test.name;
    EXPECT_EQ(check_fifo_place(path).has_value(), test.fifo) << test.name;
    EXPECT_EQ(check_file_place(path).has_value(), test.file) << test.name;
    EXPECT_EQ(check_folder_place(path).has_value(), test.folder) << test.name;
    EXPECT_EQ(check_readable_folder(path).has_value(), test.readable) << test.name;
  }
}

TEST_F(Paths, NameTheReason) {
  EXPECT_EQ(check_socket_place(folder_ / "none/new").error().what(),
            "expected a path in a folder that can be written to (" + folder_ / "none" +
                ": No such file or directory)");
  EXPECT_EQ(check_fifo_place(folder_ / "file").error().what(),
            "expected a path of nothing or of a FIFO: something else is there");
  EXPECT_EQ(check_folder_place(folder_ / "file").error().what(),
            "expected a folder that can be written to (" + folder_ / "file" + ": Not a directory)");
}

TEST_F(Paths, ThatMayNotBeWrittenToAreRefused) {
  // No one writes there, root included.
  EXPECT_FALSE(check_socket_place("/proc/sys/netd.sock"));
  EXPECT_FALSE(check_folder_place("/proc/nope/tasks"));
  if (::geteuid() == 0) return;
  ASSERT_EQ(::chmod((folder_ / "folder").c_str(), 0500), 0);
  EXPECT_FALSE(check_socket_place(folder_ / "folder/new"));
  EXPECT_FALSE(check_file_place(folder_ / "folder/new"));
  EXPECT_FALSE(check_folder_place(folder_ / "folder"));
  EXPECT_TRUE(check_readable_folder(folder_ / "folder"));
}

TEST_F(Paths, OfThePackageNeedNotBeThereYet) {
  EXPECT_TRUE(check_socket_place("/run/netd/control.sock"));
  EXPECT_TRUE(check_fifo_place("/run/netd/control.fifo"));
  EXPECT_TRUE(check_folder_place("/var/lib/netd/tasks"));
}

TEST_F(Paths, OfTheConfigurationAreJudgedAtTheirPlaces) {
  const std::string text =
      "[control]\nsocket = " + folder_ / "socket" + "\nfifo = " + folder_ / "file" +
      "\n[tasks]\npath = " + folder_ / "none/tasks" + "\n[listener a]\nprotocol = echo\n" +
      "listen = unix:" + folder_ / "none/s" + "\naccess_log = " + folder_ / "folder" + "\n";
  EXPECT_THAT(
      mistakes_of(load_text(text)),
      ElementsAre("netd.conf:3: [control] fifo: found \"" + folder_ / "file" +
                      "\", expected a path of nothing or of a FIFO: something else is there",
                  "netd.conf:5: [tasks] path: found \"" + folder_ / "none/tasks" +
                      "\", expected a folder, or one in which it can be made (" + folder_ / "none" +
                      ": No such file or directory)",
                  "netd.conf:8: [listener a] listen: found \"unix:" + folder_ / "none/s" +
                      "\", expected a path in a folder that can be written to (" +
                      folder_ / "none" + ": No such file or directory)",
                  "netd.conf:9: [listener a] access_log: found \"" + folder_ / "folder" +
                      "\", expected a file that can be written to (" + folder_ / "folder" +
                      ": Is a directory)"));
}

TEST_F(Paths, AMissingFolderOfTheSocketIsSaidOnce) {
  EXPECT_THAT(mistakes_of(load_text("[control]\nsocket = " + folder_ / "none/s" + "\n")),
              ElementsAre("netd.conf:2: [control] socket: found \"" + folder_ / "none/s" +
                          "\", expected a path in a folder that can be written to (" +
                          folder_ / "none" + ": No such file or directory)"));
}

}  // namespace
}  // namespace netd::config::test
