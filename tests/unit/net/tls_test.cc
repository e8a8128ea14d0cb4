#include "daemon/net/tls.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"
#include "tests/unit/net/connection_fixture.h"

namespace netd {
namespace {

template <auto Free>
struct FreedBy {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};

/// Writes a key and its own certificate, the latter `copies` times: a chain of any length.
std::string make_certificate(const test::TempDir& folder, int copies) {
  const std::unique_ptr<EVP_PKEY, FreedBy<EVP_PKEY_free>> key(::EVP_EC_gen("P-256"));
  const std::unique_ptr<X509, FreedBy<X509_free>> certificate(::X509_new());
  ::ASN1_INTEGER_set(::X509_get_serialNumber(certificate.get()), 1);
  ::X509_gmtime_adj(::X509_getm_notBefore(certificate.get()), 0);
  ::X509_gmtime_adj(::X509_getm_notAfter(certificate.get()), 3600);
  ::X509_set_pubkey(certificate.get(), key.get());
  ::X509_sign(certificate.get(), key.get(), ::EVP_sha256());
  std::string path = folder / "pair.pem";
  const std::unique_ptr<std::FILE, FreedBy<std::fclose>> file(std::fopen(path.c_str(), "w"));
  for (int i = 0; i < copies; ++i) ::PEM_write_X509(file.get(), certificate.get());
  ::PEM_write_PrivateKey(file.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return path;
}

class TlsTest : public test::ConnectionTest {
 protected:
  void SetUp() override {
    test::ConnectionTest::SetUp();
    ::SSL_CTX_set_max_cert_list(client_context_.get(), std::size_t{1} << 20);
    client_.reset(::SSL_new(client_context_.get()));
    ASSERT_EQ(::SSL_set_fd(client_.get(), peer_.get()), 1);
    ::SSL_set_connect_state(client_.get());
  }

  void start_with_tls(int certificates) {
    const std::string pair = make_certificate(folder_, certificates);
    auto loaded = TlsContext::load(pair, pair);
    ASSERT_TRUE(loaded) << loaded.error().what();
    context_ = *loaded;
    script_.on_open = [this](Connection& c) { c.start_tls(*context_); };
    start();
  }
  /// One step of the client's; whether it is through.
  bool handshake() { return ::SSL_do_handshake(client_.get()) == 1; }
  std::string read() {
    char buffer[65536];
    const int count = ::SSL_read(client_.get(), buffer, sizeof buffer);
    return count > 0 ? std::string(buffer, static_cast<std::size_t>(count)) : std::string();
  }
  void finish_handshake() {
    for (int i = 0; i < 1000 && !handshake(); ++i) turn(1);
    ASSERT_TRUE(::SSL_is_init_finished(client_.get()));
  }

  test::TempDir folder_;
  std::shared_ptr<const TlsContext> context_;
  std::unique_ptr<SSL_CTX, FreedBy<SSL_CTX_free>> client_context_{
      ::SSL_CTX_new(::TLS_client_method())};
  std::unique_ptr<SSL, FreedBy<SSL_free>> client_;
};

TEST_F(TlsTest, CarriesBothDirections) {
  script_.on_data = [](Connection& c, std::string_view input) {
    c.write(input);
    return input.size();
  };
  start_with_tls(1);
  EXPECT_EQ(raw_->tls_description(), "");
  finish_handshake();
  ASSERT_EQ(::SSL_write(client_.get(), "hello", 5), 5);
  turn();
  EXPECT_EQ(read(), "hello");
  EXPECT_EQ(raw_->tls_description(), "TLSv1.3 TLS_AES_256_GCM_SHA384");
  EXPECT_EQ(raw_->bytes_in(), 5U);
  raw_->close();
  EXPECT_EQ(read(), "");
  EXPECT_NE(::SSL_get_shutdown(client_.get()) & SSL_RECEIVED_SHUTDOWN, 0) << "no close_notify";
}

TEST_F(TlsTest, ReadsAllRecordsOfOneSegment) {
  std::string all;
  script_.on_data = [&all](Connection&, std::string_view input) {
    all += input;
    return input.size();
  };
  start_with_tls(1);
  finish_handshake();
  for (int i = 0; i < 5; ++i) ASSERT_EQ(::SSL_write(client_.get(), "0123456789", 10), 10);
  const std::string large(TlsChannel::kMaxRecord, 'x');
  ASSERT_GT(::SSL_write(client_.get(), large.data(), static_cast<int>(large.size())), 0);
  turn(10);
  EXPECT_EQ(all.size(), 50 + large.size());
}

TEST_F(TlsTest, WaitsForAClientThatDoesNotReadTheHandshake) {
  const int small = 1;  // the kernel's minimum
  ASSERT_EQ(::setsockopt(raw_->fd(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
  start_with_tls(200);
  EXPECT_FALSE(handshake());
  turn();
  EXPECT_TRUE(script_.events == std::vector<std::string>{"open"});
  finish_handshake();
}

TEST_F(TlsTest, SendsAllOfWhatTheSocketDoesNotTakeAtOnce) {
  const std::string large(1 << 20, 'y');
  script_.on_data = [&large](Connection& c, std::string_view input) {
    c.write(large);
    c.close();
    return input.size();
  };
  start_with_tls(1);
  finish_handshake();
  ASSERT_EQ(::SSL_write(client_.get(), "x", 1), 1);
  std::string all;
  for (int i = 0; i < 10'000 && all.size() < large.size(); ++i) {
    turn(1);
    all += read();
  }
  EXPECT_TRUE(all == large);
}

TEST_F(TlsTest, EndsWithThePeer) {
  start_with_tls(1);
  finish_handshake();
  peer_.reset();
  turn();
  EXPECT_TRUE(closed_);
  EXPECT_EQ(script_.events.back(), "closed");
}

TEST_F(TlsTest, RefusesPlainText) {
  start_with_tls(1);
  send("EHLO me\r\n");
  turn();
  EXPECT_TRUE(closed_);
  EXPECT_EQ(script_.events, (std::vector<std::string>{"open", "closed"}));
  EXPECT_EQ(counters_.errors.get(), 1U);
}

TEST_F(TlsTest, WritesNothingBeforeTheHandshake) {
  start_with_tls(1);
  raw_->write("421 in plain text");
  turn();
  EXPECT_TRUE(closed_);
  EXPECT_EQ(received(), "<EOF>");
}

TEST_F(TlsTest, SendsNoFileInPlainText) {
  start_with_tls(1);
  finish_handshake();
  const std::string pair = folder_ / "pair.pem";
  auto file = std::make_shared<const UniqueFd>(::open(pair.c_str(), O_RDONLY | O_CLOEXEC));
  raw_->send_file(file, 0, 100);
  turn();
  EXPECT_TRUE(closed_);
  EXPECT_EQ(received().find("BEGIN"), std::string::npos);
}

}  // namespace
}  // namespace netd
