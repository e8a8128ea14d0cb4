"""Mail from clients that are not ours, and from a Postfix that relays to netd; swaks, smtplib and curl
are in test_peers.py, too."""

import contextlib
import email
import email.policy
import os
import pwd
import shutil
import smtplib
import socket
import subprocess

import pytest
from netd_process import DEADLINE, until
from ports import free_port
from smtp_dialogue import wait_for_mail, without_trace

# What a client may spoil: dots, long lines, letters beyond ASCII, no empty line at the end.
TEXT = "\r\n".join(["Subject: hello", "From: a@example.com", "To: bob@example.org", "MIME-Version: 1.0",
                    "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit", "",
                    ".", "..", ".dot", "Grüße", "x" * 900, "", "end", ""]).encode()
BODY = TEXT.partition(b"\r\n\r\n")[2]
LARGE = TEXT + b"0123456789 and so on, and on\r\n" * 100_000


def need(program):
    found = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/usr/lib/postfix/sbin")
    if not found:
        pytest.skip(f"{program} is not installed (packaging/install-build-deps peers)")
    return found


def run(*command, data=b"", **options):
    done = subprocess.run([str(part) for part in command], input=data, capture_output=True,
                          timeout=DEADLINE, check=False, **options)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def body_of(mail):
    return without_trace(mail).partition(b"\r\n\r\n")[2]


def test_msmtp(serve):
    server = serve()
    for text in (TEXT, LARGE):
        # It reads what a program on Unix writes, and makes it CRLF.
        run(need("msmtp"), "--file=/dev/null", "--host=127.0.0.1", f"--port={server.address[1]}", "--auth=off",
            "--tls=off", "--from=a@example.com", "bob@example.org", "eve@example.org",
            data=text.replace(b"\r\n", b"\n"))
    for user in ("bob", "eve"):
        assert sorted(map(body_of, server.mails(user)), key=len) == [
            BODY, LARGE.partition(b"\r\n\r\n")[2]]


def test_msmtp_hears_of_a_refusal(serve):
    server = serve()
    done = subprocess.run([need("msmtp"), "--file=/dev/null", "--host=127.0.0.1", f"--port={server.address[1]}",
                           "--auth=off", "--tls=off", "--from=a@example.com", "bob@elsewhere.net"],
                          input=TEXT.replace(b"\r\n", b"\n"), capture_output=True, timeout=DEADLINE, check=False)
    assert done.returncode == os.EX_DATAERR
    assert b"550" in done.stderr


def test_curl_with_many_recipients(serve, tmp_path):
    server = serve()
    users = [f"user{number}" for number in range(20)]
    mail = tmp_path / "mail"
    mail.write_bytes(LARGE)
    run(need("curl"), "-sS", f"smtp://127.0.0.1:{server.address[1]}/me.example.com", "--mail-from", "a@example.com",
        "--upload-file", mail, *[part for user in users for part in ("--mail-rcpt", f"{user}@example.org")])
    for user in users:
        assert server.bodies(user) == [LARGE]


