#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "ctl/clients/dial.h"
#include "ctl/clients/echo_verifier.h"
#include "ctl/clients/plot.h"
#include "ctl/clients/port_ranges.h"
#include "ctl/clients/progress.h"
#include "ctl/clients/sample.h"
#include "ctl/clients/sha256.h"

namespace netd::ctl {
namespace {

/// Whether `back` is an echo of `sent` in every cut of it.
bool is_echo(const std::string& sent, const std::string& back) {
  bool all = true;
  for (std::size_t step = 1; step <= back.size(); ++step) {
    EchoVerifier verifier;
    verifier.sent(sent);
    bool fits = true;
    for (std::size_t at = 0; at < back.size(); at += step) {
      fits = fits && verifier.received(std::string_view(back).substr(at, step));
    }
    all = all && fits && verifier.complete();
  }
  return all;
}

TEST(EchoVerifier, TakesEachForm) {
  EXPECT_TRUE(is_echo("one\ntwo\n", "one\ntwo\n"));
  EXPECT_TRUE(is_echo("one\ntwo\n", "ECHO: one\nECHO: two\n"));
  EXPECT_TRUE(is_echo("one\ntwo\n", "[2026-11-22 15:35:18] Echo: one\ntwo\n"));
  EXPECT_TRUE(
      is_echo("one\ntwo\n", "[2026-11-22 15:35:18] Echo: one\nt[2026-11-22 15:35:19] Echo: wo\n"));
  EXPECT_TRUE(is_echo("[20[2026-x\n", "[2026-11-22 15:35:18] Echo: [20[2026-x\n"));
  EXPECT_TRUE(is_echo("ECHO: x\n", "ECHO: x\n"));
  EXPECT_TRUE(is_echo("ECHO: x\n", "ECHO: ECHO: x\n"));
}

TEST(EchoVerifier, SeesWhatIsNoEcho) {
  EXPECT_FALSE(is_echo("one\ntwo\n", "one\ntwO\n"));
  EXPECT_FALSE(is_echo("one\ntwo\n", "one\n"));
  EXPECT_FALSE(is_echo("one\n", "one\n\n"));
  EXPECT_FALSE(is_echo("one\ntwo\n", "ECHO: one\ntwo\n"));
  EXPECT_FALSE(is_echo("one\n", "[2026-11-22 15:35:18] Echo: two\n"));
  EXPECT_FALSE(is_echo("one\n", "[2026-11-22T15:35:18] Echo: one\n"));
}

TEST(EchoVerifier, KeepsOnlyWhatHasNotComeBack) {
  EchoVerifier verifier;
  const std::string piece(100'000, 'x');
  for (int i = 0; i < 100; ++i) {
    verifier.sent(piece);
    EXPECT_EQ(verifier.outstanding(), piece.size());
    ASSERT_TRUE(verifier.received(piece));
    EXPECT_TRUE(verifier.complete());
  }
  EXPECT_EQ(verifier.form(), "raw");
  EXPECT_FALSE(verifier.received("x"));
}

TEST(Sha256, IsThatOfTheStandard) {
  Sha256 empty;
  EXPECT_EQ(empty.hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256 abc;
  abc.add("a");
  abc.add("bc");
  EXPECT_EQ(abc.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 two_blocks;
  two_blocks.add("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq");
  EXPECT_EQ(two_blocks.hex(), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  Sha256 million;
  for (int i = 0; i < 1000; ++i) million.add(std::string(1000, 'a'));
  EXPECT_EQ(million.hex(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(ParseTarget, ReadsWhatPeopleWrite) {
  const auto text = [](const std::string& target) {
    const auto parsed = parse_target(target, Transport::tcp);
    return parsed ? parsed->text() : "error";
  };
  EXPECT_EQ(text("127.0.0.1:80"), "tcp:127.0.0.1:80");
  EXPECT_EQ(text("[::1]:80"), "tcp:[::1]:80");
  EXPECT_EQ(text(":80"), "tcp:localhost:80");
  EXPECT_EQ(text("udp:host:53"), "udp:host:53");
  EXPECT_EQ(text("unix:/run/x"), "unix:/run/x");
  EXPECT_EQ(text("/run/x"), "unix:/run/x");
  for (const auto* bad : {"", "host", "::1:80", "[::1]", "host:", "host:65536", "host:-1", "a b:80",
                          "host:no such service", "unix:"}) {
    EXPECT_EQ(text(bad), "error") << bad;
  }
  EXPECT_EQ(text("/" + std::string(107, 'x')), "error");
  EXPECT_EQ(parse_target(std::vector<std::string>{"::1", "80"}, Transport::udp).value().text(),
            "udp:[::1]:80");
  EXPECT_FALSE(parse_target(std::vector<std::string>{"a", "1", "2"}, Transport::udp));
}

TEST(ParsePorts, ReadsRangesAndLists) {
  using Ports = std::vector<std::uint16_t>;
  EXPECT_EQ(parse_ports({"22,80", "80-82"}, "tcp").value(), (Ports{22, 80, 81, 82}));
  EXPECT_EQ(parse_ports({"65534-"}, "tcp").value(), (Ports{65534, 65535}));
  EXPECT_EQ(parse_ports({"-2"}, "tcp").value(), (Ports{1, 2}));
  EXPECT_EQ(parse_ports({"-"}, "tcp").value().size(), 65535U);
  for (const auto* bad : {"", "0", "65536", "5-4", "1-x", "1--2", "1,,2", "no such service"}) {
    EXPECT_FALSE(parse_ports({bad}, "tcp")) << bad;
  }
}

TEST(ProgressLine, FitsItsTerminal) {
  EXPECT_EQ(progress_line(500, 1000, 2, 80),
            "[================>               ] 50 %  500 B of 1.0 KiB  250 B/s  2.0 s left");
  EXPECT_EQ(progress_line(1000, 1000, 2, 30), "100 %  1.0 KiB of 1.0 KiB  500 B/s");
  EXPECT_EQ(progress_line(500, std::nullopt, 2, 80), "500 B  250 B/s");
}

TEST(SampleFigures, AreThoseOfTheTextbook) {
  const auto figures = figures_of({4, 1, 3, 2, 5}, 5);
  EXPECT_EQ(figures.count, 5U);
  EXPECT_EQ(figures.min, 1);
  EXPECT_EQ(figures.max, 5);
  EXPECT_EQ(figures.mean, 3);
  EXPECT_EQ(figures.median, 3);
  EXPECT_DOUBLE_EQ(figures.p90, 4.6);
  EXPECT_DOUBLE_EQ(figures.p99, 4.96);
  EXPECT_DOUBLE_EQ(figures.deviation, std::sqrt(2.5));
  EXPECT_EQ(figures.loss_percent(), 50);
  EXPECT_EQ(figures_of({7}, 0).p99, 7);
  EXPECT_EQ(figures_of({7}, 0).deviation, 0);
  EXPECT_EQ(figures_of({}, 3).loss_percent(), 100);
  EXPECT_EQ(figures_of({}, 0).loss_percent(), 0);
}

TEST(Sparkline, ShowsPeaksAndLosses) {
  EXPECT_EQ(sparkline({0, 7, NAN}, 10), "▁█×");
  EXPECT_EQ(sparkline({1, 1, 1, 9}, 2), "▁█");
  EXPECT_EQ(sparkline({100, 101}, 10), "▁▁");
  EXPECT_EQ(sparkline({NAN}, 10), "×");
  EXPECT_EQ(sparkline({}, 10), "");
}

TEST(Histogram, CountsEveryValue) {
  EXPECT_EQ(histogram({1, 1, 1, 3}, 2, 80),
            "   FROM       TO  COUNT\n"
            "1.00 ms  2.00 ms      3  ████████████████████████████████████████\n"
            "2.00 ms  3.00 ms      1  ██████████████\n");
  EXPECT_EQ(histogram({1, 1}, 5, 80), "");
  EXPECT_EQ(histogram({}, 5, 80), "");
}

TEST(Plot, IsAnSvgWithEveryNameEscaped) {
  const std::string svg = svg_of({"a<b", "x", "y", {{"l&1", {1, 2, 3}, {1, NAN, 2}}}});
  EXPECT_NE(svg.find("a&lt;b"), std::string::npos);
  EXPECT_NE(svg.find("l&amp;1"), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  EXPECT_TRUE(svg_of({"", "", "", {}}).ends_with("</svg>\n"));
}

}  // namespace
}  // namespace netd::ctl
