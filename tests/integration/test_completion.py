"""Completion in a real shell, of what the running daemon has."""

import os
import shutil
import subprocess

import pytest
from netd_process import DEADLINE, NETCTL, ROOT

SCRIPTS = ROOT / "ctl" / "completions"


@pytest.fixture
def complete(netd):
    daemon = netd("[listener echo]\nprotocol = echo\nlisten = tcp:127.0.0.1:0\n"
                  "[listener greeter]\nprotocol = greet\nlisten = tcp:127.0.0.1:0\n")
    for identifier in ("job 1", "job-2"):
        daemon.control({"type": "produce", "task": {"id": identifier, "data": 1, "queue": "mail"}})

    def ask(*words):
        """What bash would offer for these words, the last of which is being typed."""
        script = (f"source '{SCRIPTS}/netctl.bash'; COMP_WORDS=(\"$@\"); "
                  "COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _netctl; printf '%s\\n' \"${COMPREPLY[@]}\"")
        result = subprocess.run(
            ["bash", "-c", script, "bash", str(NETCTL), *words], capture_output=True, text=True,
            timeout=DEADLINE, check=True,
            env=dict(os.environ, NETD_SOCKET=str(daemon.control_path)))
        assert result.stderr == ""
        return [line for line in result.stdout.splitlines() if line]

    return ask


def test_commands(complete):
    assert complete("sta") == ["stats", "status"]
    assert {"status", "task", "config", "drain"} <= set(complete(""))
    assert complete("config", "") == ["check", "show"]
    assert {"add", "work", "list"} <= set(complete("task", ""))


def test_options(complete):
    assert complete("task", "list", "--st") == ["--state"]
    assert "--json" in complete("status", "--")
    assert complete("task", "list", "--state", "d") == ["dead", "delayed"]


def test_names_of_the_running_daemon(complete):
    assert complete("drain", "") == ["echo", "greeter"]
    assert complete("connections", "--listener", "g") == ["greeter"]
    assert complete("task", "pause", "") == ["mail"]
    assert complete("task", "delete", "") == ["job\\ 1", "job-2"]
    assert complete("task", "add", "") == []
    assert complete("log-level", "w") == ["warning"]
    assert complete("task", "work", "--", "") == []


def test_without_a_daemon(complete):
    assert complete("--socket", "/nonexistent", "drain", "") == []
    assert complete("--socket", "/nonexistent", "dr") == ["drain"]


@pytest.mark.parametrize("shell, script", [("zsh", "_netctl"), ("fish", "netctl.fish")])
def test_the_other_shells_read_their_scripts(shell, script):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    result = subprocess.run([shell, "-n", str(SCRIPTS / script)], capture_output=True, text=True,
                            timeout=DEADLINE, check=True)
    assert result.stderr == ""
