"""Mail over TLS: STARTTLS (RFC 3207) with programs that are not ours, and with clients that cheat."""

import re
import smtplib
import socket
import ssl
import subprocess

import pytest
from netd_process import DEADLINE, until
from smtp_dialogue import Client

CONFIG = """
[listener mail]
protocol = smtp
listen = tcp:127.0.0.1:0
maildir = {dir}/mail
domains = example.org
tls_certificate = {dir}/mail.pem
tls_key = {dir}/mail.key
"""
MESSAGE = b"Subject: hi\r\n\r\nhello\r\n"
LARGE = b"Subject: large\r\n\r\n" + b"0123456789 and so on, and on\r\n" * 100_000


def make_certificate(folder, name="mail", common_name="localhost"):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-subj", f"/CN={common_name}",
                    "-addext", f"subjectAltName=DNS:{common_name}",
                    "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"],
                   check=True, capture_output=True, timeout=DEADLINE)


@pytest.fixture
def server(netd, tmp_path):
    make_certificate(tmp_path)
    return netd(CONFIG.format(dir=tmp_path))


def trusting(folder):
    return ssl.create_default_context(cafile=str(folder / "mail.pem"))


def new_mails(folder, count=1, user="you"):
    new = folder / "mail" / "example.org" / user / "new"
    until(lambda: new.is_dir() and len(list(new.iterdir())) == count, f"{count} messages")
    return [path.read_bytes() for path in sorted(new.iterdir())]


def secured(server, folder):
    """A client after STARTTLS and its handshake."""
    client = Client(("127.0.0.1", server.port("mail")))
    client.expect("EHLO x", "250")
    client.expect("STARTTLS", "220 2.0.0")
    client.socket = trusting(folder).wrap_socket(client.socket, server_hostname="localhost")
    return client


def test_smtplib_verifies_and_sends(server, tmp_path):
    with smtplib.SMTP("127.0.0.1", server.port("mail"), timeout=DEADLINE) as client:
        client.ehlo("x")
        assert client.has_extn("starttls")
        client._host = "localhost"  # the name that the certificate is for
        client.starttls(context=trusting(tmp_path))
        client.ehlo("x")
        assert not client.has_extn("starttls"), "offered again under TLS"
        client.sendmail("me@example.org", ["you@example.org"], MESSAGE)
        client.sendmail("me@example.org", ["you@example.org"], LARGE)
    first, second = sorted(new_mails(tmp_path, 2), key=len)
    assert first.endswith(b"\r\n" + MESSAGE)
    assert second.endswith(b"\r\n" + LARGE)
    # RFC 3848: ESMTPS; and which TLS it was.
    assert re.search(rb"\r\nReceived: from x \(\[127\.0\.0\.1\]\)\r\n\t\(TLSv1\.3 TLS_\w+\)\r\n"
                     rb"\tby \S+ \(netd\) with ESMTPS id ", first)


@pytest.mark.parametrize("version", ["tlsv1_2", "tlsv1_3"])
def test_swaks_by_each_version(server, tmp_path, version):
    done = subprocess.run(
        ["swaks", "--server", "127.0.0.1", "--port", str(server.port("mail")), "--helo", "me",
         "--from", "me@example.org", "--to", "you@example.org", "--tls", "--tls-protocol", version],
        capture_output=True, timeout=DEADLINE)
    assert done.returncode == 0, done.stdout
    assert version.replace("tlsv", "TLSv").replace("_", ".").encode() in new_mails(tmp_path)[0]


def test_openssl_client_and_old_versions(server, tmp_path):
    def s_client(*options):
        return subprocess.run(
            ["openssl", "s_client", "-starttls", "smtp", "-connect",
             f"127.0.0.1:{server.port('mail')}", "-CAfile", tmp_path / "mail.pem",
             "-verify_return_error", "-quiet", "-no_ign_eof", *options],
            input=b"QUIT\r\n", capture_output=True, timeout=DEADLINE)
    assert s_client().returncode == 0
    assert s_client("-tls1_1", "-cipher", "ALL:@SECLEVEL=0").returncode != 0
    with Client(("127.0.0.1", server.port("mail"))) as client:  # and nobody else was hurt
        client.expect("NOOP", "250")


def test_what_came_before_tls_is_forgotten(server, tmp_path):
    with secured(server, tmp_path) as client:
        client.expect("MAIL FROM:<a@example.com>", "503 5.5.1")  # no EHLO yet
        client.expect("STARTTLS", "503 5.5.1")
        client.expect("EHLO x", "250")
        client.expect("RCPT TO:<you@example.org>", "503 5.5.1")


@pytest.mark.parametrize("behind", [b"NOOP\r\n", b"RSET\r\nMAIL FROM:<evil@example.com>\r\n",
                                    b"EHLO evil\r\nMAIL FROM:<evil@example.com>\r\nRCPT TO:<", b"x"])
