"""One container for all tests of the installed package; each leaves the configuration as shipped."""

import machine as machine_module
import pytest

CONFIG = "/etc/netd/netd.conf"
DROP_IN = "/etc/systemd/system/netd.service.d/test.conf"


def pytest_collection_modifyitems(items):
    """The first one fetches a Debian."""
    for item in items:
        if "/system/" in str(item.path):
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def booted():
    """The container before netd is in it. Skips all, saying why, where there cannot be one."""
    try:
        one = machine_module.Machine()
        try:
            one.prepare()
            one.boot()
        except BaseException:
            one.shut_down()
            raise
    except machine_module.NoMachine as reason:
        pytest.skip(f"the tests under a real systemd did not run: {reason}")
    yield one
    one.shut_down()


@pytest.fixture(scope="session")
def installed(booted):
    booted.installation = booted.run("apt-get", "-q", "-y", "--no-install-recommends",
                                     "install", "/netd.deb", check=False)
    booted.shipped = booted.read(CONFIG) if booted.installation.returncode == 0 else ""
    return booted


@pytest.fixture
def machine(installed):
    """With netd running as it was installed."""
    one = installed
    assert one.installation.returncode == 0, one.installation.stdout + one.installation.stderr
    one.write(CONFIG, one.shipped)
    one.shell(f"rm -rf {DROP_IN} /etc/netd/conf.d/*")
    one.systemctl("daemon-reload")
    one.systemctl("reset-failed", "netd.service", check=False)
    one.systemctl("stop", "netd.socket", check=False)
    one.systemctl("restart", "netd.service")
    return one
