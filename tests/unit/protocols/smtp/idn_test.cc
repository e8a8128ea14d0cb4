#include "daemon/protocols/smtp/idn.h"

#include <gtest/gtest.h>

#include <string>

namespace netd::smtp {
namespace {

TEST(DomainKey, IsInLowerCase) {
  EXPECT_EQ(domain_key("Example.ORG"), "example.org");
  EXPECT_EQ(domain_key("[IPv6:2001:DB8::1]"), "[ipv6:2001:db8::1]");
  EXPECT_EQ(domain_key(""), "");
}

TEST(DomainKey, ReadsALabels) {
  EXPECT_EQ(domain_key("xn--bcher-kva.example"), "b\u00fccher.example");
  EXPECT_EQ(domain_key("www.XN--BCHER-KVA.Example"), "www.b\u00fccher.example");
  EXPECT_EQ(domain_key("b\u00fccher.example"), "b\u00fccher.example");
  // RFC 3492, section 7.1: (B) Chinese, (L) Japanese with digits.
  EXPECT_EQ(domain_key("xn--ihqwcrb4cv8a8dqg056pqjye"),
            "\u4ed6\u4eec\u4e3a\u4ec0\u4e48\u4e0d\u8bf4\u4e2d\u6587");
  EXPECT_EQ(domain_key("xn--3b-ww4c5e180e575a65lsy2b"), "3\u5e74b\u7d44\u91d1\u516b\u5148\u751f");
  EXPECT_EQ(domain_key("xn--e28h.example"), "\U0001f600.example");
  EXPECT_EQ(domain_key("a_b.xn--bcher-kva.xn--e28h"), "a_b.b\u00fccher.\U0001f600");
}

TEST(DomainKey, OfAKeyIsTheKey) {
  for (const char* name : {"xn--bcher-kva.example", "b\u00fccher.example", "xn--99999999"}) {
    EXPECT_EQ(domain_key(domain_key(name)), domain_key(name));
  }
}

TEST(DomainKey, LeavesWhatIsNoALabel) {
  for (const char* name : {"xn--", "xn--abc-", "xn---", "xn--99999999", "xn--\u00fc-kva",
                           "xn--0000000000000000000000000000000000000000000000000000000000a"}) {
    EXPECT_EQ(domain_key(name), name);
  }
  const std::string with_nul("xn--bcher-kva\0.example", 22);
  EXPECT_EQ(domain_key(with_nul), with_nul);
}

}  // namespace
}  // namespace netd::smtp
