"""packaging/quickstart, from an already built tree: it shows netd, and leaves nothing behind."""

import os
import pathlib
import re
import shutil
import signal
import subprocess

import netd_process
import pytest
from netd_process import DEADLINE, ROOT, until

pytestmark = pytest.mark.skipif(
    netd_process.BUILD != ROOT / "build" / "release",
    reason="quickstart runs the release build")


def start(tmp_path, *arguments, interrupt_ignored=False):
    # TMPDIR keeps its folder apart from those of others.
    command = [str(ROOT / "packaging" / "quickstart"), *arguments]
    if interrupt_ignored:
        command = ["env", "--ignore-signal=INT", *command]
    with open(tmp_path / "output", "wb") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                stderr=subprocess.STDOUT,
                                env={**os.environ, "TMPDIR": str(tmp_path)})


def folders(tmp_path):
    return list(tmp_path.glob("netd.*"))


def test_once_shows_everything_and_stops(tmp_path):
    process = start(tmp_path, "--once")
    assert process.wait(10 * DEADLINE) == 0, (tmp_path / "output").read_text()
    shown = (tmp_path / "output").read_text()
    for word in ("$ netctl status", "is running", "telnet 127.0.0.1", "| nc ", "curl ", "netctl",
                 "Stopping netd"):
        assert word in shown
    assert folders(tmp_path) == []


@pytest.mark.parametrize("number, ignored", [(signal.SIGINT, False), (signal.SIGINT, True),
                                             (signal.SIGTERM, False)])
def test_it_runs_until_told_to_stop(tmp_path, number, ignored):
    process = start(tmp_path, interrupt_ignored=ignored)
    output = tmp_path / "output"
    try:
        until(lambda: process.poll() is not None or "Ctrl-C stops netd" in output.read_text(),
              "quickstart to be ready", 10 * DEADLINE)
        shown = output.read_text()
        pid = int(re.search(r"netd runs, process (\d+)", shown)[1])
        port = re.search(r"curl -i http://127.0.0.1:(\d+)/", shown)[1]
        page = subprocess.run(["curl", "-sS", "--fail", f"http://127.0.0.1:{port}/"], text=True,
                              capture_output=True, timeout=DEADLINE, check=True)
        assert "It works" in page.stdout
    finally:
        process.send_signal(number)
        code = process.wait(DEADLINE)
    assert code == 0, output.read_text()
    assert not pathlib.Path(f"/proc/{pid}").exists()
    assert folders(tmp_path) == []


def test_every_line_that_it_shows_works(tmp_path):
    """But for telnet's, which are for a person's hands."""
    if missing := [name for name in ("curl", "nc") if not shutil.which(name)]:
        pytest.skip(f"not installed: {', '.join(missing)} (packaging/install-build-deps clients)")
    process = start(tmp_path)
    output = tmp_path / "output"
    try:
        until(lambda: process.poll() is not None or "Ctrl-C stops netd" in output.read_text(),
              "quickstart to be ready", 10 * DEADLINE)
        shown = output.read_text().split("type for example:", 1)[1].split("The configuration is", 1)[0]
        lines = [line.strip() for line in shown.replace("\\\n", " ").splitlines() if line.strip()]
        lines = [line for line in lines if not line.startswith("telnet ")]
        assert len(lines) >= 10
        script = "\n".join(f"echo '== {number}'; {line}" for number, line in enumerate(lines))
        told = subprocess.run(["bash", "-eo", "pipefail", "-c", script], text=True, capture_output=True,
                              timeout=3 * DEADLINE, check=False)
        assert told.returncode == 0, told.stdout + told.stderr
        answers = [part.partition("\n")[2] for part in told.stdout.split("== ")[1:]]
        for line, answer in zip(lines, answers, strict=True):
            assert answer.strip() or "smtp://" in line or line.startswith("export "), line
        mails = next(answer for line, answer in zip(lines, answers, strict=True)
                     if line.startswith("ls "))
        assert len(mails.splitlines()) == 1
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(DEADLINE)
    assert code == 0, output.read_text()
