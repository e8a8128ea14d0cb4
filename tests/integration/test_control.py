"""The control socket, driven by sockets and by socat, as clients of other making do."""

import json
import os
import socket
import stat
import subprocess
import threading
import time

from netd_process import DEADLINE, SANITIZER, Control, until

ECHO = "[listener echo]\nprotocol = echo\nlisten = tcp:127.0.0.1:0\n"
INVALID_JSON = b'{"status":"error","code":"invalid_json","message":"Invalid JSON"}\n'


def raw(daemon):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(DEADLINE)
    client.connect(str(daemon.control_path))
    return client


def read_to_end(client):
    received = b""
    while data := client.recv(65536):
        received += data
    return received


def ended(client):
    """Whether the other side closes, by FIN or RST, and says nothing more."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_client_that_knows_nothing_but_sockets(netd):
    daemon = netd()
    with raw(daemon) as client:
        client.send(b'{"type":"produce","task":{"id":"t1","data":"x"}}')
        assert client.recv(4096) == b'{"status":"queued","task_id":"t1"}\n'
    with raw(daemon) as client:
        client.send(b'{"type":"consume"}')
        answer = json.loads(client.recv(4096))
        assert answer["status"] == "success"
        task = answer["task"]
        assert (task["id"], task["data"], task["queue"], task["attempt"]) == ("t1", "x", "default", 1)
        assert abs(task["timestamp"] - time.time()) < 60
        for _ in range(3):
            begin = time.monotonic()
            client.send(b'{"type":"consume"}')
            assert client.recv(4096) == b'{"status":"empty"}\n'
            assert 0.9 < time.monotonic() - begin < DEADLINE


def test_rubbish_is_answered_at_once_and_ends_the_connection(netd):
    daemon = netd()
    for rubbish in (b"hello\n", b"\x00\xff\xfe", b'{"type":', b"GET / HTTP/1.1\r\n\r\n"):
        with raw(daemon) as client:
            client.sendall(rubbish)
            if rubbish.startswith(b"{"):
                client.shutdown(socket.SHUT_WR)
            assert read_to_end(client) == INVALID_JSON
    assert daemon.control({"type": "version"})["status"] == "ok"


def test_requests_back_to_back_without_line_ends(netd):
    daemon = netd()
    with raw(daemon) as client:
        client.sendall(b'{"type":"version","tag":1}{"type":"nonsense","tag":"b"} \r\n'
                       b'[1]{"type":"version","tag":{"c":[3]}}')
        client.shutdown(socket.SHUT_WR)
        answers = [json.loads(line) for line in read_to_end(client).splitlines()]
    assert [answer.get("tag") for answer in answers] == [1, "b", None, {"c": [3]}]
    assert [answer["status"] for answer in answers] == ["ok", "error", "error", "ok"]
    assert answers[1]["code"] == "unknown_type"


def test_socat_with_half_close(netd):
    daemon = netd()
    answer = subprocess.run(["socat", "-t", "5", "-", f"UNIX-CONNECT:{daemon.control_path}"],
                            input=b'{"type":"status"}', capture_output=True, timeout=DEADLINE,
                            check=True)
    assert json.loads(answer.stdout)["status"] == "ok"


def test_data_comes_back_digit_for_digit(netd):
    daemon = netd()
    data = b'{"z":1.50,"a":123456789012345678901234567890,"s":"\\u00e9\xc3\xa9\\n","e":[],"n":null}'
    with raw(daemon) as client:
        client.sendall(b'{"type":"produce","task":{"id":7,"data":\n ' + data.replace(b",", b" , ") + b"}}")
        assert client.recv(4096) == b'{"status":"queued","task_id":7}\n'
        client.sendall(b'{"type":"consume"}')
        assert b'"data":' + data + b"," in client.recv(4096)


def test_requests_sent_together_find_what_stands_before_them(netd):
    daemon = netd()
    with raw(daemon) as client:
        client.sendall(b'{"type":"produce","task":{"id":1,"data":1}}{"type":"task_stats"}'
                       b'{"type":"consume","wait":0,"lease":60}{"type":"produce","task":{"id":2,"data":1}}'
                       b'{"type":"tasks"}{"type":"done","id":1}{"type":"peek","id":1}{"type":"consume","wait":0}'
                       b'{"type":"consume","wait":0}')
        client.shutdown(socket.SHUT_WR)
        answers = [json.loads(line) for line in read_to_end(client).splitlines()]
    assert answers[0]["status"] == "queued"
    assert answers[1]["tasks"]["ready"] == 1
    assert answers[2]["task"]["id"] == 1
    assert [task["state"] for task in answers[4]["tasks"]] == ["leased", "ready"]
    assert answers[5] == {"status": "ok", "task_id": 1}
    assert answers[6]["code"] == "not_found"
    assert answers[7]["task"]["id"] == 2
    assert answers[8] == {"status": "empty"}


def test_an_id_is_the_same_however_it_is_written(netd):
    daemon = netd()
    with raw(daemon) as client:
        def ask(request):
            client.sendall(request)
            return json.loads(client.recv(65536))

        assert ask(b'{"type":"produce","task":{"id":1.0,"data":"n"}}')["task_id"] == 1
        assert ask(b'{"type":"produce","task":{"id":"1","data":"s"}}') == {"status": "queued", "task_id": "1"}
        assert ask(b'{"type":"produce","task":{"id":10e-1,"data":"n"}}')["duplicate"] is True
        assert ask(b'{"type":"produce","task":{"id":"\\u0031","data":"s"}}')["duplicate"] is True
        assert ask(b'{"type":"consume","lease":60}')["task"]["data"] == "n"
        assert ask(b'{"type":"done","id":"1"}')["code"] == "not_leased"
        assert ask(b'{"type":"done","id":1}')["status"] == "ok"
        assert ask(b'{"type":"peek","id":1.0}')["code"] == "not_found"


def test_status_has_what_the_contract_names(netd):
    daemon = netd(ECHO, workers=2)
    with daemon.connect("echo") as client:
        client.sendall(b"hello")
        assert client.recv(5) == b"hello"
        echo = until(lambda: daemon.listener("echo")["bytes"]["out"] == 5 and daemon.listener("echo"),
                     "the bytes to be counted")
    status = daemon.status()
    assert status["pid"] == daemon.pid
    assert status["version"] and status["uptime_s"] >= 0
    assert set(status["config"]) == {"path", "generation", "loaded_at"}
    assert status["workers"] == 2
    assert status["tasks"]["ready"] == 0
    assert echo["protocol"] == "echo"
    assert echo["connections"]["accepted"] == 1
    assert echo["connections"]["refused"] == 0
    assert echo["bytes"] == {"in": 5, "out": 5}
    assert echo["errors"] == 0
    assert echo["addresses"][0].startswith("tcp:127.0.0.1:")


def test_connections_are_listed_and_disconnected(netd):
    daemon = netd(ECHO)
    with daemon.connect("echo") as client, daemon.connect("echo") as other:
        listed = until(lambda: (a := daemon.control({"type": "connections"}))["total"] == 2 and a,
                       "both connections to be listed")["connections"]
        mine = "127.0.0.1:%d" % client.getsockname()[1]
        (entry,) = [one for one in listed if one["client"] == mine]
        assert entry["listener"] == "echo"
        answer = daemon.control({"type": "disconnect", "id": entry["id"]})
        assert answer == {"status": "ok", "disconnected": 1}
        assert ended(client)
        other.sendall(b"x")
        assert other.recv(1) == b"x"
        assert daemon.control({"type": "disconnect", "id": entry["id"]})["code"] == "not_found"


def test_a_connection_over_unix_says_where_it_came_in(netd):
    daemon = netd("[listener echo]\nprotocol = echo\nlisten = unix:{dir}/echo.sock\n")
    path = str(daemon.folder / "echo.sock")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        (entry,) = daemon.control({"type": "connections"})["connections"]
        assert entry["local"] == "unix:" + path
        assert entry["client"].startswith("unix:uid=")


def test_a_bad_reload_changes_nothing_and_names_every_mistake(netd):
    daemon = netd(ECHO)
    port = daemon.port("echo")
    answer = daemon.reload(ECHO + "mode = sideways\nbogus = 1\n")
    assert answer["code"] == "config_invalid"
    assert len(answer["mistakes"]) == 2
    assert all(str(daemon.config_path) in mistake for mistake in answer["mistakes"])
    assert daemon.port("echo") == port
    check = daemon.control({"type": "config", "check": True})
    assert check["code"] == "config_invalid" and len(check["mistakes"]) == 2
    assert daemon.reload(ECHO + "mode = line\n")["status"] == "ok"


def test_a_consumer_that_goes_loses_nothing(netd):
    daemon = netd()
    parked = [raw(daemon) for _ in range(10)]
    for client in parked:
        client.sendall(b'{"type":"consume","wait":30}')
    with daemon.connect_control() as control:
        until(lambda: control.ask({"type": "task_stats"})["tasks"]["waiting"] == 10, "all to be parked")
        for client in parked:
            client.close()
        for number in range(5):
            control.ask({"type": "produce", "task": {"id": number, "data": None}})
        taken = [control.ask({"type": "consume"})["task"]["id"] for _ in range(5)]
    assert taken == list(range(5))


def test_a_bound_lease_ends_with_its_connection(netd):
    daemon = netd()
    with daemon.connect_control() as control:
        control.ask({"type": "produce", "task": {"id": "t", "data": 1}})
        with daemon.connect_control() as worker:
            answer = worker.ask({"type": "consume", "lease": 3600, "bind": True})
            assert answer["task"]["attempt"] == 1
        again = control.ask({"type": "consume", "lease": 60, "wait": 5})
        assert again["task"]["id"] == "t"
        assert control.ask({"type": "done", "id": "t"}) == {"status": "ok", "task_id": "t"}


def test_a_thousand_connections_and_fairness(netd):
    daemon = netd()
    clients = [Control(daemon.control_path) for _ in range(1000)]
    flood = b'{"type":"version"}' * 2000
    pump = threading.Thread(target=clients[0].send, args=(flood,))
    pump.start()
    begin = time.monotonic()
    for client in clients[1:]:
        client.send({"type": "version"})
    for client in clients[1:]:
        assert client.receive()["status"] == "ok"
    assert time.monotonic() - begin < DEADLINE
    for _ in range(2000):
        assert clients[0].receive()["status"] == "ok"
    pump.join()
    for client in clients:
        client.close()


def test_a_client_that_never_reads_hurts_nobody(netd):
    daemon = netd()
    before = daemon.resident_bytes()
    with raw(daemon) as client:
        client.setblocking(False)
        request = b'{"type":"status"}' * 1000
        sent = 0
        end = time.monotonic() + 2
        while time.monotonic() < end:
            try:
                sent += client.send(request)
            except BlockingIOError:
                with daemon.connect_control() as control:
                    assert control.ask({"type": "version"})["status"] == "ok"
        assert sent < 16 << 20
        assert SANITIZER or daemon.resident_bytes() - before < 64 << 20


def test_events_follow_tasks_and_connections(netd):
    daemon = netd(ECHO)
    with daemon.connect_control() as all_of_it, daemon.connect_control() as tasks:
        assert all_of_it.ask({"type": "subscribe"}) == {"status": "ok"}
        assert tasks.ask({"type": "subscribe", "events": ["task"]}) == {"status": "ok"}
        with daemon.connect("echo") as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"
        daemon.control({"type": "produce", "task": {"id": "t1", "data": 1}})
        event = tasks.receive()
        assert (event["event"], event["task"]) == ("task_produced", "t1")
        seen = {}
        while not {"task_produced", "connection_open", "connection_close"} <= set(seen):
            event = all_of_it.receive()
            seen.setdefault(event["event"], event)
        closed = seen["connection_close"]
        assert closed["listener"] == "echo"
        assert closed["bytes_in"] == 1


def test_only_the_group_may_open_the_socket(netd):
    daemon = netd()
    mode = os.stat(daemon.control_path).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660
    for fifo in (daemon.fifo_path, daemon.reply_fifo_path):
        assert stat.S_IMODE(os.stat(fifo).st_mode) == 0o660


def test_with_public_status_others_may_look_and_nothing_more(netd, tmp_path):
    """Another user is only at hand when the tests run as root."""
    if os.geteuid() != 0:
        return
    folder = tmp_path / "n"
    daemon = netd("[control]\nsocket = {dir}/control.sock\nfifo = off\nreply_fifo = off\n"
                  "public_status = yes\n", folder=folder)
    for path in (folder, *folder.parents):
        if str(path).startswith("/tmp/") and path != folder:
            path.chmod(path.stat().st_mode | 0o011)
    folder.chmod(0o711)
    script = ("import json,socket,sys;s=socket.socket(socket.AF_UNIX);s.connect(sys.argv[1]);"
              "s.sendall(sys.argv[2].encode());print(s.recv(65536).decode())")

    def ask_as_nobody(request):
        result = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c",
             script, str(daemon.control_path), json.dumps(request)],
            capture_output=True, text=True, timeout=DEADLINE, check=True)
        return json.loads(result.stdout)

    assert ask_as_nobody({"type": "status"})["status"] == "ok"
    for request in ({"type": "stop"}, {"type": "reload"}, {"type": "consume"},
                    {"type": "produce", "task": {"data": 1}}, {"type": "connections"}):
        assert ask_as_nobody(request)["code"] == "forbidden"
    assert daemon.status()["state"] == "running"
