"""Fixtures of every test that runs the real netd (tests/integration, tests/conformance)."""

import itertools

import netd_process
import pytest
from smtp_dialogue import MailServer


@pytest.fixture
def netd(tmp_path):
    """Makes and starts one netd after another: netd("[listener echo] ...", workers=2). With
    start=False it is only made. All of them are checked and stopped at the end of the test."""
    made = []
    numbers = itertools.count(1)

    def factory(config="", *, start=True, folder=None, **options):
        where = folder or tmp_path / f"netd{next(numbers)}"
        one = netd_process.Netd(where, config, **options)
        made.append(one)
        if start:
            one.start()
        return one

    yield factory
    faults = []
    for one in reversed(made):
        try:
            one.finish()
        except AssertionError as fault:
            faults.append(str(fault))
    assert not faults, "\n".join(faults)


@pytest.fixture
def serve(tmp_path):
    """Starts one netd with a mail listener after another: serve("max_recipients = 5\\n")."""
    made = []

    def start(settings="", **options):
        made.append(MailServer(tmp_path / f"netd{len(made)}", settings, **options))
        return made[-1]

    yield start
    for one in made:
        one.finish()


@pytest.fixture(params=[1, "auto"], ids=["one-worker", "auto-workers"])
def workers(request):
    """For what must not depend on the number of event loops."""
    return request.param


def pytest_collection_modifyitems(items):
    """The timeout of pytest.ini is for a release build."""
    for item in items:
        if netd_process.SANITIZER and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(120 * netd_process.PATIENCE))
