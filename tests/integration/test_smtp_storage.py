"""Mail that was acknowledged is there, once and whole, whatever happens to netd or to its disk."""

import collections
import contextlib
import errno
import os
import random
import re
import shutil
import smtplib
import socket
import subprocess
import threading

import netd_process
import pytest
from netd_process import until
from numbered_mail import Sender, keys_in
from smtp_dialogue import Client

# How often netd is killed; NETD_CRASHES=200 for the long form.
CRASHES = int(os.environ.get("NETD_CRASHES", "10"))


# ---- Crashes.


@pytest.mark.parametrize("sync", ["always", "off"])
def test_kill_9_loses_and_doubles_nothing(serve, sync):
    """Without sync, too: what the kernel has taken outlives the process."""
    server = serve(f"sync = {sync}\n")
    acknowledged = []
    pause = random.Random(1)
    for crash in range(CRASHES):
        senders = [Sender(server.address, f"{crash}-{number}") for number in range(6)]
        for sender in senders:
            sender.start()
        until(lambda: any(sender.acknowledged for sender in senders), "the first message")
        threading.Event().wait(pause.uniform(0, 0.05))  # a moment of its own in every round
        server.netd.kill()
        for sender in senders:
            sender.join(netd_process.DEADLINE)
            acknowledged += sender.acknowledged
        server.netd.start()
        server.address = server.netd.addresses("mail")[0]
    found = {user: keys_in(server.mails(user)) for user in ("one", "two")}
    assert acknowledged
    for key, users in acknowledged:
        for user in users:
            assert found[user][key] == 1, f"{key} is {found[user][key]} times in {user}'s mailbox"
    assert all(count == 1 for counts in found.values() for count in counts.values())
    for user in ("one", "two"):
        until(lambda user=user: not server.files(user, part="tmp"), "the sweep of tmp/")
    server.netd.expect_clean = True


def test_what_others_have_in_tmp_stays(serve):
    server = serve()
    with server.client() as client:
        client.envelope("bob@example.org")
        client.message(b"hi")
    other = server.folder("bob") / "tmp" / "1767323045.M1P1.other"
    other.write_text("of another program")
    mine = server.folder("bob") / "tmp" / "netd.1767323045.M1P1R00000000Q1.netd.example.org"
    mine.write_text("what a crash left")
    os.utime(mine, (1, 1))
    server.netd.kill()
    server.netd.start()
    until(lambda: not mine.exists(), "the sweep of tmp/")
    assert other.exists()
    server.netd.expect_clean = True


def test_a_stop_in_the_middle_of_a_message(serve):
    """What is in the middle of a message is let finish."""
    server = serve()
    with server.client() as client, server.client() as idle:
        client.envelope("bob@example.org")
        client.expect("DATA", "354")
        client.send(b"hi")
        server.netd.signal(15)
        assert idle.reply().startswith(b"421 4.3.2 ")
        assert client.ask(b"\r\n.\r\n").startswith(b"250 ")
        assert client.reply().startswith(b"421 4.3.2 ")
    assert server.netd.wait() == 0
    assert server.bodies("bob") == [b"hi\r\n"]


def test_a_reload_keeps_sessions_and_store(serve):
    server = serve()
    config = server.netd.config_path.read_text()
    with server.client() as client:
        client.envelope("bob@example.org")
        client.expect("DATA", "354")
        server.netd.reload(config.replace("domains = example.org", "domains = example.com"))
        assert client.ask(b"hi\r\n.\r\n").startswith(b"250 ")
    with server.client() as client:
        client.expect("EHLO x", "250")
        client.expect("MAIL FROM:<>", "250")
        client.expect("RCPT TO:<bob@example.org>", "550 5.7.1 ")
        client.expect("RCPT TO:<bob@example.com>", "250 ")
        assert client.message(b"ho").startswith(b"250 ")
    assert server.bodies("bob") == [b"hi\r\n"]
    assert server.bodies("bob", "example.com") == [b"ho\r\n"]


# ---- Disks that fail.


@pytest.fixture(scope="session")
def fault_library(tmp_path_factory):
    if netd_process.SANITIZER:
        pytest.skip("the sanitizers' own interposition comes first")
    library = tmp_path_factory.mktemp("faults") / "disk_faults.so"
    source = netd_process.ROOT / "tests" / "support" / "disk_faults.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    return library