def test_swaks_with_every_size(serve, tmp_path):
    server = serve()
    data = tmp_path / "data"
    for size in (0, 1, 65_000, 1_000_000):
        data.write_bytes(b"Subject: x\r\n\r\n" + (b"z" * 78 + b"\r\n") * (size // 80))
        run(need("swaks"), "--server", "127.0.0.1", "--port", server.address[1], "--from", "<>",
            "--to", f"size{size}@example.org", "--data", f"@{data}", "--pipeline")
        assert len(server.files(f"size{size}")) == 1


NODE = """
const mailer = require('nodemailer');
const send = async (pool) => {
  const out = mailer.createTransport({host: '127.0.0.1', port: %d, secure: false, ignoreTLS: true, pool});
  for (let i = 0; i < 5; i++)
    await out.sendMail({from: 'Ä <a@example.com>', to: 'bob@example.org, eve@example.org',
                        subject: 'Grüße ' + i, text: '.\\n..\\nhello\\n',
                        attachments: [{filename: 'x.bin', content: Buffer.alloc(200000, i)}]});
  await out.sendMail({from: 'a@example.com', to: 'nobody@elsewhere.net', text: 'x'})
    .then(() => process.exit(3), error => { if (error.responseCode !== 550) process.exit(4); });
  out.close();
};
send(false).then(() => send(true)).catch(error => { console.error(error); process.exit(1); });
"""


def test_nodemailer(serve):
    node = need("node")
    # A node that is not Debian's does not look where Debian has its modules.
    paths = [os.environ.get("NODE_PATH", ""), "/usr/share/nodejs"]
    environment = os.environ | {"NODE_PATH": os.pathsep.join(filter(None, paths))}
    if subprocess.run([node, "-e", "require('nodemailer')"], capture_output=True, check=False,
                      env=environment).returncode != 0:
        pytest.skip("nodemailer is not installed (packaging/install-build-deps peers)")
    server = serve()
    run(node, "-e", NODE % server.address[1], env=environment)
    for user in ("bob", "eve"):
        mails = [email.message_from_bytes(mail, policy=email.policy.default) for mail in server.mails(user)]
        assert sorted(mail["Subject"] for mail in mails) == sorted([f"Grüße {i}" for i in range(5)] * 2)
        for mail in mails:
            number = int(mail["Subject"][-1])
            attachment = next(mail.iter_attachments())
            assert attachment.get_content() == bytes([number]) * 200_000
            assert mail.get_body().get_content().splitlines()[:3] == [".", "..", "hello"]


# ---- Postfix.


MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = loopback-only
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
myhostname = relay.example.com
mydestination =
alias_maps =
local_recipient_maps =
smtpd_relay_restrictions = permit_mynetworks, reject
relayhost = [127.0.0.1]:{port}
smtp_host_lookup = native
disable_dns_lookups = yes
minimal_backoff_time = 1s
maximal_backoff_time = 1s
queue_run_delay = 1s
maillog_file = {dir}/log
maillog_file_prefixes = {dir}
"""

MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
retry unix - - n - - error
smtp unix - - n - - smtp
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""


@pytest.fixture
def postfix(tmp_path):
    """Starts a Postfix of our own that passes everything on to a port; gives the port it listens on."""
    master = need("master")
    if os.geteuid() != 0:
        pytest.skip("Postfix starts as root only")
    started = []

    def start(to):
        folder = tmp_path / "postfix"
        user = pwd.getpwnam("postfix")
        for part in ("etc", "queue", "data"):
            (folder / part).mkdir(parents=True)
        os.chown(folder / "data", user.pw_uid, -1)
        for above in [folder, *folder.parents]:
            if above.stat().st_uid == os.geteuid() and not above.stat().st_mode & 0o001:
                above.chmod(above.stat().st_mode | 0o011)
        port = free_port()
        (folder / "etc" / "main.cf").write_text(MAIN_CF.format(dir=folder, port=to))
        (folder / "etc" / "master.cf").write_text(MASTER_CF.format(port=port))
        run(need("postfix"), "-c", folder / "etc", "check")
        started.append(subprocess.Popen([master, "-c", folder / "etc", "-d"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        until(lambda: answers(port), "Postfix to answer")
        return port, folder

    yield start
    for process in started:
        process.terminate()
        process.wait(DEADLINE)


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as client:
        return client.recv(4).startswith(b"220")
    return False


@pytest.mark.slow
def test_a_postfix_that_relays(serve, postfix):
    server = serve("max_recipients = 100\n")
    port, _ = postfix(server.address[1])
    users = [f"user{number}" for number in range(120)]
    with smtplib.SMTP("127.0.0.1", port, timeout=DEADLINE) as client:
        client.sendmail("a@example.com", ["bob@example.org"], TEXT, ["BODY=8BITMIME"])
        client.sendmail("", ["bob@example.org"], LARGE)
        client.sendmail("a@example.com", [f"{user}@example.org" for user in users], b"Subject: all\r\n\r\nhi\r\n")
    mails = wait_for_mail(server, "bob", 2)
    assert sorted(map(body_of, mails), key=len) == [BODY, LARGE.partition(b"\r\n\r\n")[2]]
    assert {mail.split(b"\r\n")[0] for mail in mails} == {b"Return-Path: <>", b"Return-Path: <a@example.com>"}
    for user in users:
        assert body_of(wait_for_mail(server, user)[0]) == b"hi\r\n"


@pytest.mark.slow
def test_a_postfix_tries_again(serve, postfix):
    """What is refused for now comes again, and arrives once."""
    server = serve("quota = 1K\n")
    config = server.netd.config_path.read_text()
    port, folder = postfix(server.address[1])
    with smtplib.SMTP("127.0.0.1", port, timeout=DEADLINE) as client:
        client.sendmail("a@example.com", ["bob@example.org"], TEXT)
    until(lambda: b"452 4.2.2" in (folder / "log").read_bytes(), "the refusal in Postfix's log")
    assert server.files("bob") == []
    server.netd.reload(config.replace("quota = 1K", "quota = 1M"))
    assert body_of(wait_for_mail(server, "bob")[0]) == BODY
