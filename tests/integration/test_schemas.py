"""Every JSON document of the control socket and of netctl --json is what the shipped schemas say."""

import json
import os
import pathlib
import re
import shlex
import socket
import subprocess

import jsonschema
import pytest
from netd_process import DEADLINE, NETCTL, Control

ROOT = pathlib.Path(__file__).parents[2]
SCHEMAS = {path.name.removesuffix(".schema.json"): json.loads(path.read_text())
           for path in (ROOT / "ctl" / "schemas").iterdir()}

CONF = """
[listener echo]
protocol = echo
listen = tcp:127.0.0.1:0
listen = udp:127.0.0.1:0
[listener web]
protocol = http
listen = tcp:127.0.0.1:0
route = / info
route = /service proxy app
[listener discard]
protocol = discard
listen = tcp:127.0.0.1:0
[listener mail]
protocol = smtp
listen = tcp:127.0.0.1:0
maildir = {dir}/mail
domains = example.org
[service app]
instance = unix:{dir}/nobody
health = off
"""


def check(schema, document):
    # Not jsonschema.validate(): it checks the schema anew with each document.
    jsonschema.Draft202012Validator(schema).validate(document)


def part(name, definition):
    """One definition of a schema, as a schema."""
    whole = {key: value for key, value in SCHEMAS[name].items() if key not in ("anyOf", "oneOf")}
    return {**whole, "$ref": f"#/$defs/{definition}"}


def types():
    source = (ROOT / "daemon" / "control" / "commands.cc").read_text()
    return re.findall(r'\{"(\w+)", (?:Pace::\w+, )?k(?:Read|Steer)', source)


def members_of(command):
    """The members of a type by the daemon's own table."""
    source = (ROOT / "daemon" / "control" / "commands.cc").read_text()
    listed = re.search(r'\{"%s", (?:Pace::\w+, )?k\w+, "([^"]*)"' % command, source).group(1)
    return {word.rstrip("?"): not word.endswith("?") for word in listed.split()}


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_schemas(name):
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])


@pytest.mark.parametrize("command", types())
def test_requests_have_the_members_that_the_daemon_knows(command):
    schema = SCHEMAS["request"]["$defs"]["request_" + command]
    assert set(schema["properties"]) - {"type", "tag"} == set(members_of(command))
    required = {member for member, needed in members_of(command).items() if needed}
    assert set(schema["required"]) - {"type"} == required
    assert "answer_" + command in SCHEMAS["answer"]["$defs"]


REQUESTS = [
    {"type": "status"},
    {"type": "status", "tag": [1]},
    {"type": "listeners"},
    {"type": "connections"},
    {"type": "stats"},
    {"type": "version"},
    {"type": "config"},
    {"type": "config", "check": True},
    {"type": "reload"},
    {"type": "log_level"},
    {"type": "log_level", "level": "info"},
    {"type": "produce", "task": {"id": "a", "data": {"x": 1}}},
    {"type": "produce", "task": {"id": "a", "data": {"x": 1}}},
    {"type": "produce", "task": {"id": "a", "data": 2}},
    {"type": "produce", "task": {"id": 7, "data": 7, "delay": 60, "ttl": 3600, "priority": -1}},
    {"type": "produce", "task": {"data": [], "queue": "other", "max_attempts": 1}},
    {"type": "tasks"},
    {"type": "tasks", "limit": 1, "state": "ready"},
    {"type": "task_stats"},
    {"type": "peek", "id": 7},
    {"type": "peek"},
    {"type": "consume", "lease": 60, "wait": 0},
    {"type": "peek", "id": "a"},
    {"type": "touch", "id": "a", "lease": 60},
    {"type": "fail", "id": "a", "delay": 0},
    {"type": "consume", "lease": 60, "bind": True},
    {"type": "give_back", "id": "a"},
    {"type": "consume", "lease": 60},
    {"type": "done", "id": "a", "attempt": 2, "result": {"ok": True}},
    {"type": "done", "id": "a"},
    {"type": "result", "id": "a"},
    {"type": "result", "id": 7, "wait": 0},
    {"type": "result", "id": "nothing"},
    {"type": "consume", "wait": 0},
    {"type": "consume", "queue": "other", "wait": 0, "lease": 60},
    {"type": "kick", "id": 7},
    {"type": "kick", "queue": "other"},
    {"type": "delete", "id": 7},
    {"type": "delete", "id": 7},
    {"type": "pause", "queue": "q"},
    {"type": "resume", "queue": "q"},
    {"type": "disconnect", "id": 999},
    {"type": "disconnect", "listener": "echo"},
    {"type": "drain", "listener": "web"},
    {"type": "drain", "listener": "web", "resume": True},
    {"type": "drain", "listener": "none"},
    {"type": "subscribe", "events": ["log"]},
]


