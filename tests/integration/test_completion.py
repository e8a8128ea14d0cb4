"""Completion in a real shell, of what the running daemon has."""

import os
import shutil
import subprocess

import pytest
from netd_process import DEADLINE, NETCTL, ROOT

SCRIPTS = ROOT / "ctl" / "completions"
MAIL = ("[listener mail]\nprotocol = smtp\nlisten = tcp:127.0.0.1:0\nmaildir = {dir}/mail\n"
        "domains = example.org\n[service users]\nhealth = off\ninstance = 127.0.0.1:1\n")
LISTENERS = ("[listener echo]\nprotocol = echo\nlisten = tcp:127.0.0.1:0\n"
             "[listener greeter]\nprotocol = greet\nlisten = tcp:127.0.0.1:0\n")


@pytest.fixture
def complete(netd):
    daemon = netd(LISTENERS)
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


def test_mail_and_services(netd):
    daemon = netd(LISTENERS + MAIL)
    sent = daemon.netctl("mail", "send", "--to", "a@example.org", "hello")
    assert sent.returncode == 0, sent
    identifier = sent.stdout.split()[-1]

    def ask(*words):
        done = subprocess.run([NETCTL, "__complete", *words], capture_output=True, text=True, check=True,
                              timeout=DEADLINE, env={**os.environ, "NETD_SOCKET": str(daemon.control_path)})
        assert done.stderr == ""
        return done.stdout.split()

    socket_words = ["--socket", str(daemon.control_path)]
    for command in ("show", "delete"):
        assert ask(*socket_words, "mail", command, "") == sorted([identifier, "latest"])
    assert ask(*socket_words, "mail", "list", "--listener", "m") == ["mail"]
    assert ask(*socket_words, "call", "") == ["users"]
    assert ask("latency", "--mode", "") == ["connect", "echo", "http", "udp"]
    assert ask("throughput", "-m", "") == ["echo", "receive", "send"]


def test_without_a_daemon(complete):
    assert complete("--socket", "/nonexistent", "drain", "") == []
    assert complete("--socket", "/nonexistent", "dr") == ["drain"]
    assert complete("--socket", "/nonexistent", "mail", "show", "") == ["latest"]
    assert complete("--socket", "/nonexistent", "call", "") == []


def run_shell(command, environment):
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=True,
                          env={**os.environ, **environment})


@pytest.fixture
def environment(netd):
    """Where a shell finds netctl by its name and a daemon with two listeners."""
    daemon = netd(LISTENERS)
    path = f"{NETCTL.parent}:{os.environ['PATH']}"
    return {"PATH": path, "NETD_SOCKET": str(daemon.control_path), "HOME": str(daemon.folder),
            "TERM": "dumb"}


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
@pytest.mark.parametrize("typed, offered", [
    ("netctl sta", ["stats", "status"]),
    ("netctl drain ", ["echo", "greeter"]),
    ("netctl --json connections --listener g", ["greeter"]),
])
def test_fish(environment, typed, offered):
    script = f"source '{SCRIPTS}/netctl.fish'; complete -C '{typed}'"
    assert run_shell(["fish", "--no-config", "-c", script], environment).stdout.split() == offered


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
@pytest.mark.parametrize("typed, line", [
    ("netctl drain g", "netctl drain greeter"),
    ("netctl drain ech", "netctl drain echo"),
    ("netctl --json connections --listener g", "netctl --json connections --listener greeter"),
])
def test_zsh(environment, typed, line):
    """zsh completes only at a prompt: another one types into it, and reads the line back."""
    script = f"""
        zmodload zsh/zpty
        zpty shell zsh -f -i
        zpty -w shell 'PS1= PS2=; fpath=("{SCRIPTS}" $fpath); autoload -U compinit; compinit -D -u'
        zpty -w shell 'show() {{ print -r -- "<<$BUFFER>>"; }}; zle -N show; bindkey "^X" show; print rea""dy'
        zpty -r shell output '*ready*'
        zpty -w -n shell $'{typed}\t\x18'
        zpty -r shell output '*>>*'
        print -r -- $output
        zpty -d shell
    """
    assert f"<<{line}>>" in run_shell(["zsh", "-f", "-c", script], environment).stdout.replace(" >>", ">>")