@pytest.fixture
def serve_faulty(serve, fault_library, tmp_path):
    """Starts a netd whose disk fails as the text in its `faults` says."""
    def start(settings=""):
        faults = tmp_path / "faults"
        faults.write_text("")
        server = serve(settings, environment={"LD_PRELOAD": str(fault_library), "DISK_FAULTS": str(faults),
                                              "DISK_FAULTS_BELOW": "/mail/", "DISK_WAITS": str(tmp_path / "waits")})
        server.faults = faults
        server.waits = tmp_path / "waits"
        return server
    return start


@pytest.fixture
def faulty(serve_faulty):
    return serve_faulty()


def everything_in(server):
    return [path for path in server.mail.rglob("*") if path.is_file()]


@pytest.mark.parametrize(("fault", "answer"), [
    (f"create {errno.ENOSPC}\n", "452 4.3.1 "), (f"create {errno.EROFS}\n", "451 4.3.0 "),
    (f"write {errno.ENOSPC}\n", "452 4.3.1 "), (f"write {errno.EDQUOT}\n", "452 4.3.1 "),
    (f"write {errno.EIO}\n", "451 4.3.0 "), (f"fsync {errno.EIO}\n", "451 4.3.0 "),
    (f"fsync {errno.ENOSPC}\n", "452 4.3.1 "), (f"fsync-folder {errno.EIO}\n", "451 4.3.0 "),
    (f"rename {errno.EROFS}\n", "451 4.3.0 "), (f"rename {errno.ENOSPC}\n", "452 4.3.1 ")])
def test_a_disk_that_fails(faulty, fault, answer):
    """The client hears of it, nothing stays, and it is over when the disk is well again."""
    with faulty.client() as client:
        client.envelope("bob@example.org")
        assert client.message(b"before").startswith(b"250 ")
        count = len(everything_in(faulty))
        faulty.faults.write_text(fault)
        for text in (b"x" * 500, (b"y" * 70 + b"\r\n") * 20000):
            client.envelope("bob@example.org")
            assert client.message(text).startswith(answer.encode()), fault
        until(lambda: len(everything_in(faulty)) == count, "the failed messages to be gone")
        faulty.faults.write_text("")
        client.envelope("bob@example.org")
        assert client.message(b"after").startswith(b"250 ")
    assert faulty.bodies("bob") == [b"after\r\n", b"before\r\n"]
    faulty.netd.wait_for_log("mail is accepted again")
    # Errors and what is below them are written by two threads: either may come first.
    faulty.netd.wait_for_log("mail is refused with a temporary error")
    assert faulty.netd.log().count("mail is refused with a temporary error") == 1


@pytest.mark.parametrize("fault", ["fsync-folder", "link", "mkdir"])
def test_several_recipients_get_it_or_none_does(faulty, fault):
    with faulty.client() as client:
        client.envelope("one@example.org")
        client.expect("RCPT TO:<two@example.org>", "250")
        faulty.faults.write_text(f"{fault} {errno.EIO}\n")
        assert client.message(b"hi").startswith(b"451 4.3.0 ")
        faulty.faults.write_text(f"{fault} {errno.ENOSPC}\n")
        client.envelope("one@example.org")
        client.expect("RCPT TO:<two@example.org>", "250")
        assert client.message(b"hi").startswith(b"452 4.3.1 ")
    assert everything_in(faulty) == []


def test_new_mailboxes_of_one_message_are_brought_to_disk_together(faulty):
    with faulty.client() as client:
        client.envelope("first@example.org")
        assert client.message(b"hi").startswith(b"250 ")
        before = faulty.waits.read_text().count("\n")
        client.envelope("new0@example.org")
        for number in range(1, 100):
            client.expect(f"RCPT TO:<new{number}@example.org>", "250")
        assert client.message(b"hi").startswith(b"250 ")
    # Of each the folder and its new/, where the file system cannot sync them all at once.
    assert faulty.waits.read_text().count("\n") - before <= 2 * 100 + 10
    assert len(everything_in(faulty)) == 101


@pytest.mark.parametrize("lacks", [f"rename {errno.EINVAL}\n", f"rename {errno.EINVAL}\nlink {errno.EPERM}\n",
                                   f"rename {errno.ENOSYS}\nlink {errno.ENOSYS}\n", f"link {errno.EMLINK}\n"],
                         ids=["flags", "links", "both", "more-links"])
