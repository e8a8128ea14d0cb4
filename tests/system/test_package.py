"""The .deb files, before anybody installs them."""

import shutil

import pytest
from machine import build_packages, run


def test_two_builds_give_the_same_bytes(booted, tmp_path):
    build_packages(tmp_path)
    names = {path.name.split("_")[0]: path.name for path in tmp_path.glob("*.deb")}
    assert set(names) == {"netd", "netd-dbgsym"}
    for name in names.values():
        assert (tmp_path / name).read_bytes() == (booted.packages / name).read_bytes(), name


@pytest.mark.skipif(not shutil.which("lintian"), reason="lintian is not installed")
def test_lintian_has_nothing_to_say(booted):
    changes = next(booted.packages.glob("*.changes"))
    done = run("lintian", "--allow-root", "-EvIL", "+pedantic", changes, check=False)
    # Which parts of words it finds in the programs is the compiler's whim.
    said = [line for line in done.stdout.splitlines()
            if not line.startswith("N: ") and "spelling-error-in-binary" not in line]
    assert (done.returncode, said) == (0, []), done.stdout + done.stderr
