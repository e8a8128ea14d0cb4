#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <string>

#include "tests/unit/protocols/http/http_rig.h"

namespace netd::http::test {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class StaticTest : public HttpRig {
 protected:
  void open_site(const std::string& lines = "") {
    open("route = / static " + root() + "\n" + lines);
  }
  [[nodiscard]] std::string root() const { return dir_.path().string(); }
  std::string get(const std::string& target, const std::string& fields = "",
                  const std::string& method = "GET") {
    return exchange(method + " " + target + " HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n");
  }
  static std::string body(const std::string& answer) {
    return answer.substr(answer.find("\r\n\r\n") + 4);
  }
  static std::string field(const std::string& answer, const std::string& name) {
    const std::size_t at = answer.find("\r\n" + name + ": ");
    if (at == std::string::npos) return {};
    const std::size_t begin = at + name.size() + 4;
    return answer.substr(begin, answer.find("\r\n", begin) - begin);
  }
};

TEST_F(StaticTest, ServesFiles) {
  dir_.write("a.html", "<p>a</p>");
  dir_.write("empty.txt", "");
  dir_.write("sub dir/b.txt", "b");
  open_site();
  const std::string answer = get("/a.html");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_EQ(field(answer, "Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(field(answer, "Content-Length"), "8");
  EXPECT_EQ(field(answer, "Accept-Ranges"), "bytes");
  EXPECT_FALSE(field(answer, "ETag").empty());
  EXPECT_FALSE(field(answer, "Last-Modified").empty());
  EXPECT_EQ(body(answer), "<p>a</p>");
  EXPECT_EQ(body(get("/a.html", "", "HEAD")), "");
  EXPECT_EQ(field(get("/empty.txt"), "Content-Length"), "0");
  EXPECT_EQ(body(get("/sub%20dir/b.txt?x")), "b");
  EXPECT_THAT(get("/a.html/"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(get("/none"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(get("/a.html", "", "DELETE"),
              AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: GET, HEAD, OPTIONS\r\n")));
  EXPECT_THAT(get("/a.html", "", "OPTIONS"), HasSubstr("Allow: GET, HEAD, OPTIONS\r\n"));
}

TEST_F(StaticTest, LargeFilesLeaveWhole) {
  const std::string large(3 << 20, 'x');
  dir_.write("large", large + "end");
  open_site();
  EXPECT_EQ(body(get("/large")), large + "end");
  EXPECT_EQ(body(get("/large", "Range: bytes=-3\r\n")), "end");
}

TEST_F(StaticTest, NothingOutsideTheRoot) {
  dir_.write("site/a", "a");
  dir_.write("secret", "secret");
  std::filesystem::create_symlink("../secret", dir_ / "site/up");
  std::filesystem::create_symlink(dir_ / "secret", dir_ / "site/absolute");
  std::filesystem::create_symlink("..", dir_ / "site/parent");
  std::filesystem::create_symlink("a", dir_ / "site/inside");
  std::filesystem::create_symlink("loop", dir_ / "site/loop");
  open("route = / static " + root() + "/site\n");
  EXPECT_EQ(body(get("/inside")), "a");
  for (const char* const target : {"/up", "/absolute", "/parent/secret", "/..%2fsecret",
                                   "/a/..%2F..%2Fsecret", "/loop", "/%5c..%5csecret"}) {
    EXPECT_THAT(get(target), AllOf(StartsWith("HTTP/1.1 404 "), Not(EndsWith("secret")))) << target;
  }
  for (const char* const target :
       {"/../secret", "/%2e%2e/secret", "/a%00", "/%2e%2e%2fsecret/.."}) {
    connect();
    EXPECT_THAT(get(target), Not(StartsWith("HTTP/1.1 200 "))) << target;
  }
}

TEST_F(StaticTest, HidesDotFiles) {
  dir_.write(".htpasswd", "x");
  dir_.write(".git/config", "x");
  dir_.write(".well-known/acme", "y");
  open_site();
  EXPECT_THAT(get("/.htpasswd"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(get("/.git/config"), StartsWith("HTTP/1.1 404 "));
  EXPECT_EQ(body(get("/.well-known/acme")), "y");
  open_site("dot_files = yes\n");
  EXPECT_EQ(body(get("/.git/config")), "x");
}

TEST_F(StaticTest, OnlyRegularFiles) {
  ASSERT_EQ(::mkfifo((dir_ / "fifo").c_str(), 0600), 0);
  open_site();
  EXPECT_THAT(get("/fifo"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(StaticTest, FoldersAndIndex) {
  dir_.write("index.html", "home");
  dir_.write("a b/index.html", "sub");
  dir_.write("bare/x", "x");
  open("route = / static " + root() + "\nroute = /docs static " + root() + "\n");
  EXPECT_EQ(body(get("/")), "home");
  EXPECT_EQ(field(get("/"), "Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(body(get("/a%20b/")), "sub");
  EXPECT_EQ(field(get("/a%20b?q=/&r"), "Location"), "/a%20b/?q=/&r");
  EXPECT_THAT(get("/a%20b"), StartsWith("HTTP/1.1 301 "));
  EXPECT_EQ(field(get("//a%20b"), "Location"), "/a%20b/");
  EXPECT_EQ(field(get("/docs"), "Location"), "/docs/");
  EXPECT_EQ(body(get("/docs/")), "home");
  EXPECT_THAT(get("/bare/"), StartsWith("HTTP/1.1 403 "));
}

TEST_F(StaticTest, Autoindex) {
  dir_.write("b<&>.txt", "12345");
  dir_.write("a:b", "x");
  dir_.write("sub/x", "x");
  dir_.write(".hidden", "x");
  std::filesystem::create_symlink("/etc", dir_ / "escape");
  open_site("autoindex = yes\n");
  const std::string page = body(get("/"));
  EXPECT_THAT(page, AllOf(HasSubstr("<a href=\"sub/\">sub/</a>"),
                          HasSubstr("<a href=\"b%3C&amp;%3E.txt\">b&lt;&amp;&gt;.txt</a>"),
                          HasSubstr("<a href=\"a%3Ab\">a:b</a>"), Not(HasSubstr(".hidden")),
                          Not(HasSubstr("escape")), Not(HasSubstr("../"))));
  EXPECT_LT(page.find("sub/"), page.find("a:b"));
  const std::string json = get("/", "Accept: application/json\r\n");
  EXPECT_EQ(field(json, "Content-Type"), "application/json");
  EXPECT_THAT(
      body(json),
      HasSubstr("{\"name\":\"b<&>.txt\",\"href\":\"b%3C&%3E.txt\",\"type\":\"file\",\"size\":5,"));
  EXPECT_THAT(body(get("/sub/")), HasSubstr("<a href=\"../\">"));
}

TEST_F(StaticTest, Conditionals) {
  dir_.write("a", "hello");
  open_site();
  const std::string tag = field(get("/a"), "ETag");
  const std::string same = get("/a", "If-None-Match: " + tag + "\r\n");
  EXPECT_THAT(same, AllOf(StartsWith("HTTP/1.1 304 Not Modified\r\n"), HasSubstr("ETag: " + tag),
                          EndsWith("\r\n\r\n"), Not(HasSubstr("Content-"))));
  EXPECT_THAT(get("/a", "If-None-Match: \"x\"\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(get("/a", "If-Match: \"x\"\r\n"), StartsWith("HTTP/1.1 412 "));
  EXPECT_THAT(get("/a", "If-Match: " + tag + "\r\n"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(StaticTest, Ranges) {
  dir_.write("a.txt", "0123456789");
  open_site();
  const std::string one = get("/a.txt", "Range: bytes=2-4\r\n");
  EXPECT_THAT(one, StartsWith("HTTP/1.1 206 Partial Content\r\n"));
  EXPECT_EQ(field(one, "Content-Range"), "bytes 2-4/10");
  EXPECT_EQ(field(one, "Content-Length"), "3");
  EXPECT_EQ(body(one), "234");
  const std::string out = get("/a.txt", "Range: bytes=10-\r\n");
  EXPECT_THAT(out, StartsWith("HTTP/1.1 416 "));
  EXPECT_EQ(field(out, "Content-Range"), "bytes */10");
  EXPECT_THAT(get("/a.txt", "Range: bytes=2-4\r\n", "HEAD"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(get("/a.txt", "Range: bytes=2-4\r\nIf-Range: \"x\"\r\n"),
              StartsWith("HTTP/1.1 200 "));

  const std::string many = get("/a.txt", "Range: bytes=0-1,-2\r\n");
  EXPECT_THAT(many, StartsWith("HTTP/1.1 206 "));
  const std::string type = field(many, "Content-Type");
  ASSERT_THAT(type, StartsWith("multipart/byteranges; boundary="));
  const std::string boundary = type.substr(type.find('=') + 1);
  EXPECT_EQ(body(many), "--" + boundary +
                            "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes "
                            "0-1/10\r\n\r\n01\r\n--" +
                            boundary +
                            "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes "
                            "8-9/10\r\n\r\n89\r\n--" +
                            boundary + "--\r\n");
  EXPECT_EQ(field(many, "Content-Length"), std::to_string(body(many).size()));
}

TEST_F(StaticTest, Precompressed) {
  dir_.write("a.js", "plain plain plain");
  dir_.write("a.js.gz", "gzip");
  dir_.write("a.js.br", "br");
  open_site();
  const std::string plain = get("/a.js");
  EXPECT_EQ(field(plain, "Vary"), "Accept-Encoding");
  EXPECT_EQ(field(plain, "Content-Encoding"), "");
  const std::string gzip = get("/a.js", "Accept-Encoding: gzip\r\n");
  EXPECT_EQ(field(gzip, "Content-Encoding"), "gzip");
  EXPECT_EQ(field(gzip, "Content-Type"), "text/javascript; charset=utf-8");
  EXPECT_EQ(field(gzip, "Vary"), "Accept-Encoding");
  EXPECT_NE(field(gzip, "ETag"), field(plain, "ETag"));
  EXPECT_EQ(body(gzip), "gzip");
  EXPECT_EQ(body(get("/a.js", "Accept-Encoding: gzip, deflate, br\r\n")), "br");
  EXPECT_EQ(body(get("/a.js", "Accept-Encoding: gzip\r\nAccept-Encoding: br;q=0.5\r\n")), "gzip");
  EXPECT_EQ(body(get("/a.js", "Accept-Encoding: gzip;q=0\r\n")), "plain plain plain");
  EXPECT_EQ(body(get("/a.js", "Accept-Encoding: identity, gzip;q=0.5\r\n")), "plain plain plain");
  open_site("precompressed = no\n");
  EXPECT_EQ(body(get("/a.js", "Accept-Encoding: gzip\r\n")), "plain plain plain");
}

TEST_F(StaticTest, WhatWasCodedBeforeTheFileChangedIsNotSent) {
  constexpr std::chrono::seconds kCopying{1};
  dir_.write("a.js", "plain");
  dir_.write("a.js.gz", "gzip");
  dir_.write("a.js.br", "br");
  const auto time = std::filesystem::last_write_time(dir_ / "a.js");
  std::filesystem::last_write_time(dir_ / "a.js.gz", time - kCopying);
  std::filesystem::last_write_time(dir_ / "a.js.br", time - 1min);
  open_site();
  EXPECT_EQ(body(get("/a.js", "Accept-Encoding: br, gzip;q=0.1\r\n")), "gzip");
  EXPECT_EQ(body(get("/a.js", "Accept-Encoding: br\r\n")), "plain");
  // By itself it is a file like any other.
  EXPECT_EQ(body(get("/a.js.br")), "br");
  std::filesystem::last_write_time(dir_ / "a.js.br", time);
  advance(1s);
  EXPECT_EQ(body(get("/a.js", "Accept-Encoding: br, gzip;q=0.1\r\n")), "br");
}

// As where the clock of a file system is so coarse that two changes get the same time: a page that
// is mapped and written once is written again without a new time.
TEST_F(StaticTest, SeesASecondChangeOfTheSameTime) {
  dir_.write("a", "old");
  const UniqueFd fd(::open((dir_ / "a").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(fd);
  void* const memory = ::mmap(nullptr, 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  ASSERT_NE(memory, MAP_FAILED);
  std::memcpy(memory, "one", 3);
  open_site();
  EXPECT_EQ(body(get("/a")), "one");
  std::memcpy(memory, "two", 3);
  advance(1s);
  EXPECT_EQ(body(get("/a")), "two");
  ::munmap(memory, 4);
}

TEST_F(StaticTest, SeesAChangedFileWithinASecond) {
  dir_.write("a", "old");
  dir_.write("b", "gone soon");
  open_site();
  EXPECT_EQ(body(get("/a")), "old");
  EXPECT_EQ(body(get("/b")), "gone soon");
  dir_.write("new", "newer");
  std::filesystem::rename(dir_ / "new", dir_ / "a");
  std::filesystem::remove(dir_ / "b");
  advance(1s);
  EXPECT_EQ(body(get("/a")), "newer");
  EXPECT_THAT(get("/b"), StartsWith("HTTP/1.1 404 "));
  dir_.write("a.gz", "z");
  advance(1s);
  EXPECT_EQ(body(get("/a", "Accept-Encoding: gzip\r\n")), "z");
}

TEST_F(StaticTest, AFileThatShrinksEndsTheConnection) {
  dir_.write("large", std::string(8 << 20, 'x'));
  open_site();
  send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  std::filesystem::resize_file(dir_ / "large", 1 << 20);
  const std::string answer = receive();
  EXPECT_LT(answer.size(), std::size_t{8} << 20);
  EXPECT_EQ(connection_, nullptr);
}

TEST_F(StaticTest, CacheControlByRoute) {
  dir_.write("a", "a");
  open("route = / static " + root() + "\nroute = /assets static " + root() +
       "\ncache_control = /assets max-age=86400, immutable\n");
  EXPECT_EQ(field(get("/assets/a"), "Cache-Control"), "max-age=86400, immutable");
  EXPECT_EQ(field(get("/a"), "Cache-Control"), "");
}

TEST_F(StaticTest, RoutesByHost) {
  dir_.write("one/a", "one");
  dir_.write("two/a", "two");
  open("route = / static " + root() + "/one\nroute = www.Example.org/ static " + root() + "/two\n");
  EXPECT_EQ(body(get("/a")), "one");
  EXPECT_EQ(body(exchange("GET /a HTTP/1.1\r\nHost: WWW.example.org:8080\r\n\r\n")), "two");
  EXPECT_EQ(body(exchange("GET http://www.example.org/a HTTP/1.1\r\nHost: x\r\n\r\n")), "two");
}

}  // namespace
}  // namespace netd::http::test
