"""netctl task work: commands run for tasks."""

import os
import signal
import subprocess

from netd_process import DEADLINE, NETCTL, until


def work(daemon, *arguments, **options):
    return subprocess.run([NETCTL, "--socket", daemon.control_path, "task", "work", *arguments],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE,
                          check=False, **options)


def start(daemon, *arguments):
    return subprocess.Popen([NETCTL, "--socket", daemon.control_path, "task", "work", *arguments],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True)


def add(daemon, identifier, data, **more):
    answer = daemon.control({"type": "produce", "task": {"id": identifier, "data": data, **more}})
    assert answer["status"] == "queued", answer


def result_of(daemon, identifier):
    answer = daemon.control({"type": "result", "id": identifier, "wait": 5})
    assert answer["status"] == "ok", answer
    return answer["result"]


def state_of(daemon, identifier):
    answer = daemon.control({"type": "peek", "id": identifier})
    return answer["task"] if answer["status"] == "ok" else None


def test_data_in_results_out(netd):
    daemon = netd()
    add(daemon, "text", "hello\nworld")
    add(daemon, 7, {"a": [1, "x"]})
    add(daemon, "nothing", None, queue="default")
    result = work(daemon, "--drain", "--", "sh", "-c",
                  'echo "$NETD_TASK_ID/$NETD_QUEUE/$NETD_ATTEMPT:$(cat)"')
    assert (result.returncode, result.stderr) == (0, "")
    assert result_of(daemon, "text") == "text/default/1:hello\nworld"
    assert result_of(daemon, 7) == '7/default/1:{"a":[1,"x"]}'
    assert result_of(daemon, "nothing") == "nothing/default/1:null"
    add(daemon, "json", 1)
    assert work(daemon, "--drain", "--", "echo", '{"x": [true]}').returncode == 0
    assert result_of(daemon, "json") == {"x": [True]}
    add(daemon, "silent", 1)
    assert work(daemon, "--drain", "--", "true").returncode == 0
    assert result_of(daemon, "silent") is None, "who asks late is still told that it is done"


def test_failures_and_another_try(netd):
    daemon = netd()
    add(daemon, "bad", 1, max_attempts=1)
    result = work(daemon, "--count", "1", "--", "false")
    assert "task bad: exit status 1" in result.stderr
    assert state_of(daemon, "bad")["state"] == "dead"
    add(daemon, "later", 1)
    assert work(daemon, "--count", "1", "--", "sh", "-c", "exit 75").returncode == 0
    task = state_of(daemon, "later")
    assert (task["state"], task["attempt"]) == ("ready", 0)


def test_many_at_a_time_and_large_data(netd, tmp_path):
    daemon = netd()
    data = "x" * 500_000
    for number in range(12):
        add(daemon, f"t{number}", data)
    result = work(daemon, "-j", "4", "--drain", "--", "sh", "-c", f"wc -c; echo . >> {tmp_path}/done")
    assert (result.returncode, result.stderr) == (0, "")
    assert (tmp_path / "done").read_text().count(".") == 12
    assert {result_of(daemon, f"t{number}") for number in range(12)} == {500_000}


def test_a_command_that_reads_nothing_and_one_that_writes_a_lot(netd):
    daemon = netd()
    add(daemon, "deaf", "x" * 500_000)
    assert work(daemon, "--drain", "--", "true").stderr == ""
    add(daemon, "loud", 1)
    assert work(daemon, "--drain", "--", "sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' y").stderr == ""
    assert result_of(daemon, "loud") == "y" * (256 << 10)
    add(daemon, "escaped", 1)
    assert work(daemon, "--drain", "--", "sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' '\\1'").stderr == ""
    assert set(result_of(daemon, "escaped")) == {"\1"}