def test_requests_and_answers_on_the_control_socket(netd):
    daemon = netd(CONF)
    with daemon.connect("echo") as client, daemon.connect_control() as control:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        for request in REQUESTS:
            check(SCHEMAS["request"], request)
            check(part("request", "request_" + request["type"]), request)
            answer = control.ask(request)
            check(part("answer", "answer_" + request["type"]), answer)
        check(SCHEMAS["answer"], answer)
        for wrong in ({"type": "produce"}, {"type": "log_level", "level": "loud"}, {"type": "what"}, {}):
            with pytest.raises(jsonschema.ValidationError):
                check(SCHEMAS["request"], wrong)
            check(part("answer", "error"), control.ask(wrong))
        daemon.config_path.write_text(daemon.config_path.read_text() + "\nnonsense = 1\n")
        for request in ({"type": "reload"}, {"type": "config", "check": True}):
            answer = control.ask(request)
            assert answer["mistakes"]
            check(part("answer", "error"), answer)
    asked = {request["type"] for request in REQUESTS}
    assert asked | {"stop"} == set(types()), "each type is asked at least once"


def test_a_schema_refuses_what_is_not_so(netd):
    with netd().connect_control() as control:
        status = control.ask({"type": "status"})
    schema = part("answer", "answer_status")
    check(schema, status)
    for wrong in ({**status, "pid": "1"}, {**status, "more": 1}, {"status": "ok"},
                  {"status": "error", "message": "no code"}):
        with pytest.raises(jsonschema.ValidationError):
            check(schema, wrong)


def test_events(netd):
    daemon = netd(CONF)
    with Control(daemon.control_path) as listener, daemon.connect_control() as control:
        check(part("answer", "answer_subscribe"), listener.ask({"type": "subscribe"}))
        with daemon.connect("echo") as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"
        control.ask({"type": "produce", "task": {"id": "t", "data": 1}})
        control.ask({"type": "consume"})
        kinds = set()
        while not {"task_produced", "task_taken", "connection_close"} <= kinds:
            event = listener.receive()
            check(SCHEMAS["event"], event)
            kinds.add(event["event"])


def netctl(daemon, *arguments, **options):
    done = subprocess.run([NETCTL, "--socket", daemon.control_path, "--json", *arguments],
                          capture_output=True, text=True, timeout=DEADLINE, check=False, **options)
    return json.loads(done.stdout or done.stderr)


def test_netctl_prints_the_daemons_answer(netd):
    daemon = netd(CONF)
    for words, command in (
            ("status", "status"), ("listeners", "listeners"), ("connections", "connections"),
            ("stats", "stats"), ("version", "version"), ("config show", "config"),
            ("config check", "config"), ("log-level", "log_level"), ("task add t 1", "produce"),
            ("task list", "tasks"), ("task stats", "task_stats"), ("task show t", "peek"),
            ("task take --wait 0", "consume"), ("task delete t", "delete"),
            ("task pause q", "pause"), ("task resume q", "resume"), ("reload", "reload"),
            ("drain echo", "drain"), ("stop", "stop")):
        check(part("answer", "answer_" + command), netctl(daemon, *words.split()))


def test_exported_and_imported_tasks(netd):
    daemon = netd()
    lines = ['{"id":"a","data":1,"delay":60,"ttl":600}', '{"id":2,"data":null,"queue":"q"}']
    check(SCHEMAS["task-import"], netctl(daemon, "task", "import", input="\n".join(lines)))
    daemon.stop()
    exported = subprocess.run([NETCTL, "task", "export", "-c", daemon.config_path],
                              capture_output=True, text=True, timeout=DEADLINE, check=True)
    assert len(exported.stdout.splitlines()) == 2
    for line in exported.stdout.splitlines():
        check(SCHEMAS["exported-task"], json.loads(line))


