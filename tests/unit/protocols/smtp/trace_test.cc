#include "daemon/protocols/smtp/trace.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace netd::smtp {
namespace {

const WallTime kTime{std::chrono::seconds(1'767'323'045)};

TEST(Trace, NamesTheOneRecipient) {
  std::string out;
  append_trace({.sender = "a@x",
                .recipient = "b@example.org",
                .helo = "client.example",
                .client = "192.0.2.1",
                .hostname = "mx.example.org",
                .protocol = "ESMTPS",
                .tls = "TLSv1.3 TLS_AES_256_GCM_SHA384",
                .id = "M0P1Q1",
                .time = kTime},
               out);
  EXPECT_EQ(out,
            "Return-Path: <a@x>\r\n"
            "Delivered-To: b@example.org\r\n"
            "Received: from client.example ([192.0.2.1])\r\n"
            "\t(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
            "\tby mx.example.org (netd) with ESMTPS id M0P1Q1\r\n"
            "\tfor <b@example.org>;\r\n"
            "\tFri, 02 Jan 2026 03:04:05 +0000\r\n");
}

TEST(Trace, NamesNobodyWhenThereAreSeveral) {
  std::string out;
  append_trace({.sender = "",
                .recipient = "",
                .helo = "[192.0.2.1]",
                .client = "",
                .hostname = "mx",
                .protocol = "SMTP",
                .tls = "",
                .id = "I",
                .time = kTime},
               out);
  EXPECT_EQ(out,
            "Return-Path: <>\r\n"
            "Received: from [192.0.2.1]\r\n"
            "\tby mx (netd) with SMTP id I;\r\n"
            "\tFri, 02 Jan 2026 03:04:05 +0000\r\n");
}

}  // namespace
}  // namespace netd::smtp
