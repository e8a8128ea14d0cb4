#include "daemon/protocols/smtp/mail_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/message_ids.h"
#include "daemon/base/unique_fd.h"
#include "daemon/base/unnamed_file.h"
#include "daemon/protocols/smtp/courier.h"
#include "daemon/protocols/smtp/maildir.h"
#include "tests/support/log_capture.h"
#include "tests/support/temp_dir.h"

namespace netd::smtp {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::SizeIs;

/// A store, the loop of one worker, and a client that collects what returns.
class MailStoreTest : public testing::Test, public DeliveryClient {
 public:
  MailStoreTest() { open(true); }
  ~MailStoreTest() override {
    if (courier_) courier_->close();
  }

 protected:
  void open(bool sync) {
    if (courier_) courier_->close();
    auto store = MailStore::create(
        {.root = root(), .hostname = "mx", .listener = "mail", .sync = sync}, clock_);
    ASSERT_TRUE(store) << store.error().what();
    store_ = std::move(*store);
    courier_ = std::make_shared<Courier>(*dispatcher_, *store_);
  }
  /// Waits for everything that was submitted.
  void close() {
    courier_->close();
    store_.reset();
    courier_.reset();
  }

  void on_delivery_returned(std::unique_ptr<Delivery> delivery) override {
    returned_.push_back(std::move(delivery));
  }

  std::unique_ptr<Delivery> delivery(std::vector<std::string> mailboxes, std::string text) {
    auto made = std::make_unique<Delivery>();
    made->mailboxes = std::move(mailboxes);
    made->file_name = store_->next_name().file;
    made->chunk = std::move(text);
    made->last = true;
    made->client = this;
    return made;
  }

  /// Waits until `count` are back.
  void wait(std::size_t count = 1) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (returned_.size() < count && std::chrono::steady_clock::now() < deadline) {
      dispatcher_->turn(true);
    }
    ASSERT_THAT(returned_, SizeIs(count));
  }
  StoreOutcome store(std::unique_ptr<Delivery> one) {
    returned_.clear();
    courier_->send(std::move(one));
    wait();
    return returned_.empty() ? StoreOutcome::failed : returned_.front()->outcome;
  }

  std::string root() const { return dir_ / "mail"; }
  std::vector<fs::path> files(std::string_view folder) const {
    std::vector<fs::path> found;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(fs::path(root()) / folder, ignored)) {
      found.push_back(entry.path());
    }
    std::ranges::sort(found);
    return found;
  }
  std::string text(const fs::path& path) const {
    return dir_.read(fs::relative(path, dir_.path()).string());
  }
  /// The text of the only file in a folder.
  std::string only(std::string_view folder) const {
    const auto found = files(folder);
    return found.size() == 1 ? text(found.front()) : std::to_string(found.size()) + " files";
  }

  test::TempDir dir_;
  SystemClock clock_;
  std::unique_ptr<Dispatcher> dispatcher_ = std::move(*Dispatcher::create(clock_));
  std::shared_ptr<MailStore> store_;
  std::shared_ptr<Courier> courier_;
  std::vector<std::unique_ptr<Delivery>> returned_;
};

TEST_F(MailStoreTest, PutsAMessageIntoNew) {
  EXPECT_EQ(store(delivery({"x/bob"}, "Subject: a\r\n\r\nhi\r\n")), StoreOutcome::done);
  EXPECT_EQ(only("x/bob/new"), "Subject: a\r\n\r\nhi\r\n");
  EXPECT_THAT(files("x/bob/tmp"), SizeIs(0));
  const std::string name = files("x/bob/new").front().filename();
  EXPECT_THAT(name, testing::EndsWith(",S=18"));
  EXPECT_EQ(name.find(':'), std::string::npos);
}

