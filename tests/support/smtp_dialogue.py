"""Raw SMTP dialogues as tables: what is sent, octet by octet, and what must be answered."""

import dataclasses
import itertools
import re
import socket

import netd_process
from netd_process import DEADLINE, until

_users = itertools.count(1)


@dataclasses.dataclass
class Case:
    """One dialogue. `rfc` names the section that decides it.

    `steps` are pairs of what is sent and what must come back. What is sent is text (a line; CRLF is
    added) or bytes (as they are). What must come back is the start of the only reply ("250 2.1.0"),
    "354|250" for either, a list of those for several replies, "closed" for the end of the
    connection, or None for nothing to wait for. "{user}" stands for a mailbox of this case's own.

    `mail` is what must have been delivered to that mailbox, without the trace fields: a list of
    bytes, or None when it does not matter."""

    name: str
    rfc: str
    steps: list
    mail: list | None = None
    hello: str | None = "EHLO client.example"


def case_id(case):
    return case.name.replace(" ", "-")


class Client:
    """One connection, with answers cut into replies."""

    def __init__(self, address, greeting=True):
        self.socket = socket.create_connection(address, timeout=DEADLINE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.reads = 0
        if greeting:
            assert self.reply().startswith(b"220 ")

    def reply(self):
        """The next reply with all of its lines, or b"" at the end of the connection."""
        while True:
            found = re.match(rb"(?:\d{3}-[^\n]*\r\n)*\d{3}(?: [^\n]*)?\r\n", self.buffer)
            if found:
                self.buffer = self.buffer[found.end():]
                return found.group()
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError:
                data = b""
            if not data:
                assert not self.buffer, f"half a reply: {self.buffer!r}"
                return b""
            self.reads += 1
            self.buffer += data

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has closed; what it said is what counts

    def ask(self, line):
        self.send(line if isinstance(line, bytes) else line.encode() + b"\r\n")
        return self.reply()

    def expect(self, line, *starts):
        answer = self.ask(line)
        assert answer.startswith(tuple(start.encode() for start in starts)), (line, answer)
        return answer

    def envelope(self, recipient, sender="<sender@example.com>", hello="EHLO client.example"):
        self.expect(hello, "250")
        self.expect(f"MAIL FROM:{sender}", "250 2.1.0 ")
        self.expect(f"RCPT TO:<{recipient}>", "250 2.1.5 ")

    def message(self, data):
        self.expect("DATA", "354 ")
        return self.ask(data + b"\r\n.\r\n")

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class MailServer:
    """A netd with one SMTP listener."""

    DOMAIN = "example.org"

    def __init__(self, folder, settings="", **options):
        config = ("[listener mail]\nprotocol = smtp\nlisten = tcp:127.0.0.1:0\n"
                  f"maildir = {{dir}}/mail\n{settings}")
        if "domains" not in settings:
            config += "domains = example.org\ndomains = *.example.net\n"
        self.netd = netd_process.Netd(folder, config, **options)
        self.netd.start()
        self.address = self.netd.addresses("mail")[0]
        self.mail = self.netd.folder / "mail"

    def client(self, greeting=True):
        return Client(self.address, greeting)

    def folder(self, user, domain=DOMAIN):
        return self.mail / domain / user

    def files(self, user, domain=DOMAIN, part="new"):
        folder = self.folder(user, domain) / part
        return sorted(folder.iterdir()) if folder.exists() else []

    def mails(self, user, domain=DOMAIN):
        return [file.read_bytes() for file in self.files(user, domain)]

    def bodies(self, user, domain=DOMAIN):
        """What the clients sent, without the trace fields; in no order."""
        return sorted(without_trace(mail) for mail in self.mails(user, domain))

    def run(self, case):
        user = f"user{next(_users)}"
        with self.client() as client:
            if case.hello:
                client.expect(case.hello, "250")
            for number, (sent, expected) in enumerate(case.steps):
                self._step(client, user, f"step {number} of {case.name} ({case.rfc})", sent, expected)
        if case.mail is not None:
            assert self.bodies(user) == sorted(case.mail), case.name
            # What is refused is removed behind the answer.
            until(lambda: not self.files(user, part="tmp"), "tmp/ to be empty")

    @staticmethod
    def _step(client, user, what, sent, expected):
        if isinstance(sent, str):
            sent = sent.replace("{user}", user).encode() + b"\r\n"
        else:
            sent = sent.replace(b"{user}", user.encode())
        if sent:
            client.send(sent)
        if expected is None:
            return
        for start in [expected] if isinstance(expected, str) else expected:
            answer = client.reply()
            if start == "closed":
                assert answer == b"", f"{what}: open, and said {answer!r}"
                continue
            assert answer.startswith(tuple(part.encode() for part in start.split("|"))), (
                f"{what}: {sent[:200]!r} was answered {answer!r}, not {start}")

    def finish(self):
        self.netd.finish()


def without_trace(mail):
    """The message without Return-Path, Delivered-To and Received that the server put in front."""
    found = re.match(rb"Return-Path: <[^\r\n]*>\r\n(?:Delivered-To: [^\r\n]+\r\n)?"
                     rb"Received: from [^\r\n]+\r\n(?:\t[^\r\n]+\r\n)+", mail)
    assert found, f"no trace fields: {mail[:300]!r}"
    return mail[found.end():]


def wait_for_mail(server, user, count=1, domain=MailServer.DOMAIN):
    return until(lambda: len(server.files(user, domain)) == count and server.mails(user, domain),
                 f"{count} messages for {user}")