def test_a_file_system_that_lacks(faulty, lacks):
    """Links, a rename that replaces nothing, or both: mail arrives all the same."""
    faulty.faults.write_text(lacks)
    with faulty.client() as client:
        client.envelope("one@example.org")
        assert client.message(b"hi").startswith(b"250 ")
        client.envelope("one@example.org")
        client.expect("RCPT TO:<two@example.org>", "250")
        assert client.message(b"both").startswith(b"250 ")
    assert faulty.bodies("one") == [b"both\r\n", b"hi\r\n"]
    assert faulty.bodies("two") == [b"both\r\n"]
    assert [path.parent.name for path in everything_in(faulty)] == ["new"] * 3


@pytest.mark.parametrize("lacks", ["", f"unnamed {errno.EOPNOTSUPP}\n", f"unnamed {errno.EISDIR}\n",
                                   f"unnamed {errno.EINVAL}\n", f"link {errno.EPERM}\n",
                                   f"link-descriptor {errno.ENOENT}\n"],
                         ids=["nothing", "unnamed", "flag", "mode", "links", "privilege"])
def test_a_file_system_that_lacks_what_mail_without_sync_uses(serve_faulty, lacks):
    """Files without a name, and links to give them one: mail arrives all the same."""
    server = serve_faulty("sync = off\n")
    server.faults.write_text(lacks)
    large = (b"y" * 70 + b"\r\n") * 20000
    with server.client() as client:
        client.envelope("one@example.org")
        assert client.message(large).startswith(b"250 ")
        client.envelope("one@example.org")
        client.expect("RCPT TO:<two@example.org>", "250")
        assert client.message(b"both").startswith(b"250 ")
    assert sorted(server.bodies("one")) == [b"both\r\n", large + b"\r\n"]
    assert server.bodies("two") == [b"both\r\n"]
    assert [path.parent.name for path in everything_in(server)] == ["new"] * 3
    mask = os.umask(0o77)
    os.umask(mask)
    for path in everything_in(server):
        assert path.stat().st_size == int(path.name.rpartition(",S=")[2])
        assert path.stat().st_mode & 0o777 == 0o660 & ~mask