TEST_F(MailStoreTest, PutsAMessageOfManyChunksIntoNew) {
  std::string expected;
  auto one = delivery({"x/bob"}, "");
  for (int i = 0; i < 20; ++i) {
    one->chunk = std::string(10'000, static_cast<char>('a' + i));
    expected += one->chunk;
    one->last = i == 19;
    one->client = this;
    ASSERT_EQ(store(std::move(one)), StoreOutcome::done);
    one = std::move(returned_.front());
    if (i == 19) break;
    EXPECT_THAT(files("x/bob/tmp"), SizeIs(1));
    EXPECT_THAT(files("x/bob/new"), SizeIs(0)) << "half a message was in new/";
  }
  EXPECT_EQ(only("x/bob/new"), expected);
  EXPECT_THAT(files("x/bob/tmp"), SizeIs(0));
}

TEST_F(MailStoreTest, LinksOneFileIntoManyMailboxes) {
  EXPECT_EQ(store(delivery({"x/a", "x/b", "y/c"}, "text")), StoreOutcome::done);
  struct stat info{};
  for (const char* folder : {"x/a", "x/b", "y/c"}) {
    ASSERT_EQ(only(std::string(folder) + "/new"), "text");
    ASSERT_EQ(::stat(files(std::string(folder) + "/new").front().c_str(), &info), 0);
    EXPECT_EQ(info.st_nlink, 3U);
    EXPECT_THAT(files(std::string(folder) + "/tmp"), SizeIs(0));
  }
}

TEST_F(MailStoreTest, ServesManyAtOnce) {
  constexpr std::size_t kMessages = 300;
  for (std::size_t i = 0; i < kMessages; ++i) {
    courier_->send(delivery({"x/user" + std::to_string(i % 3)}, std::to_string(i)));
  }
  wait(kMessages);
  std::vector<std::string> texts;
  for (const char* folder : {"x/user0/new", "x/user1/new", "x/user2/new"}) {
    for (const auto& path : files(folder)) texts.push_back(text(path));
  }
  EXPECT_THAT(texts, SizeIs(kMessages));
  std::ranges::sort(texts);
  EXPECT_EQ(std::ranges::adjacent_find(texts), texts.end());
}

TEST_F(MailStoreTest, OneThatFailsDoesNotHurtItsGroup) {
  ASSERT_EQ(store(delivery({"x/bad"}, "1")), StoreOutcome::done);
  fs::remove_all(fs::path(root()) / "x/bad/new");
  dir_.write("mail/x/bad/new", "in the way");
  returned_.clear();
  for (int i = 0; i < 10; ++i) {
    courier_->send(delivery({i % 2 == 0 ? "x/bad" : "x/good"}, std::to_string(i)));
  }
  wait(10);
  for (const auto& one : returned_) {
    const bool is_good = one->mailboxes.front() == "x/good";
    EXPECT_EQ(one->outcome, is_good ? StoreOutcome::done : StoreOutcome::failed);
  }
  EXPECT_THAT(files("x/good/new"), SizeIs(5));
  EXPECT_THAT(files("x/bad/tmp"), SizeIs(0));
}

TEST_F(MailStoreTest, StoresForMoreMailboxesThanFoldersAreOpenAtOnce) {
  std::vector<std::string> mailboxes;
  for (int i = 0; i < 80; ++i) mailboxes.push_back("x/user" + std::to_string(i));
  EXPECT_EQ(store(delivery(mailboxes, "text")), StoreOutcome::done);
  for (const std::string& mailbox : mailboxes) EXPECT_EQ(only(mailbox + "/new"), "text");
}

TEST_F(MailStoreTest, WithoutSyncStoresTheSame) {
  open(false);
  EXPECT_EQ(store(delivery({"x/a", "x/b"}, "text")), StoreOutcome::done);
  EXPECT_EQ(only("x/a/new"), "text");
  EXPECT_EQ(only("x/b/new"), "text");
  EXPECT_EQ(fs::hard_link_count(files("x/a/new").front()), 2U);
}

TEST_F(MailStoreTest, WithoutSyncNothingIsInTmp) {
  open(false);
  if (const UniqueFd unnamed(open_unnamed(root(), O_RDWR, 0600)); !unnamed) {
    GTEST_SKIP() << "the file system of " << root() << " has no files without a name";
  }
  auto one = delivery({"x/bob"}, "first ");
  one->last = false;
  ASSERT_EQ(store(std::move(one)), StoreOutcome::done);
  one = std::move(returned_.front());
  EXPECT_TRUE(one->has_file());
  EXPECT_THAT(files("x/bob/tmp"), SizeIs(0));
  EXPECT_THAT(files("x/bob/new"), SizeIs(0)) << "half a message was in new/";
  // Removed meanwhile: it is made anew when the file gets its name.
  fs::remove_all(fs::path(root()) / "x");
  one->chunk = "last";
  one->last = true;
  one->client = this;
  EXPECT_EQ(store(std::move(one)), StoreOutcome::done);
  EXPECT_FALSE(returned_.front()->has_file());
  EXPECT_EQ(only("x/bob/new"), "first last");
  EXPECT_THAT(files("x/bob/new").front().filename().string(), testing::EndsWith(",S=10"));
}

TEST_F(MailStoreTest, WithoutSyncGivesUpWithoutATrace) {
  open(false);
  auto one = delivery({"x/bob"}, "first part");
  one->last = false;
  ASSERT_EQ(store(std::move(one)), StoreOutcome::done);
  one = std::move(returned_.front());
  ASSERT_TRUE(one->has_file());
  one->give_up = true;
  courier_->send(std::move(one));
  close();
  EXPECT_THAT(files("x/bob/tmp"), SizeIs(0));
  EXPECT_THAT(files("x/bob/new"), SizeIs(0));
}

TEST_F(MailStoreTest, MakesAMailboxAnewThatWasRemoved) {
  EXPECT_EQ(store(delivery({"x/bob"}, "1")), StoreOutcome::done);
  fs::remove_all(fs::path(root()) / "x");
  EXPECT_EQ(store(delivery({"x/bob"}, "2")), StoreOutcome::done);
  EXPECT_EQ(only("x/bob/new"), "2");
  fs::remove_all(root());
  EXPECT_EQ(store(delivery({"x/bob", "x/eve"}, "3")), StoreOutcome::done);
  EXPECT_EQ(only("x/eve/new"), "3");
}

TEST_F(MailStoreTest, GivesUpWithoutATrace) {
  auto one = delivery({"x/bob"}, "first part");
  one->last = false;
  ASSERT_EQ(store(std::move(one)), StoreOutcome::done);
  ASSERT_THAT(files("x/bob/tmp"), SizeIs(1));
  one = std::move(returned_.front());
  one->give_up = true;
  courier_->send(std::move(one));
  close();
  EXPECT_THAT(files("x/bob/tmp"), SizeIs(0));
  EXPECT_THAT(files("x/bob/new"), SizeIs(0));
}

TEST_F(MailStoreTest, CleansUpAfterAClientThatIsGone) {
  auto one = delivery({"x/bob"}, "first part");
  one->last = false;
  Delivery* const away = one.get();
  courier_->send(std::move(one));
  away->client = nullptr;
  dispatcher_->turn(true);
  close();
  EXPECT_THAT(files("x/bob/tmp"), SizeIs(0));
  EXPECT_THAT(files("x/bob/new"), SizeIs(0));
}

TEST_F(MailStoreTest, CleansUpAfterAWorkerThatIsGone) {
  auto one = delivery({"x/bob"}, "first part");
  one->last = false;
  courier_->send(std::move(one));
  close();
  dispatcher_.reset();
  EXPECT_THAT(files("x/bob/tmp"), SizeIs(0));
}

TEST_F(MailStoreTest, ErrorsLeaveNothingAndAreToldOnce) {
  const test::LogCapture log;
  ASSERT_EQ(store(delivery({"x/bob"}, "1")), StoreOutcome::done);
  // A file where new/ should be: the copy in the other mailbox must go, too.
  fs::remove_all(fs::path(root()) / "x/bob/new");
  dir_.write("mail/x/bob/new", "in the way");
  EXPECT_EQ(store(delivery({"x/eve", "x/bob"}, "2")), StoreOutcome::failed);
  EXPECT_EQ(store(delivery({"x/eve", "x/bob"}, "3")), StoreOutcome::failed);
  EXPECT_THAT(files("x/eve/new"), SizeIs(0));
  EXPECT_THAT(files("x/eve/tmp"), SizeIs(0));
  EXPECT_THAT(files("x/bob/tmp"), SizeIs(0));
  EXPECT_THAT(store_->trouble(), HasSubstr("Not a directory"));
  const auto told = log.entries("mail_store_failed");
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told.front().field("MESSAGE_ID"), message_id::kStoreUnavailable);

  fs::remove(fs::path(root()) / "x/bob/new");
  EXPECT_EQ(store(delivery({"x/eve", "x/bob"}, "4")), StoreOutcome::done);
  EXPECT_EQ(store_->trouble(), "");
  EXPECT_THAT(log.entries("mail_store_recovered"), SizeIs(1));
}

TEST(MailStoreRoot, MustBeUsable) {
  const test::TempDir dir;
  dir.write("file", "");
  const SystemClock clock;
  const auto refused =
      MailStore::create({.root = dir / "file", .hostname = "mx", .listener = "mail"}, clock);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what(), HasSubstr(dir / "file"));
}

}  // namespace
}  // namespace netd::smtp
