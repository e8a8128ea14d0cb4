"""netctl mail: the mail catcher's reader and sender."""

import base64
import json
import subprocess
import threading

import netd_process
import pytest
from smtp_dialogue import MailServer


@pytest.fixture
def mail(tmp_path):
    server = MailServer(tmp_path, "domains = *\n")
    yield server
    server.finish()


def netctl(server, *words, status=0, stdin=b"", timeout=None):
    done = subprocess.run(
        [netd_process.NETCTL, "--socket", str(server.netd.control_path),
         *(["--timeout", str(timeout)] if timeout else []), "mail", *words],
        input=stdin, capture_output=True, timeout=netd_process.DEADLINE, check=False)
    assert done.returncode == status, (words, done)
    return done


def send(server, *words, **options):
    return netctl(server, "send", *words, **options).stdout.decode()


def listed(server, *words):
    return json.loads(netctl(server, "list", "--json", *words).stdout)["messages"]


def test_a_message_goes_round(mail, tmp_path):
    (tmp_path / "data.bin").write_bytes(bytes(range(256)) * 40)
    words = send(mail, "--to", "Bob <bob@example.org>", "--to", "ann@example.com", "--from", "me@example.net",
                 "--subject", "Grüße aus Köln", "--attach", str(tmp_path / "data.bin"), "Hällo\n.\n..end")
    assert words.startswith("250 2.0.0 Ok: delivered as ")
    identifier = words.split()[-1]
    messages = listed(mail)
    assert {message["mailbox"] for message in messages} == {"bob@example.org", "ann@example.com"}
    assert all(message["id"] == identifier for message in messages)
    assert messages[0]["subject"] == "Grüße aus Köln"
    assert messages[0]["attachments"] == [
        {"number": 1, "filename": "data.bin", "type": "application/octet-stream", "size": 10240}]
    shown = json.loads(netctl(mail, "show", "--json", "latest").stdout)["message"]
    assert shown["text"] == "Hällo\n.\n..end\n" and shown["html"] is None
    assert {"name": "To", "value": "Bob <bob@example.org>, ann@example.com"} in shown["headers"]
    assert netctl(mail, "show", "--part", "1", identifier[:-1]).stdout == bytes(range(256)) * 40
    page = netctl(mail, "show", identifier).stdout.decode()
    assert "Subject:   Grüße aus Köln\n" in page and "\nHällo\n.\n..end\n" in page
    assert netctl(mail, "delete", identifier).stdout == b"deleted 2\n"
    assert netctl(mail, "list").stdout == b"no mail\n"


def test_a_complete_message_is_sent_as_it_is(mail):
    text = b"Subject: raw\nX-Odd: \xff\n\n.hidden\n.\nlast"
    send(mail, "--to", "bob@example.org", "--file", "-", stdin=text)
    raw = netctl(mail, "show", "--raw", "latest").stdout
    assert raw.endswith(b"\r\n" + text.replace(b"\n", b"\r\n") + b"\r\n")


def test_filters_choose(mail):
    send(mail, "--to", "bob@example.org", "--subject", "one", "--from", "x@example.com", "needle")
    send(mail, "--to", "ann@example.org", "--subject", "two", "--from", "y@example.com", "hay")
    assert [m["subject"] for m in listed(mail)] == ["two", "one"]
    for words in (["--to", "BOB"], ["--from", "x@"], ["--subject", "ONE"], ["--body", "Needle"]):
        assert [m["subject"] for m in listed(mail, *words)] == ["one"], words
    assert [m["subject"] for m in listed(mail, "--limit", "1")] == ["two"]
    assert listed(mail, "--to", "bob", "--subject", "two") == []
    netctl(mail, "delete", status=2)
    assert netctl(mail, "delete", "--from", "y@").stdout == b"deleted 1\n"
    assert netctl(mail, "delete", "--all", "--json").stdout == b'{"status":"ok","deleted":1}\n'


def test_wait_ends_when_the_message_is_there(mail):
    waiting = threading.Thread(
        target=lambda: found.append(netctl(mail, "wait", "--json", "--to", "late", "--count", "2")))
    found = []
    waiting.start()
    for number in range(2):
        send(mail, "--to", "other@example.org", "no")
        send(mail, "--to", f"late{number}@example.org", "yes")
    waiting.join()
    assert len(json.loads(found[0].stdout)["messages"]) == 2
    assert b"other@" not in found[0].stdout
    netctl(mail, "wait", "--to", "late0")  # one that is there already
    done = netctl(mail, "wait", "--new", "--to", "late0", status=1, timeout=0.2)
    assert done.stderr == b"netctl: no such mail came in time (0 of 1)\n"


def test_refusals_are_told_in_the_servers_words(tmp_path):
    server = MailServer(tmp_path)
    try:
        done = netctl(server, "send", "--to", "a@elsewhere.test", "hi", status=1)
        assert b"550 5.7.1 Relaying denied" in done.stderr
        done = netctl(server, "send", "--to", "a@elsewhere.test", "--to", "b@example.org", "hi", status=1)
        assert b"a@elsewhere.test is refused: 550 " in done.stderr and done.stdout.startswith(b"250 ")
        done = netctl(server, "send", "--to", "b@example.org", "--subject", "a\nX: b", "hi", status=2)
        assert b"a line end in an address or a header" in done.stderr
        done = netctl(server, "send", "--to", "b@example.org", "--server", "127.0.0.1:1", "hi", status=3)
        assert b"connect to 127.0.0.1:1: Connection refused: nobody listens there" in done.stderr
        netctl(server, "show", "nothing", status=1)
    finally:
        server.finish()


def test_hostile_mail_is_harmless_on_a_terminal(mail):
    send(mail, "--to", "bob@example.org", "--file", "-", stdin=(
        b"Subject: \x1b[2Jbad =?utf-8?B?" + base64.b64encode(b"\x1b]0;x\x07\r\nInjected: y") + b"?=\n\n\x1b[31mred\x07\n"))
    for words in (["list"], ["show", "latest"]):
        output = netctl(mail, *words).stdout
        assert b"\x1b" not in output and b"\x07" not in output, output
        assert b"\nInjected" not in output


def test_a_folder_can_be_read_without_netd(mail):
    send(mail, "--to", "bob@example.org", "--subject", "kept", "hi")
    mail.netd.kill()
    done = netctl(mail, "list", "--maildir", str(mail.mail))
    assert b"kept" in done.stdout
    netctl(mail, "list", status=3)
