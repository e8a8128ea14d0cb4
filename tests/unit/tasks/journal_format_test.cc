#include "daemon/tasks/journal_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "daemon/tasks/crc32c.h"

namespace netd::tasks {
namespace {

constexpr std::uint64_t kGeneration = 0x1122334455667788;

Record full_record() {
  Record record;
  record.seq = 0x0102030405060708;
  record.id = "\"id\"";
  record.queue = "default";
  record.data = R"({"n":[1,2,3]})";
  record.priority = -5;
  record.attempt = 2;
  record.max_attempts = 7;
  record.dead = true;
  record.created = 1'767'323'045'123;
  record.ready_at = 1'767'323'055'123;
  record.expires = 1'767'323'065'123;
  return record;
}

StoreOp op(StoreOp::Kind kind, std::string text = "") {
  StoreOp made{.kind = kind};
  made.record = full_record();
  made.text = std::move(text);
  return made;
}

/// A file with these frames, one after the other.
class FileMaker {
 public:
  explicit FileMaker(std::size_t size = 1U << 15U) : file_(size, '\0') {
    file_.replace(0, kFirstFrame, encode_header({.generation = kGeneration, .size = size}));
  }
  /// Returns where it begins.
  std::size_t add(std::uint64_t number, const std::vector<std::string>& queues,
                  std::uint64_t generation = kGeneration) {
    FrameBuilder builder;
    for (const std::string& name : queues) (void)builder.add(op(StoreOp::Kind::pause, name));
    const std::string_view frame = builder.finish(generation, number, number - 1);
    const std::size_t at = end_;
    file_.replace(at, frame.size(), frame);
    end_ += frame.size();
    return at;
  }
  void rewind() { end_ = kFirstFrame; }
  std::string& bytes() { return file_; }
  [[nodiscard]] std::size_t end() const { return end_; }

 private:
  std::string file_;
  std::size_t end_ = kFirstFrame;
};

std::vector<std::uint64_t> numbers(std::string_view file, std::uint64_t after = 0) {
  std::vector<std::uint64_t> found;
  for (const Frame& frame : find_frames(file, kGeneration, after)) found.push_back(frame.number);
  return found;
}

TEST(Crc32cTest, KnownSums) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);            // the check value of the Rocksoft model
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);  // RFC 3720 B.4
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
  EXPECT_EQ(crc32c("6789", crc32c("12345")), crc32c("123456789"));
}

TEST(JournalFormatTest, EveryOperationComesBack) {
  for (const auto& [kind, text] :
       std::vector<std::pair<StoreOp::Kind, std::string>>{{StoreOp::Kind::put, ""},
                                                          {StoreOp::Kind::update, ""},
                                                          {StoreOp::Kind::erase, ""},
                                                          {StoreOp::Kind::pause, "mail"},
                                                          {StoreOp::Kind::resume, "mail"},
                                                          {StoreOp::Kind::put_result, "[true]"},
                                                          {StoreOp::Kind::erase_results, ""},
                                                          {StoreOp::Kind::probe, ""}}) {
    FrameBuilder builder;
    (void)builder.add(op(kind, text));
    const std::string frame(builder.finish(kGeneration, 1, 0));
    EXPECT_EQ(frame.size() % kFrameAlignment, 0U);
    const auto read = read_frame(frame, 0, kGeneration);
    ASSERT_TRUE(read);
    std::string_view ops = read->ops;
    const auto decoded = decode_op(ops);
    ASSERT_TRUE(decoded);
    EXPECT_TRUE(ops.empty());
    EXPECT_EQ(decoded->kind, kind);
    EXPECT_EQ(decoded->text, text);
    const Record wanted = full_record();
    const Record& got = decoded->record;
    const bool task = kind == StoreOp::Kind::put;
    const bool fields = task || kind == StoreOp::Kind::update;
    if (fields || kind == StoreOp::Kind::erase) {
      EXPECT_EQ(got.seq, wanted.seq);
    }
    if (fields) {
      EXPECT_EQ(got.attempt, wanted.attempt);
      EXPECT_EQ(got.dead, wanted.dead);
      EXPECT_EQ(got.ready_at, wanted.ready_at);
    }
    if (fields || kind == StoreOp::Kind::put_result || kind == StoreOp::Kind::erase_results) {
      EXPECT_EQ(got.expires, wanted.expires);
    }
    if (task || kind == StoreOp::Kind::put_result) {
      EXPECT_EQ(got.id, wanted.id);
    }
    if (!task) continue;
    EXPECT_EQ(got.queue, wanted.queue);
    EXPECT_EQ(got.data, wanted.data);
    EXPECT_EQ(got.priority, wanted.priority);
    EXPECT_EQ(got.max_attempts, wanted.max_attempts);
    EXPECT_EQ(got.created, wanted.created);
  }
}