def client(command, *arguments, **options):
    """The document of a client, as it is on one of the two outputs."""
    done = subprocess.run([NETCTL, "--json", *command.split(), *map(str, arguments)],
                          capture_output=True, text=True, timeout=DEADLINE, check=False, **options)
    lines = [line for line in done.stdout.splitlines() + done.stderr.splitlines()
             if line.startswith("{")]
    assert len(lines) == 1, done
    return json.loads(lines[0])


def clients(daemon, tmp_path):
    """What each client says when all is well, and what it says when not."""
    echo, web = (f"127.0.0.1:{daemon.port(name)}" for name in ("echo", "web"))
    udp = f"127.0.0.1:{daemon.port('echo', 'udp')}"
    with socket.socket() as unused:  # bound and not listening: it refuses
        unused.bind(("127.0.0.1", 0))
        none = f"127.0.0.1:{unused.getsockname()[1]}"
        port = none.rpartition(":")[2]
        yield "echo", client("echo --count 2 --interval 0.01", echo, "hello")
        yield "echo", client("echo --count 1", f"udp:{none}")
        yield "connect", client("connect", echo, input="hello")
        yield "connect", client("connect --receive", tmp_path / "file", echo)
        yield "http", client("http", f"http://{web}/")
        yield "http", client("http -o", tmp_path / "body", f"http://{web}/")
        yield "http", client("http", f"http://{web}/service")
        yield "scan", client("scan 127.0.0.1", f"{port},{daemon.port('web')}")
        yield "latency", client("latency --count 2 --interval 0.01", echo, f"echo:{echo}",
                                f"http://{web}/", none)
        yield "throughput", client("throughput --time 0.05 --streams 2", echo, none)
        yield "throughput", client("--timeout 0.2 throughput --udp --time 0.05", udp, none)
        yield "scan", client("--timeout 0.2 scan --udp 127.0.0.1", f"{port},{udp.rpartition(':')[2]}")
        yield "throughput", client("throughput --time 0.05 --mode send",
                                   f"127.0.0.1:{daemon.port('discard')}")
        for command in ("echo", "connect"):
            yield "error", client(command, none, *(["x"] if command == "echo" else []))
        yield "error", client("http", f"http://{none}/")
        yield "error", client("scan no-such-name.invalid 80")
        yield "error", netctl(daemon, "call", "app", "/")


def test_clients(netd, tmp_path):
    daemon = netd(CONF)
    for definition, document in clients(daemon, tmp_path):
        check(part("client", definition), document)
        check(SCHEMAS["client"], document)


MESSAGE = """\
From: a@example.org
Subject: hi
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=x

--x
Content-Type: text/plain

hello
--x
Content-Type: application/json; name=a.json

{}
--x--
"""


def test_mail(netd):
    daemon = netd(CONF)
    sent = netctl(daemon, "mail", "send", "--to", "b@example.org", "--to", "c@elsewhere.net", "--file",
                  "-", input=MESSAGE)
    assert [recipient["code"] for recipient in sent["recipients"]] == [250, 550]
    listed = netctl(daemon, "mail", "wait", "--to", "b@example.org")
    shown = netctl(daemon, "mail", "show", listed["messages"][0]["id"])
    assert len(shown["message"]["attachments"]) == 1
    for definition, document in (
            ("send", sent), ("list", listed), ("show", shown),
            ("list", netctl(daemon, "mail", "list")),
            ("delete", netctl(daemon, "mail", "delete", shown["message"]["id"]))):
        check(part("mail", definition), document)
        check(SCHEMAS["mail"], document)


