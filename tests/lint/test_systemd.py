"""What is shipped for systemd agrees with the code and with systemd's own checks."""

import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SYSTEMD = ROOT / "systemd"


def catalog_entries():
    """identifier -> (header fields, text)"""
    entries = {}
    text = (SYSTEMD / "netd.catalog").read_text()
    for part in re.split(r"^-- ", text, flags=re.MULTILINE)[1:]:
        identifier, rest = part.split("\n", 1)
        head, _, body = rest.partition("\n\n")
        assert identifier not in entries, f"{identifier} stands twice"
        entries[identifier] = (dict(line.split(": ", 1) for line in head.splitlines()), body.strip())
    return entries


def message_ids():
    text = (ROOT / "daemon" / "base" / "message_ids.h").read_text()
    return re.findall(r'k\w+ = "([^"]*)"', text)


def test_the_catalog_explains_every_message_id_and_no_other():
    ids = message_ids()
    assert ids
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[0-9a-f]{32}", identifier) for identifier in ids)
    assert set(catalog_entries()) == set(ids)


@pytest.mark.parametrize("identifier", catalog_entries())
def test_a_catalog_entry_says_what_and_what_to_do(identifier):
    head, body = catalog_entries()[identifier]
    assert head["Subject"]
    assert head["Defined-By"] == "netd"
    assert head["Documentation"].startswith("man:")
    assert len(body.split("\n\n")) >= 2 or "Nothing needs to be done" in body


def test_catalog_names_only_fields_that_the_journal_gets():
    known = {"NETD_EVENT", "NETD_LISTENER", "NETD_PROTOCOL", "NETD_CONNECTION", "NETD_CLIENT",
             "NETD_CLIENT_ADDRESS",
             "NETD_BYTES_IN", "NETD_BYTES_OUT", "NETD_DURATION_MS", "NETD_TASK", "NETD_QUEUE"}
    assert set(re.findall(r"@(\w+)@", (SYSTEMD / "netd.catalog").read_text())) <= known


@pytest.mark.skipif(not shutil.which("journalctl"), reason="no journalctl here")
def test_journald_reads_the_catalog(tmp_path):
    folder = tmp_path / "usr" / "lib" / "systemd" / "catalog"
    folder.mkdir(parents=True)
    shutil.copy(SYSTEMD / "netd.catalog", folder)
    (tmp_path / "var" / "lib" / "systemd" / "catalog").mkdir(parents=True)
    made = subprocess.run(["journalctl", f"--root={tmp_path}", "--update-catalog"], text=True,
                          capture_output=True, check=False)
    assert made.returncode == 0, made.stderr
    listed = subprocess.run(["journalctl", f"--root={tmp_path}", "--list-catalog"], text=True,
                            capture_output=True, check=True)
    for identifier in message_ids():
        assert identifier in listed.stdout


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_units_pass_systemd_and_are_confined(tmp_path):
    for name in ("netd.service", "netd.socket"):
        shutil.copy(SYSTEMD / name, tmp_path)
    # The programs need not be installed where the units are only read.
    unit = tmp_path / "netd.service"
    unit.write_text(re.sub(r"=/usr/s?bin/\w+", "=/bin/true", unit.read_text()))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
         str(unit), str(tmp_path / "netd.socket")],
        text=True, capture_output=True, check=False)
    # Without systemd as PID 1 it may find no runtime folder; that says nothing of the unit.
    complaints = [line for line in verified.stderr.splitlines() if "netd" in line]
    assert complaints == []
    security = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=15", "--no-pager", str(unit)],
        text=True, capture_output=True, check=False)
    assert security.returncode == 0, security.stdout


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_the_workers_unit_passes_systemd_with_the_command_of_a_drop_in(tmp_path):
    shutil.copy(SYSTEMD / "netd-worker@.service", tmp_path)
    drop_in = tmp_path / "netd-worker@.service.d" / "command.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nExecStart=\nExecStart=/bin/true --queue %I -- /bin/cat\n")
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
         str(tmp_path / "netd-worker@thumbs.service")],
        text=True, capture_output=True, check=False)
    assert [line for line in verified.stderr.splitlines() if "netd" in line] == []
