"""The FIFO channel, driven by the shell's own redirections."""

import json
import os
import subprocess
import threading

from netd_process import DEADLINE, until


def shell(daemon, script):
    return subprocess.run(["bash", "-c", script], cwd=daemon.folder, capture_output=True, text=True,
                          timeout=DEADLINE, check=True)


class Replies:
    """Whoever has reply.fifo open: opens it as a shell would, and reads line by line."""

    def __init__(self, daemon):
        self._fd = os.open(daemon.reply_fifo_path, os.O_RDONLY | os.O_NONBLOCK)
        self._buffer = b""

    def next(self):
        def line():
            try:
                self._buffer += os.read(self._fd, 1 << 20)
            except BlockingIOError:
                pass
            return b"\n" in self._buffer

        until(line, "a reply")
        text, self._buffer = self._buffer.split(b"\n", 1)
        return json.loads(text)

    def close(self):
        os.close(self._fd)


def test_commands_and_replies(netd):
    daemon = netd("[listener echo]\nprotocol = echo\nlisten = tcp:127.0.0.1:0\n")
    replies = Replies(daemon)
    shell(daemon, "echo status > control.fifo")
    assert replies.next()["listeners"][0]["name"] == "echo"
    shell(daemon, "echo 'task add t1 hello world' > control.fifo")
    assert replies.next() == {"status": "queued", "task_id": "t1"}
    shell(daemon, """echo 'task add t2 {"a": 1}' > control.fifo""")
    assert replies.next() == {"status": "queued", "task_id": "t2"}
    shell(daemon, "echo task stats > control.fifo")
    assert replies.next()["queues"][0]["ready"] == 2
    shell(daemon, "echo log-level warning > control.fifo; echo log-level debug > control.fifo")
    assert replies.next()["log_level"] == "warning"
    assert replies.next()["log_level"] == "debug"
    shell(daemon, "echo reload > control.fifo")
    assert replies.next()["status"] == "ok"
    replies.close()
    with daemon.connect_control() as control:
        assert control.ask({"type": "consume"})["task"]["data"] == "hello world"
        assert control.ask({"type": "consume"})["task"]["data"] == {"a": 1}
    assert "task add t1 hello world" in daemon.log()


def test_a_reader_that_opens_first_gets_the_answer(netd):
    """open(2) of a FIFO waits for the other end: the reader is there before the answer is."""
    daemon = netd()
    result = {}

    def read():
        with open(daemon.reply_fifo_path, encoding="utf-8") as fifo:
            result["line"] = fifo.readline()

    reader = threading.Thread(target=read)
    reader.start()
    # Until the reader has got as far as open(), answers have nobody to go to.
    while reader.is_alive():
        shell(daemon, "echo version > control.fifo")
        reader.join(0.05)
    assert json.loads(result["line"])["status"] == "ok"


def test_without_a_reader_the_journal_gets_it(netd):
    daemon = netd()
    shell(daemon, "echo version > control.fifo")
    daemon.wait_for_log(r'fifo: version: \{"status":"ok"')


def test_bad_lines_and_dead_writers(netd):
    daemon = netd()
    replies = Replies(daemon)
    shell(daemon, "echo 'no such thing' > control.fifo")
    assert replies.next()["status"] == "error"
    shell(daemon, "printf 'task add half' > control.fifo")
    assert replies.next()["status"] == "error"
    shell(daemon, "head -c 100000 /dev/zero | tr '\\0' x > control.fifo; echo > control.fifo")
    assert replies.next()["status"] == "error"
    shell(daemon, "head -c 3000 /dev/urandom > control.fifo; echo > control.fifo")
    shell(daemon, "echo 'log-level info' > control.fifo")
    while "log_level" not in (answer := replies.next()):
        assert answer["status"] == "error"
    replies.close()
    assert daemon.status()["tasks"]["total"] == 0


def test_many_writers_at_once(netd):
    daemon = netd()
    shell(daemon, "for i in $(seq 50); do (for j in $(seq 10); do "
                  "echo task add w$i-$j data > control.fifo; done) & done; wait")
    until(lambda: daemon.status()["tasks"]["ready"] == 500, "500 tasks")


def test_a_file_in_the_way_is_left_alone(netd):
    daemon = netd(start=False)
    daemon.fifo_path.write_text("precious")
    result = daemon.run()
    assert result.returncode == 78
    assert "control.fifo" in result.stderr and "FIFO" in result.stderr
    assert daemon.fifo_path.read_text() == "precious"
