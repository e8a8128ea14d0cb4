"""The .rpm, before anybody installs it: its files are the .deb's, and rpmlint has nothing to say. It is
for other distributions, and so nothing of it is run here."""

import hashlib
import os
import pathlib
import re
import shutil
import stat

import pytest
from machine import BUILD, ROOT, built_packages, run

TOOLS = {"rpm": ("rpm", "rpmbuild", "find-debuginfo", "eu-strip"), "deb": ("dpkg-buildpackage", "dh")}

# Where Debian has another place for the same file, and what only one of both is to have.
MOVED = {"usr/share/zsh/vendor-completions/_netctl": "usr/share/zsh/site-functions/_netctl"}
ONLY_DEB = re.compile(r"usr/share/(doc/|lintian|zsh/vendor-completions$)")
ONLY_RPM = re.compile(r"var|usr/(lib/\.build-id|share/(doc/|licenses|zsh/site-functions$))")


def missing_tools(kind):
    return [tool for tool in TOOLS[kind] if not shutil.which(tool)]


@pytest.fixture(scope="module")
def rpms(tmp_path_factory):
    missing = missing_tools("rpm")
    if missing:
        pytest.skip(f"the .rpm was not built: {', '.join(missing)} not installed "
                    "(packaging/install-build-deps rpm)")
    folder = tmp_path_factory.mktemp("rpms")
    run(ROOT / "packaging" / "build-rpm", "--prebuilt", BUILD, folder)
    return {re.sub(r"-\d.*", "", path.name): path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def deb():
    if os.geteuid() != 0:
        pytest.skip("the .rpm was not installed into an empty folder: it takes root")
    missing = missing_tools("deb")
    if missing:
        pytest.skip(f"there is no .deb to compare with: {', '.join(missing)} not installed "
                    "(packaging/install-build-deps package)")
    return next(built_packages().glob("netd_*.deb"))


def query(package, *what):
    return run("rpm", "-qp", *what, package).stdout.splitlines()


def content(path):
    """What must be the same; how manual pages are packed and programs stripped need not be."""
    if path.is_symlink() or not path.is_file() or path.suffix == ".gz" or "bin" in path.parent.name:
        return None
    return hashlib.sha256(path.read_bytes()).hexdigest()


def listing(top, ignored):
    """path below `top` -> (type and mode, owner, what it holds)"""
    found = {}
    for path in sorted(top.rglob("*")):
        name = path.relative_to(top).as_posix()
        if not ignored.match(name):
            status = path.lstat()
            found[MOVED.get(name, name)] = (stat.filemode(status.st_mode),
                                            f"{status.st_uid}:{status.st_gid}", content(path))
    return found


def below_usr(files):
    """Debian 12 has its units in /lib; everybody else's /lib leads to /usr/lib."""
    return {"usr/" + name if re.match(r"lib(/|$)", name) else name: about
            for name, about in files.items()}


def test_it_is_the_program_and_its_debug_symbols(rpms):
    assert set(rpms) == {"netd", "netd-debuginfo"}
    assert {"/usr/lib/debug/usr/sbin", "/usr/lib/debug/usr/bin"} <= {
        str(pathlib.Path(name).parent) for name in query(rpms["netd-debuginfo"], "-l")}


def test_what_it_requires_and_conflicts_with(rpms):
    required = query(rpms["netd"], "--requires")
    for library in ("libsystemd.so.0", "libevent_core-2.1.so.7", "libsqlite3.so.0", "libcurl.so.4",
                    "libedit.so.2", "libidn2.so.0"):
        assert any(line.startswith(library) for line in required), library
    assert "systemd >= 252" in required
    # Other tools, and files of the machine that built it, are not everywhere.
    assert {line for line in required if line.startswith("/")} == {"/bin/sh"}
    assert query(rpms["netd"], "--conflicts") == ["netctl"]


def test_the_configuration_is_kept(rpms):
    assert query(rpms["netd"], "-c") == ["/etc/netd/netd.conf"]
    flags = run("rpm", "-qp", "--qf", "[%{FILENAMES} %{FILEFLAGS:fflags}\n]", rpms["netd"]).stdout
    assert "/etc/netd/netd.conf cn\n" in flags  # c: configuration, n: noreplace


def test_its_scripts_are_shell_and_care_for_the_service(rpms):
    scripts = "\n".join(query(rpms["netd"], "--scripts"))
    for done in ("systemd-sysusers netd.conf", "systemd-tmpfiles --create netd.conf",
                 "preset netd.service netd.socket", "disable --now netd.service netd.socket",
                 "try-restart netd.service"):
        assert done in scripts, scripts
    assert "%" not in scripts  # a macro that nobody knew
    for script in re.split(r"^\w+ scriptlet \(using /bin/sh\):$", scripts, flags=re.MULTILINE)[1:]:
        run("sh", "-n", "-c", script)


def test_it_installs_what_the_deb_installs(rpms, deb, tmp_path):
    from_rpm, from_deb = tmp_path / "rpm", tmp_path / "deb"
    from_rpm.mkdir()
    # Without scripts: there is no shell in an empty folder. Debian's rpm has its database elsewhere.
    run("rpm", "--root", from_rpm, "--dbpath", "/var/lib/rpm", "-i", "--nodeps", "--noscripts",
        rpms["netd"])
    assert not [name for name in query(rpms["netd"], "-l")
                if not os.path.lexists(from_rpm / name.lstrip("/"))]
    run("dpkg-deb", "-x", deb, from_deb)
    left = listing(from_rpm, ONLY_RPM)
    right = below_usr(listing(from_deb, ONLY_DEB))
    assert "usr/lib/systemd/system/netd-worker@.service" in left
    assert {name: (left.get(name), right.get(name)) for name in left.keys() | right.keys()
            if left.get(name) != right.get(name)} == {}


@pytest.mark.skipif(not shutil.which("rpmlint"), reason="rpmlint is not installed")
def test_rpmlint_has_nothing_to_say(rpms):
    packaging = ROOT / "packaging"
    done = run("rpmlint", "-c", packaging / "rpmlint.toml", packaging / "netd.spec",
               *rpms.values(), check=False)
    said = [line for line in done.stdout.splitlines() if re.search(r": [EW]: ", line)]
    assert (done.returncode, said) == (0, []), done.stdout + done.stderr
