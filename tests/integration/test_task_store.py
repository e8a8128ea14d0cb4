"""The task store in the hands of an administrator: damaged, examined, saved and filled again."""

import json
import re
import subprocess

from netd_process import NETCTL, NETD


def netctl_on_store(daemon, command, *more):
    return subprocess.run([NETCTL, "task", command, "-c", str(daemon.config_path), *more],
                          capture_output=True, text=True, timeout=60, check=False)


def fill(daemon, count):
    with daemon.connect_control() as control:
        for number in range(count):
            task = {"id": f"t{number}", "data": {"n": number, "text": "x" * 100}}
            assert control.ask({"type": "produce", "task": task})["status"] == "queued"


def test_damaged_store_is_refused_saved_and_filled_again(netd):
    daemon = netd()
    fill(daemon, 300)
    assert netctl_on_store(daemon, "check").returncode == 1, "netd has it open"
    daemon.stop()
    checked = netctl_on_store(daemon, "check")
    assert checked.returncode == 0, checked.stderr
    assert "good, 300 tasks are whole" in checked.stdout
    checked = netctl_on_store(daemon, "check", "--json")
    assert json.loads(checked.stdout)["status"] == "ok"
    assert "good, 300 tasks are whole" in json.loads(checked.stdout)["message"]

    store = daemon.folder / "tasks" / "tasks.db"
    content = bytearray(store.read_bytes())
    at = content.index(b"x" * 100, len(content) // 2)
    content[at] = ord("y")
    store.write_bytes(content)
    refused = subprocess.run([NETD, "-c", str(daemon.config_path)], capture_output=True, text=True,
                             timeout=60, check=False)
    assert refused.returncode == 1
    assert "damaged" in refused.stderr
    assert store.read_bytes() == content, "left as it is"

    checked = netctl_on_store(daemon, "check")
    assert checked.returncode == 1
    assert "299 tasks are whole, 1 are not" in checked.stdout
    checked = netctl_on_store(daemon, "check", "--json")
    assert checked.returncode == 1
    document = json.loads(checked.stdout)
    assert (document["status"], document["code"]) == ("error", "failed")
    assert "299 tasks are whole, 1 are not; " in document["message"]
    saved = netctl_on_store(daemon, "export")
    assert saved.returncode == 1
    lines = saved.stdout.splitlines()
    assert len(lines) == 299
    assert json.loads(lines[0])["data"]["n"] == 0

    store.parent.rename(daemon.folder / "damaged")
    daemon.start()
    for word in ("299 imported, 0 were there already", "0 imported, 299 were there already"):
        imported = subprocess.run(
            [NETCTL, "--socket", str(daemon.control_path), "task", "import"], input=saved.stdout,
            capture_output=True, text=True, timeout=60, check=False)
        assert imported.returncode == 0, imported.stderr
        assert word in imported.stdout


def test_import_tells_which_lines_are_bad(netd):
    daemon = netd()
    imported = subprocess.run(
        [NETCTL, "--socket", str(daemon.control_path), "task", "import"],
        input='{"id":"a","data":1}\nrubbish\n\n{"id":"a","data":2}\n{"id":"b"}\n',
        capture_output=True, text=True, timeout=60, check=False)
    assert imported.returncode == 1
    assert imported.stdout == "1 imported, 0 were there already, 3 refused\n"
    for number in (2, 4, 5):
        assert f"line {number}: " in imported.stderr


def test_what_the_journal_holds_is_examined_and_saved_too(netd):
    daemon = netd()
    fill(daemon, 300)
    daemon.kill()
    checked = netctl_on_store(daemon, "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "good, 300 tasks are whole" in checked.stdout

    journal = daemon.folder / "tasks" / "tasks.journal-a"
    whole = journal.read_bytes()
    content = whole.replace(b'"t150"', b'"t15x"')
    journal.write_bytes(content)
    refused = subprocess.run([NETD, "-c", str(daemon.config_path)], capture_output=True, text=True,
                             timeout=60, check=False)
    assert refused.returncode == 1
    assert re.search(r"damaged: its journal: commit number \d+ is missing", refused.stderr)
    assert journal.read_bytes() == content, "left as it is"
    checked = netctl_on_store(daemon, "check")
    assert checked.returncode == 1
    assert "damaged, 299 tasks are whole" in checked.stdout
    assert "the journal: commit number" in checked.stdout
    saved = netctl_on_store(daemon, "export")
    assert saved.returncode == 1
    numbers = [json.loads(line)["data"]["n"] for line in saved.stdout.splitlines()]
    assert numbers == [number for number in range(300) if number != 150]

    journal.write_bytes(whole)
    daemon.start()
    daemon.expect_clean = True
    with daemon.connect_control() as control:
        for number in range(300):
            answer = control.ask({"type": "consume", "wait": 0})
            assert answer["task"]["data"]["n"] == number
        assert control.ask({"type": "consume", "wait": 0}) == {"status": "empty"}
