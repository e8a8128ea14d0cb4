"""A package of a later version over the one that is installed."""

import shutil
import subprocess

import pytest
from conftest import CONFIG
from machine import WORK, run, stop_process, until


@pytest.fixture(scope="module")
def later(booted):
    """The package with another version, and with another shipped configuration."""
    folder = WORK / "later"
    shutil.rmtree(folder, ignore_errors=True)
    run("dpkg-deb", "-R", booted.deb(), folder)
    control = folder / "DEBIAN/control"
    control.write_text(control.read_text().replace("\nVersion: ", "\nVersion: 1:"))
    shipped = folder / "etc/netd/netd.conf"
    shipped.write_text(shipped.read_text() + "# of a later version\n")
    run("dpkg-deb", "--root-owner-group", "-b", folder, booted.root / "later.deb")
    yield "/later.deb"
    (booted.root / "later.deb").unlink()
    shutil.rmtree(folder)


def install(machine, package, *options):
    return machine.run("apt-get", "-q", "-y", *options, "install", package)


def test_an_upgrade_refuses_nobody_and_keeps_the_configuration(machine, later):
    machine.write(CONFIG, machine.shipped + "\n# of the administrator\n")
    machine.write("/etc/netd/conf.d/own.conf",
                  "[listener own]\nprotocol = echo\nlisten = tcp:127.0.0.1:2100\n")
    machine.systemctl("reload", "netd")
    machine.run("netctl", "task", "add", "kept", "1")
    before = machine.main_pid()
    with machine.load() as load:
        install(machine, later, "-o", "Dpkg::Options::=--force-confold")
    assert load.faults == []
    assert machine.main_pid() not in (0, before)
    assert machine.read(CONFIG).endswith("# of the administrator\n")
    machine.connect(2100).close()
    machine.run("netctl", "task", "delete", "kept")
    # And back, with the configuration of the package.
    with machine.load() as load:
        install(machine, "/netd.deb", "--allow-downgrades", "-o", "Dpkg::Options::=--force-confnew")
    assert load.faults == []
    assert machine.read(CONFIG) == machine.shipped


def test_what_waits_to_be_accepted_outlives_an_upgrade(machine):
    """Clients that came while the old one did not move are answered by one or the other."""
    before = machine.main_pid()
    stop_process(before)
    clients = [machine.connect(8080) for _ in range(20)]
    for client in clients:
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    install(machine, "/netd.deb", "--reinstall")
    assert machine.main_pid() not in (0, before)
    for client in clients:
        with client:
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_message_that_is_being_sent_outlives_an_upgrade(machine):
    """The old one waits for it, and the package for the old one."""
    with machine.connect(2525) as client:
        stream = client.makefile("rwb")

        def say(line, answer):
            stream.write(line + b"\r\n")
            stream.flush()
            assert stream.readline().startswith(answer)

        assert stream.readline().startswith(b"220 ")
        for line, answer in ((b"HELO me", b"250 "), (b"MAIL FROM:<a@example.org>", b"250 "),
                             (b"RCPT TO:<b@example.org>", b"250 "), (b"DATA", b"354 ")):
            say(line, answer)
        stream.write(b"Subject: x\r\n\r\nthe first half\r\n")
        stream.flush()
        upgrade = subprocess.Popen(
            ["nsenter", "-t", str(machine.leader), "-a", "--", "env", "DEBIAN_FRONTEND=noninteractive",
             "apt-get", "-q", "-y", "--reinstall", "install", "/netd.deb"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: machine.show("ActiveState") == "deactivating", "the old one to be stopped")
        say(b"the second half\r\n.", b"250 ")
        assert upgrade.wait(60) == 0
    assert "the second half" in machine.shell(
        "cat /var/lib/netd/mail/example.org/b/new/*").stdout