// What is written stays readable: this is version 1, byte for byte.
TEST(JournalFormatTest, BytesAreThoseOfVersion1) {
  FrameBuilder builder;
  StoreOp erase{.kind = StoreOp::Kind::erase};
  erase.record.seq = 0x0102;
  (void)builder.add(erase);
  const std::string frame(builder.finish(0x11, 3, 2));
  EXPECT_EQ(frame, std::string("NFRM\x54\xd4\x13\xc2"
                               "\x11\0\0\0\0\0\0\0"
                               "\x03\0\0\0\0\0\0\0"
                               "\x02\0\0\0\0\0\0\0"
                               "\x09\0\0\0\0\0\0\0"
                               "\x03\x02\x01\0\0\0\0\0\0"
                               "\0\0\0\0\0\0\0",
                               56));
  const std::string header = encode_header({.generation = 0x11, .size = 0x8000});
  EXPECT_EQ(header.size(), kFirstFrame);
  EXPECT_EQ(header.substr(0, 40), std::string("netd task log\r\n\0"
                                              "\x01\0\0\0\x5f\xb1\x34\x53"
                                              "\x11\0\0\0\0\0\0\0"
                                              "\0\x80\0\0\0\0\0\0",
                                              40));
}

TEST(JournalFormatTest, HeaderWithAnyBitChangedIsNone) {
  const std::string whole = encode_header({.generation = kGeneration, .size = 12345});
  ASSERT_TRUE(decode_header(whole));
  EXPECT_EQ(decode_header(whole)->generation, kGeneration);
  EXPECT_EQ(decode_header(whole)->size, 12345U);
  for (std::size_t bit = 0; bit < 40 * 8; ++bit) {
    std::string changed = whole;
    changed[bit / 8] =
        static_cast<char>(static_cast<unsigned char>(changed[bit / 8]) ^ (1U << (bit % 8)));
    EXPECT_FALSE(decode_header(changed)) << bit;
  }
  for (std::size_t size = 0; size < 40; ++size) EXPECT_FALSE(decode_header(whole.substr(0, size)));
}

TEST(JournalFormatTest, FrameTornAtAnyByteIsNone) {
  FileMaker maker;
  maker.add(1, {"a"});
  const std::size_t at = maker.add(2, {"queue", "another queue"});
  const std::string whole = maker.bytes();
  ASSERT_EQ(numbers(whole), (std::vector<std::uint64_t>{1, 2}));
  const std::size_t ops_end = at + kFrameHead + read_frame(whole, at, kGeneration)->ops.size();
  for (std::size_t torn = at; torn < ops_end; ++torn) {
    for (const char rest : {'\0', '\xff'}) {
      std::string bytes = whole;
      std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(torn),
                bytes.begin() + static_cast<std::ptrdiff_t>(ops_end), rest);
      if (bytes == whole) continue;
      EXPECT_EQ(numbers(bytes), (std::vector<std::uint64_t>{1})) << torn;
    }
  }
}

TEST(JournalFormatTest, FrameWithAnyBitChangedIsNone) {
  FileMaker maker;
  const std::size_t at = maker.add(1, {"queue"});
  maker.add(2, {"b"});
  const std::string whole = maker.bytes();
  const std::size_t size = kFrameHead + read_frame(whole, at, kGeneration)->ops.size();
  for (std::size_t bit = at * 8; bit < (at + size) * 8; ++bit) {
    std::string bytes = whole;
    bytes[bit / 8] =
        static_cast<char>(static_cast<unsigned char>(bytes[bit / 8]) ^ (1U << (bit % 8)));
    EXPECT_EQ(numbers(bytes), (std::vector<std::uint64_t>{2})) << bit;
  }
}

TEST(JournalFormatTest, FilesThatAreCutShort) {
  FileMaker maker;
  maker.add(1, {"a"});
  const std::size_t second = maker.add(2, {"b"});
  for (std::size_t size = 0; size <= maker.end(); ++size) {
    const auto found = numbers(std::string_view(maker.bytes()).substr(0, size));
    EXPECT_LE(found.size(), size < second ? 1U : 2U);
  }
}

TEST(JournalFormatTest, WhatIsLeftOfTheLastUseIsOld) {
  FileMaker maker;
  for (std::uint64_t number = 1; number <= 10; ++number) maker.add(number, {"a"});
  maker.rewind();
  // A shorter and a longer one over them.
  maker.add(21, {});
  maker.add(22, {"something longer", "and more of it"});
  EXPECT_EQ(numbers(maker.bytes(), 20), (std::vector<std::uint64_t>{21, 22}));
}

TEST(JournalFormatTest, AnotherGenerationIsNotRead) {
  FileMaker maker;
  maker.add(1, {"a"}, kGeneration + 1);
  maker.add(2, {"b"});
  maker.add(3, {"c"}, kGeneration - 1);
  EXPECT_EQ(numbers(maker.bytes()), (std::vector<std::uint64_t>{2}));
}

TEST(JournalFormatTest, OperationsThatAreNone) {
  for (const std::string& bytes :
       {std::string("\x63"), std::string("\0", 1), std::string("\x03\x01"), std::string("\x04"),
        std::string("\x04\xff\xff\xff\xff"), std::string("\x04\x05\0\0\0mail", 9)}) {
    std::string_view ops = bytes;
    EXPECT_FALSE(decode_op(ops));
    EXPECT_EQ(ops, bytes) << "nothing is taken off";
  }
}

}  // namespace
}  // namespace netd::tasks