def test_nothing_behind_starttls_is_executed(server, tmp_path, behind):
    """CVE-2011-0411: plain text injected behind STARTTLS must not be read as if it came by TLS."""
    with Client(("127.0.0.1", server.port("mail"))) as client:
        client.expect("EHLO x", "250")
        client.socket.sendall(b"STARTTLS\r\n" + behind)
        assert client.reply().startswith(b"220 2.0.0")
        assert client.buffer == b""
        client.socket = trusting(tmp_path).wrap_socket(client.socket, server_hostname="localhost")
        client.expect("EHLO me", "250")
        client.expect("MAIL FROM:<me@example.com>", "250 2.1.0")  # no transaction is open
        client.expect("RCPT TO:<you@example.org>", "250 2.1.5")
        client.expect("DATA", "354")
        client.socket.sendall(MESSAGE + b".\r\n")
        assert client.reply().startswith(b"250 2.0.0 Ok: delivered")
    assert b"Return-Path: <me@example.com>\r\n" in new_mails(tmp_path)[0]


def test_octet_by_octet_and_pipelined(server, tmp_path):
    with secured(server, tmp_path) as client:
        for octet in b"EHLO x\r\n":
            client.socket.sendall(bytes([octet]))
        assert b"PIPELINING" in client.reply()
        client.socket.sendall(b"MAIL FROM:<me@example.com>\r\nRCPT TO:<you@example.org>\r\nDATA\r\n")
        for code in [b"250", b"250", b"354"]:
            assert client.reply().startswith(code)
        client.socket.sendall(LARGE + b".\r\nQUIT\r\n")
        assert client.reply().startswith(b"250 2.0.0 Ok: delivered")
        assert client.reply().startswith(b"221")
        assert client.socket.recv(1) == b""  # close_notify, not an error
    assert new_mails(tmp_path)[0].endswith(b"\r\n" + LARGE)


@pytest.mark.parametrize("rubbish", [b"EHLO still plain\r\n", b"\x16\x03\x01\xff\xff" + b"\0" * 500,
                                     b"GET / HTTP/1.1\r\n\r\n", b"\x80" * 20_000])
def test_a_broken_handshake_ends_that_connection_alone(server, rubbish):
    with Client(("127.0.0.1", server.port("mail"))) as client:
        client.expect("EHLO x", "250")
        client.expect("STARTTLS", "220")
        client.socket.sendall(rubbish)
        while True:  # an alert, perhaps; then the end
            try:
                data = client.socket.recv(4096)
            except ConnectionResetError:
                break
            if not data:
                break
            assert b"250" not in data
    with smtplib.SMTP("127.0.0.1", server.port("mail"), timeout=DEADLINE) as client:
        assert client.noop()[0] == 250


def test_a_half_finished_handshake_holds_up_no_stop(server, tmp_path):
    with Client(("127.0.0.1", server.port("mail"))) as client:
        client.expect("EHLO x", "250")
        client.expect("STARTTLS", "220")
        client.socket.sendall(b"\x16\x03\x01")
        assert server.stop() == 0


def test_without_a_certificate_it_is_not_offered(netd, tmp_path):
    plain = netd(re.sub("tls_.*\n", "", CONFIG).format(dir=tmp_path))
    with Client(("127.0.0.1", plain.port("mail"))) as client:
        client.expect("STARTTLS", "502 5.5.1")
        client.socket.sendall(b"EHLO x\r\n")
        assert b"STARTTLS" not in client.reply()


def test_a_renewed_certificate_comes_with_a_reload(server, tmp_path):
    def serial():
        with socket.create_connection(("127.0.0.1", server.port("mail")), timeout=DEADLINE) as plain:
            plain.recv(1000)
            plain.sendall(b"STARTTLS\r\n")
            assert plain.recv(1000).startswith(b"220")
            context = trusting(tmp_path)
            with context.wrap_socket(plain, server_hostname="localhost") as tls:
                return tls.getpeercert()["serialNumber"]
    before = serial()
    make_certificate(tmp_path)
    with pytest.raises(ssl.SSLError):
        serial()  # still the old one, which the renewed file does not vouch for
    server.reload()
    assert serial() != before


@pytest.mark.parametrize("setting, file, message", [
    ("tls_certificate", "none.pem", "No such file"),
    ("tls_certificate", "mail.key", "no certificate"),
    ("tls_key", "other.key", "key values mismatch"),
    ("tls_key", "mail.pem", "no key"),
])
def test_mistakes_are_found_before_the_start(netd, tmp_path, setting, file, message):
    make_certificate(tmp_path, "other", "other.example")
    make_certificate(tmp_path)
    config = re.sub(f"{setting} = .*", f"{setting} = {tmp_path / file}", CONFIG)
    done = netd(config.format(dir=tmp_path), start=False).run("--check")
    assert done.returncode == 78
    assert re.search(rf"netd\.conf:\d+: \[listener mail\] tls_certificate: .*{message}", done.stderr)


def test_a_key_alone_is_a_mistake(netd, tmp_path):
    config = re.sub("tls_certificate.*\n", "", CONFIG)
    done = netd(config.format(dir=tmp_path), start=False).run("--check")
    assert done.returncode == 78
    assert "[listener mail] tls_key: " in done.stderr