# What each command says when it fails, once for each way in which it can. {none}: where nobody
# listens; {file}: no folder.
FAILURES = [
    ("answer", 2, "usage", "no-such-command"),
    ("answer", 2, "usage", "status --no-such-option"),
    ("answer", 2, "usage", "disconnect one"),
    ("answer", 2, "usage", "--timeout soon status"),
    ("answer", 2, "usage", "stats --interval x"),
    ("answer", 2, "usage", "top"),
    ("answer", 2, "bad_value", "log-level loud"),
    ("answer", 1, "not_found", "drain nobody"),
    ("answer", 3, "unreachable", "--socket /nowhere status"),
    ("answer", 3, "unreachable", "--socket /nowhere stats"),
    ("answer", 3, "unreachable", "--socket /nowhere stats --watch"),
    ("answer", 3, "unreachable", "--socket /nowhere events"),
    ("answer", 3, "unreachable", "--socket {file} version"),
    ("answer", 1, "failed", "task check -c /nowhere"),
    ("answer", 1, "failed", "task export -c /nowhere"),
    ("answer", 1, "failed", "task check -c {conf}"),  # in use
    ("answer", 3, "unreachable", "--socket /nowhere task import"),
    ("answer", 3, "unreachable", "--socket /nowhere task work true"),
    ("answer", 2, "usage", "task work --lease 1ms true"),
    ("answer", 2, "usage", "task work"),
    ("client", 3, "unreachable", "--socket /nowhere call app /"),
    ("client", 1, "failed", "call nobody /"),
    ("client", 1, "failed", "call app /"),
    ("client", 2, "usage", "echo 127.0.0.1:65536 x"),
    ("client", 2, "usage", "echo --count 0 {none} x"),
    ("client", 1, "refused", "echo {none}"),
    ("client", 1, "unresolved", "echo no-such-name.invalid:7"),
    ("client", 2, "usage", "http --header x {none}"),
    ("client", 1, "refused", "http {none}"),
    ("client", 2, "usage", "scan 127.0.0.1 9-1"),
    ("client", 1, "unresolved", "scan no-such-name.invalid 1"),
    ("client", 2, "usage", "latency --count x {none}"),
    ("client", 2, "usage", "latency nothing"),
    ("client", 2, "usage", "throughput --time 0 {none}"),
    ("mail", 3, "unreachable", "--socket /nowhere mail list"),
    ("mail", 1, "failed", "mail list --maildir {file}"),
    ("mail", 1, "failed", "mail list --listener nobody"),
    ("mail", 1, "failed", "mail show latest"),
    ("mail", 1, "failed", "mail show nothing"),
    ("mail", 2, "usage", "mail show"),
    ("mail", 2, "usage", "mail show ''"),
    ("mail", 2, "usage", "mail delete ''"),
    ("mail", 2, "usage", "mail show --raw latest"),
    ("mail", 2, "usage", "mail delete"),
    ("mail", 1, "failed", "mail delete nothing"),
    ("mail", 1, "failed", "--timeout 0.01 mail wait"),
    ("mail", 3, "refused", "mail send --to a@b.c --server {none} x"),
    ("mail", 3, "unresolved", "mail send --to a@b.c --server no-such-name.invalid:25 x"),
    ("mail", 2, "usage", "mail send --to a@b.c --server nothing x"),
    ("mail", 1, "failed", "mail send --to a@b.c --file /nowhere"),
]


def test_a_failure_is_a_document_too(netd):
    daemon = netd(CONF)
    with socket.socket() as unused:  # bound and not listening: it refuses
        unused.bind(("127.0.0.1", 0))
        places = {"none": f"127.0.0.1:{unused.getsockname()[1]}", "file": daemon.config_path,
                  "conf": daemon.config_path}
        for schema, status, code, words in FAILURES:
            done = subprocess.run(
                [NETCTL, *shlex.split(words.format(**places)), "--json"], capture_output=True, text=True,
                timeout=DEADLINE, check=False, stdin=subprocess.DEVNULL,
                env={**os.environ, "NETD_SOCKET": str(daemon.control_path)})
            assert done.returncode == status, (words, done)
            assert done.stdout.count("\n") == 1, (words, done)
            document = json.loads(done.stdout)
            assert document["code"] == code, (words, done)
            check(part(schema, "error"), document)
            check(SCHEMAS[schema], document)
            if schema != "answer" or code in ("usage", "unreachable"):
                assert done.stderr.startswith("netctl: "), (words, done)


def test_connect_tells_of_a_failure_beside_the_stream(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        none = f"127.0.0.1:{unused.getsockname()[1]}"
        for more in ([], ["--receive", tmp_path / "file"]):
            done = subprocess.run([NETCTL, "--json", "connect", none, *more], capture_output=True,
                                  text=True, timeout=DEADLINE, check=False,
                                  stdin=subprocess.DEVNULL)
            line = (done.stdout or done.stderr).splitlines()[0]
            assert bool(done.stdout) == bool(more)
            check(part("client", "error"), json.loads(line))


def test_piped_echo_is_told_line_by_line(netd):
    daemon = netd(CONF)
    document = client("echo", f"127.0.0.1:{daemon.port('echo')}", input="one\n\ntwo")
    check(part("client", "echo"), document)
    assert document["replies"] == ["one\n", "\n", "two\n"] and document["verified"] is True