def test_a_result_that_max_data_does_not_take_is_cut(netd):
    daemon = netd("[tasks]\npath = {dir}/tasks\nmax_data = 1K\n")
    add(daemon, "loud", 1)
    add(daemon, "quiet", 2)
    done = work(daemon, "--drain", "--", "sh", "-c", 'echo "$NETD_TASK_ID" >&2; cat; [ "$NETD_TASK_ID" = quiet ] || '
                "head -c 100000 /dev/zero | tr '\\0' y")
    lines = done.stderr.splitlines()
    assert lines.count("loud") == 1, "the command ran more than once"
    assert sum("max_data" in line for line in lines) == 1
    assert done.returncode == 0
    result = result_of(daemon, "loud")
    assert set(result[1:]) == {"y"} and 512 < len(result) <= 1022
    assert result_of(daemon, "quiet") == 2
    assert state_of(daemon, "loud") is None


def test_a_time_out_kills_the_whole_group(netd, tmp_path):
    daemon = netd()
    add(daemon, "slow", 1, max_attempts=1)
    script = f"sleep 600 & echo $! > {tmp_path}/child; wait"
    result = work(daemon, "--timeout", "200ms", "--count", "1", "--", "sh", "-c", script)
    assert "took too long" in result.stderr
    assert state_of(daemon, "slow")["state"] == "dead"
    child = int((tmp_path / "child").read_text())

    def gone():
        try:
            with open(f"/proc/{child}/stat", encoding="ascii") as stat:
                return stat.read().split()[2] == "Z"
        except FileNotFoundError:
            return True

    until(gone, "the command's child to end")


def test_sigterm_lets_commands_finish_and_gives_back_the_rest(netd, tmp_path):
    daemon = netd()
    add(daemon, "one", 1)
    go = tmp_path / "go"
    worker = start(daemon, "--", "sh", "-c",
                   f"touch {tmp_path}/started; while [ ! -e {go} ]; do sleep 0.02; done; echo finished")
    until(lambda: (tmp_path / "started").exists(), "the command to run")
    worker.send_signal(signal.SIGTERM)
    assert "waiting" in worker.stderr.readline()
    add(daemon, "two", 2)
    go.touch()
    assert worker.wait(DEADLINE) == 0
    worker.communicate()
    assert result_of(daemon, "one") == "finished"
    assert state_of(daemon, "two")["state"] == "ready"


def test_a_worker_that_is_killed_loses_nothing(netd, tmp_path):
    daemon = netd()
    add(daemon, "one", 1)
    pid_file = tmp_path / "pid"
    worker = start(daemon, "--lease", "1h", "--", "sh", "-c",
                   f"echo $$ > {tmp_path}/new; mv {tmp_path}/new {pid_file}; exec sleep 600")
    until(pid_file.exists, "the command to run")
    worker.kill()
    worker.wait()
    until(lambda: state_of(daemon, "one")["state"] == "ready", "the task to come back")
    os.kill(int(pid_file.read_text()), signal.SIGKILL)
    worker.communicate()


def test_leases_are_renewed(netd, tmp_path):
    daemon = netd()
    add(daemon, "one", 1)
    result = work(daemon, "--lease", "1s", "--count", "1", "--", "sh", "-c",
                  f"echo x >> {tmp_path}/runs; sleep 3; echo done")
    assert (result.returncode, result.stderr) == (0, "")
    assert (tmp_path / "runs").read_text() == "x\n"
    assert result_of(daemon, "one") == "done"


def test_it_connects_again_when_netd_restarts(netd):
    daemon = netd()
    worker = start(daemon, "--count", "2", "--", "cat")
    add(daemon, "one", "first")
    assert result_of(daemon, "one") == "first"
    daemon.stop()
    daemon.start()
    add(daemon, "two", "second")
    assert result_of(daemon, "two") == "second"
    assert worker.wait(DEADLINE) == 0
    worker.communicate()


def test_what_cannot_run_takes_no_task_away(netd):
    daemon = netd()
    add(daemon, "one", 1)
    result = work(daemon, "--", "/no/such/command")
    assert result.returncode == 1 and "/no/such/command" in result.stderr
    task = state_of(daemon, "one")
    assert (task["state"], task["attempt"]) == ("ready", 0)
    assert work(daemon).returncode == 2
    daemon.stop()
    assert work(daemon, "--", "true").returncode == 3