@pytest.mark.skipif(bool(netd_process.SANITIZER), reason="sanitizers read /proc themselves")
def test_without_proc(serve):
    """The way to name a file that has no name leads through /proc: without it they have one at once."""
    wrapper = ["unshare", "--mount", *([] if os.getuid() == 0 else ["--map-root-user"]),
               "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    tried = subprocess.run([*wrapper, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(tried.stderr)
    server = serve("domains = example.org\nsync = off\n[listener drop]\nprotocol = capture\n"
                   "listen = tcp:127.0.0.1:0\ndirectory = {dir}/captures\n", wrapper=wrapper)
    with server.client() as client:
        for others in ([], ["two"]):
            client.envelope("one@example.org")
            for user in others:
                client.expect(f"RCPT TO:<{user}@example.org>", "250")
            assert client.message(b"hi").startswith(b"250 ")
    assert (len(server.bodies("one")), len(server.bodies("two"))) == (2, 1)
    assert {path.parent.name for path in everything_in(server)} == {"new"}
    with server.netd.connect("drop") as client:
        client.sendall(b"kept")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert [file.read_text() for file in (server.netd.folder / "captures").iterdir()] == ["kept"]


@pytest.mark.parametrize(("fault", "answer"), [
    (f"unnamed {errno.ENOSPC}\n", "452 4.3.1 "), (f"unnamed {errno.EROFS}\n", "451 4.3.0 "),
    (f"write {errno.ENOSPC}\n", "452 4.3.1 "), (f"link {errno.ENOSPC}\n", "452 4.3.1 "),
    (f"link {errno.EROFS}\n", "451 4.3.0 ")])
def test_a_disk_that_fails_without_sync(serve_faulty, fault, answer):
    server = serve_faulty("sync = off\n")
    with server.client() as client:
        server.faults.write_text(fault)
        for others in ([], ["two"]):
            client.envelope("one@example.org")
            for user in others:
                client.expect(f"RCPT TO:<{user}@example.org>", "250")
            assert client.message(b"x" * 500).startswith(answer.encode())
        assert everything_in(server) == []
        server.faults.write_text("")
        client.envelope("one@example.org")
        assert client.message(b"after").startswith(b"250 ")
    assert server.bodies("one") == [b"after\r\n"]


class Stubborn(Sender):
    """Sends on whatever the answers are, until it is told to stop."""

    def __init__(self, address, name):
        super().__init__(address, name)
        self.refused = 0
        self.stopping = threading.Event()

    def run(self):
        with Client(self.address) as client:
            client.expect("EHLO x", "250")
            while not self.stopping.is_set():
                before = len(self.acknowledged)
                self.send_one(client)
                self.refused += len(self.acknowledged) == before


@contextlib.contextmanager
def stubborn_senders(server):
    senders = [Stubborn(server.address, f"s{number}") for number in range(10)]
    for sender in senders:
        sender.start()
    try:
        yield senders
    finally:
        for sender in senders:
            sender.stopping.set()
        for sender in senders:
            sender.join(netd_process.DEADLINE)


@pytest.mark.parametrize(("fault", "refuses"), [
    (f"create {errno.ENOSPC}\n", True), (f"write {errno.EIO}\n", True), (f"fsync {errno.EIO}\nsyncfs {errno.EIO}\n", True),
    (f"fsync-folder {errno.EIO}\n", True), (f"rename {errno.EDQUOT}\nlink {errno.EDQUOT}\n", True),
    (f"syncfs {errno.EIO}\n", False), (f"written {errno.EIO}\n", None)],
    ids=["create", "write", "fsync", "folder", "name", "syncfs", "written"])
def test_what_was_acknowledged_is_there_and_nothing_else(faulty, fault, refuses):
    """With a disk that fails and comes back while groups of messages are being committed."""
    with stubborn_senders(faulty) as senders:
        def acknowledged():
            return sum(len(sender.acknowledged) for sender in senders)

        def refused():
            return sum(sender.refused for sender in senders)

        for _ in range(2):
            before = acknowledged()
            until(lambda before=before: acknowledged() > before + 20, "mail to be accepted")
            before = acknowledged() + refused(), refused()
            faulty.faults.write_text(fault)
            until(lambda before=before: acknowledged() + refused() > before[0] + 40, "mail to be answered")
            if refuses is not None:
                assert (refused() > before[1]) == refuses
            faulty.faults.write_text("")
        before = acknowledged()
        until(lambda: acknowledged() > before + 20, "mail to be accepted again")
    expected = {user: collections.Counter(key for sender in senders for key, users in sender.acknowledged
                                          if user in users) for user in ("one", "two")}
    assert {user: keys_in(faulty.mails(user)) for user in ("one", "two")} == expected
    for user in ("one", "two"):
        until(lambda user=user: not faulty.files(user, part="tmp"), "tmp/ to be empty")


def file_system_of(path):
    return subprocess.run(["findmnt", "-n", "-o", "FSTYPE", "-T", path], check=True, capture_output=True,
                          text=True).stdout.strip()


def test_a_group_is_on_disk_only_when_the_cache_of_the_disk_is_empty(faulty):
    """syncfs(2) alone leaves blocks in it on ext4 without a journal: an fsync(2) has to follow."""
    with stubborn_senders(faulty) as senders:
        def acknowledged():
            return sum(len(sender.acknowledged) for sender in senders)

        def wait_for_refusals():
            before = sum(sender.refused for sender in senders)
            until(lambda: sum(sender.refused for sender in senders) > before + 20, "mail to be refused")

        def groups():
            return faulty.waits.read_text().split().count("syncfs")

        until(lambda: acknowledged() > 20, "mail to be accepted")
        faulty.faults.write_text(f"fsync {errno.EIO}\n")
        wait_for_refusals()  # what was under way has been answered
        before = acknowledged(), groups()
        # One that fails has the next ones synced file by file for a second.
        until(lambda: groups() > before[1] or file_system_of(faulty.mail) not in ("ext4", "xfs", "btrfs"), "a group")
        wait_for_refusals()
        assert acknowledged() == before[0]


def test_the_journal_tells_of_a_disk_that_fails(faulty):
    faulty.faults.write_text(f"write {errno.ENOSPC}\n")
    with faulty.client() as client:
        client.envelope("bob@example.org")
        client.message(b"hi")
    faulty.netd.wait_for_log("No space left on device")


def test_a_folder_that_turns_read_only(serve):
    if os.geteuid() == 0:
        pytest.skip("root writes where nobody may")
    server = serve()
    with server.client() as client:
        client.envelope("bob@example.org")
        client.message(b"before")
        new = server.folder("bob") / "new"
        new.chmod(0o500)
        client.envelope("bob@example.org")
        assert client.message(b"hi").startswith(b"451 4.3.0 ")
        new.chmod(0o700)
        client.envelope("bob@example.org")
        assert client.message(b"after").startswith(b"250 ")
    assert server.bodies("bob") == [b"after\r\n", b"before\r\n"]


def test_quota(serve):
    server = serve("quota = 100K\n")
    line = b"x" * 78 + b"\r\n"
    with server.client() as client:
        client.envelope("full@example.org")
        assert client.message(line * 1000).startswith(b"250 ")
        client.envelope("full@example.org")
        client.expect("RCPT TO:<other@example.org>", "250")
        assert client.message(line * 400).startswith(b"452 4.2.2 ")
        # Now it is known to be full: the other recipient need not suffer again.
        client.expect("MAIL FROM:<a@example.com>", "250")
        client.expect("RCPT TO:<full@example.org>", "452 4.2.2 ")
        client.expect("RCPT TO:<other@example.org>", "250")
        assert client.message(line * 400).startswith(b"250 ")
    assert len(server.files("full")) == 1
    assert len(server.files("other")) == 1


def test_quota_of_messages_that_come_at_once(serve):
    """Each alone would fit."""
    server = serve("quota = 100K\n")
    clients = [server.client() for _ in range(12)]
    for client in clients:
        client.envelope("bob@example.org")
        client.expect("DATA", "354")
        client.send((b"x" * 78 + b"\r\n") * 375)
    for client in clients:
        client.send(b".\r\n")
    answers = [client.reply()[:10] for client in clients]
    for client in clients:
        client.close()
    assert collections.Counter(answers) == {b"250 2.0.0 ": 3, b"452 4.2.2 ": 9}
    assert len(server.files("bob")) == 3


def test_quota_is_asked_for_the_declared_size(serve):
    """Somebody's large message must not close the mailbox for the small ones of others."""
    server = serve("quota = 100K\n")
    with server.client() as client:
        client.envelope("bob@example.org")
        assert client.message(b"x" * 900).startswith(b"250 ")
        client.envelope("bob@example.org")
        assert client.message((b"x" * 78 + b"\r\n") * 1400).startswith(b"452 4.2.2 ")
        client.expect("MAIL FROM:<a@example.com> SIZE=120000", "250")
        client.expect("RCPT TO:<bob@example.org>", "452 4.2.2 ")
        client.expect("RSET", "250")
        client.expect("MAIL FROM:<a@example.com> SIZE=2000", "250")
        client.expect("RCPT TO:<bob@example.org>", "250")
        assert client.message(b"y" * 900).startswith(b"250 ")
    assert len(server.files("bob")) == 2


def test_a_mailbox_that_is_removed_is_made_anew(serve):
    server = serve()
    for _ in range(2):
        with server.client() as client:
            client.envelope("bob@example.org")
            assert client.message(b"hi").startswith(b"250 ")
        assert server.bodies("bob") == [b"hi\r\n"]
        shutil.rmtree(server.mail)


# ---- Other clients.


def test_many_clients_at_once(serve):
    """Every message of many sessions is there once, with several workers."""
    server = serve(workers=2)

    def send(number):
        with smtplib.SMTP(*server.address, timeout=netd_process.DEADLINE) as client:
            for message in range(10):
                client.sendmail("a@example.com", ["all@example.org"], f"Key: {number}-{message}\r\n\r\nhi\r\n")

    threads = [threading.Thread(target=send, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys = collections.Counter(re.search(rb"Key: (\S+)", mail).group(1) for mail in server.mails("all"))
    assert len(keys) == 200 and set(keys.values()) == {1}


def test_clients_that_vanish(serve):
    """With a reset, at every stage."""
    server = serve()
    stages = [b"", b"EHLO x\r\n", b"MAIL FROM:<a@example.com>\r\n", b"RCPT TO:<gone@example.org>\r\n",
              b"DATA\r\n", b"half\r\n", b"x" * 300000]
    for stage in range(len(stages)):
        client = server.client()
        client.send(b"".join(stages[:stage + 1]))
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        client.close()
    with server.client() as client:
        client.envelope("there@example.org")
        assert client.message(b"hi").startswith(b"250 ")
    until(lambda: not server.files("gone", part="tmp"), "tmp/ to be empty")
    assert server.bodies("gone") == []


def test_swaks_in_all_its_ways(serve):
    server = serve()
    port = str(server.address[1])
    for number, extra in enumerate([[], ["--pipeline"], ["--protocol", "SMTP"],
                                    ["--attach", "@" + str(server.netd.config_path)]]):
        done = subprocess.run(["swaks", "--server", "127.0.0.1", "--port", port, "--from", "a@example.com",
                               "--to", f"swaks{number}@example.org", *extra], capture_output=True, check=False,
                              timeout=netd_process.DEADLINE)
        assert done.returncode == 0, done.stdout
        assert len(server.files(f"swaks{number}")) == 1
