"""netctl mail: the mail catcher's reader and sender."""

import base64
import json
import resource
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
        for header in ("X-\u00c4: b", "X A: b", ": b", "X"):
            done = netctl(server, "send", "--to", "b@example.org", "--header", header, "hi", status=2)
            assert b'--header: expected "NAME: VALUE"' in done.stderr
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


def test_a_folder_that_is_named_and_not_there_is_an_error(mail, tmp_path):
    """A mistake in its name must not look like a folder without mail."""
    missing = tmp_path / "no-such-folder"
    for words in (["list"], ["show", "latest"], ["delete", "--all"], ["wait"]):
        words += ["--maildir", str(missing)]
        told = f"read {missing}: No such file or directory"
        done = netctl(mail, *words, status=1, timeout=0.1)
        assert (done.stdout, done.stderr.decode()) == (b"", f"netctl: {told}\n")
        document = json.loads(netctl(mail, *words, "--json", status=1, timeout=0.1).stdout)
        assert (document["status"], document["message"]) == ("error", told)
    missing.mkdir()
    netctl(mail, "list", "--maildir", str(missing))


def test_wait_lets_a_folder_come(mail, tmp_path):
    later = tmp_path / "later"
    found = []
    waiting = threading.Thread(
        target=lambda: found.append(netctl(mail, "wait", "--maildir", str(later), timeout=netd_process.DEADLINE)))
    waiting.start()
    send(mail, "--to", "bob@example.org", "--subject", "moved", "hi")
    mail.mail.rename(later)
    waiting.join()
    assert b"moved" in found[0].stdout


def test_an_empty_id_names_nothing(mail):
    send(mail, "--to", "bob@example.org", "hi")
    netctl(mail, "delete", "", status=2)
    netctl(mail, "show", "", status=2)
    assert len(listed(mail)) == 1


def test_a_long_subject_is_sent_in_lines_that_are_allowed(mail):
    for subject in ("x" * 3000, "word " * 600, "ü" * 900):
        send(mail, "--to", "bob@example.org", "--subject", subject, "hi")
        assert listed(mail)[0]["subject"] == subject.strip()
    assert max(map(len, netctl(mail, "list").stdout.decode().splitlines())) < 400


@pytest.mark.skipif(bool(netd_process.SANITIZER), reason="a sanitizer takes all addresses")
def test_a_list_holds_one_message_at_a_time(tmp_path):
    """Sixty of 20 MiB, in half a gigabyte; their holes take no disk."""
    new = tmp_path / "example.org/bob/new"
    new.mkdir(parents=True)
    for number in range(60):
        with open(new / f"{1000 + number}.M1P1R00000000Q{number}.mx", "wb") as file:
            file.write(b"Subject: big %d\r\n\r\n" % number)
            file.truncate(20 << 20)
    done = subprocess.run(
        [netd_process.NETCTL, "--json", "mail", "list", "--limit", "0", "--maildir", str(tmp_path)],
        capture_output=True, timeout=netd_process.DEADLINE, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20)))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["messages"][0]["subject"] == "big 59"


def test_broken_mail_is_shown_as_well_as_it_can_be(mail):
    odd = [
        (b"Content-Type: multipart/mixed; boundary=b\r\n\r\nno part\r\n", "no part\n", []),
        (b"Content-Type: multipart/mixed; boundary=\"b\r\n\r\n--b\r\n\r\ncut", None, []),
        (b"Content-Type: nonsense\r\n\r\nhi\r\n", "hi\n", []),
        (b"no header at all, and no empty line\r\n", "no header at all, and no empty line\n", []),
        (b"Content-Type: text/plain; charset=no-such\r\n\r\n\xe9\r\n", "\ufffd\n", []),
        (b"Content-Type: text/plain; charset=\"koi8-r\"\r\n\r\n\xc1\r\n", "\u0430\n", []),
        (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n"
         b"--b\r\nContent-Disposition: attachment\r\n\r\nx\r\n"
         b"--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!\r\n--b--\r\n",
         "text", [("", "text/plain", 1), ("", "application/pdf", 0)]),
        (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: image/png;\r\n"
         b" name*0*=utf-8''%c3%a4; name*1=\"b.png\"\r\n\r\nx\r\n", None, [("\u00e4b.png", "image/png", 3)]),
    ]
    for text, body, attachments in odd:
        send(mail, "--to", "bob@example.org", "--file", "-", stdin=text)
        message = json.loads(netctl(mail, "show", "--json", "latest").stdout)["message"]
        if body is not None:
            assert message["text"] == body, text
        found = [(one["filename"], one["type"], one["size"]) for one in message["attachments"]]
        assert found == attachments, text
        netctl(mail, "show", "latest")
        netctl(mail, "list")


@pytest.mark.slow
def test_lists_and_deletions_do_not_trip_over_each_other(mail):
    stop = threading.Event()

    def deliver():
        while not stop.is_set():
            send(mail, "--to", "bob@example.org", "--to", "ann@example.org", "hi")

    def remove():
        while not stop.is_set():
            netctl(mail, "delete", "--all")

    workers = [threading.Thread(target=one) for one in (deliver, remove)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(30):
            listed(mail)
            listed(mail, "--to", "bob")
        netctl(mail, "wait", "--to", "ann", timeout="20s")
    finally:
        stop.set()
        for worker in workers:
            worker.join()


def test_names_of_files_that_others_put_there_are_harmless(mail):
    send(mail, "--to", "bob@example.org", "hi")
    new = mail.folder("bob") / "new"
    (new / "1.odd\x1b[31m\n").write_text("Subject: odd\n\nx")
    (new / "1.\udcff").write_text("Subject: no UTF-8\n\nx")
    (new / "1.gone").symlink_to("/nonexistent")
    (new / "1.folder").mkdir()
    assert {message["subject"] for message in listed(mail)} == {"odd", "no UTF-8", ""}
    for words in (["list"], ["show", "1.odd"]):
        output = netctl(mail, *words).stdout
        assert b"\x1b" not in output and b"odd" in output, output


@pytest.mark.parametrize("words", [["list", "--limit", "-1"], ["wait", "--count", "0"], ["wait", "--count", "-1"],
                                   ["show", "--part", "0", "latest"], ["show", "--part", "x", "latest"]])
def test_numbers_that_cannot_be_are_told_shortly(mail, words):
    done = netctl(mail, *words, status=2)
    assert done.stdout == b"" and len(done.stderr) < 200, done.stderr


def test_a_listener_that_is_not_there_is_told_in_json_too(mail):
    done = netctl(mail, "send", "--json", "--listener", "none", "--to", "a@example.org", "hi", status=1)
    assert json.loads(done.stdout)["status"] == "error"
