"""What is acknowledged survives kill -9."""

import threading

import pytest
from netd_process import Control, until


def take_all(control):
    taken = []
    while True:
        answer = control.ask({"type": "consume", "wait": 0})
        if answer["status"] == "empty":
            return taken
        assert answer["status"] == "success", answer
        taken.append(answer["task"])


def commits(control):
    return control.ask({"type": "task_stats"})["tasks"]["commits"]


def produce_until_the_end(path, name, acknowledged):
    """Produces one task after another until netd is gone."""
    try:
        with Control(path) as control:
            for number in range(1_000_000):
                identifier = f"{name}-{number}"
                answer = control.ask({"type": "produce",
                                      "task": {"id": identifier, "data": {"n": number}}})
                if answer is None:
                    return
                assert answer == {"status": "queued", "task_id": identifier}
                acknowledged.append(identifier)
    except (ConnectionError, BrokenPipeError, AssertionError) as fault:
        if isinstance(fault, AssertionError) and "half an answer" not in str(fault):
            raise


def test_nothing_acknowledged_is_lost(netd):
    daemon = netd()
    expected = set()
    for turn in range(3):
        acknowledged = [[] for _ in range(8)]
        threads = [threading.Thread(target=produce_until_the_end,
                                    args=(daemon.control_path, f"{turn}-{i}", acknowledged[i]))
                   for i in range(8)]
        for thread in threads:
            thread.start()
        with daemon.connect_control() as control:
            while sum(map(len, acknowledged)) < 300:
                control.ask({"type": "version"})
        daemon.kill()
        for thread in threads:
            thread.join()
        expected |= {identifier for list_ in acknowledged for identifier in list_}
        daemon.start()
    with daemon.connect_control() as control:
        taken = [task["id"] for task in take_all(control)]
    assert len(taken) == len(set(taken))
    assert set(taken) >= expected
    # What was on its way when netd died may be there: one for each client and crash.
    assert len(set(taken) - expected) <= 3 * 8
    daemon.expect_clean = True


def test_what_was_handed_over_does_not_come_back(netd):
    daemon = netd()
    with daemon.connect_control() as control:
        for number in range(20):
            control.ask({"type": "produce", "task": {"id": number, "data": number}})
        taken = [control.ask({"type": "consume", "wait": 0})["task"]["id"] for _ in range(12)]
    daemon.kill()
    daemon.start()
    daemon.expect_clean = True
    with daemon.connect_control() as control:
        rest = [task["id"] for task in take_all(control)]
    assert sorted(taken + rest, key=str) == sorted(range(20), key=str)


def test_a_leased_task_comes_back_after_a_crash(netd):
    daemon = netd()
    with daemon.connect_control() as control:
        control.ask({"type": "produce", "task": {"id": "t", "data": [1]}})
        before = commits(control)
        first = control.ask({"type": "consume", "lease": 3600})["task"]
        assert first["attempt"] == 1
        # It is written down once the lease has lasted 20 ms.
        until(lambda: commits(control) > before, "the attempt to be written down")
    daemon.kill()
    daemon.start()
    daemon.expect_clean = True
    with daemon.connect_control() as control:
        second = control.ask({"type": "consume", "lease": 1, "wait": 0})
        assert second["status"] == "success", second
        assert second["task"]["id"] == "t"
        assert second["task"]["attempt"] == 2
        assert control.ask({"type": "done", "id": "t"})["status"] == "ok"
    daemon.kill()
    daemon.start()
    with daemon.connect_control() as control:
        assert control.ask({"type": "consume", "wait": 0}) == {"status": "empty"}


@pytest.mark.parametrize("sync", ["always", "batch", "off"])
def test_a_clean_stop_keeps_everything_in_every_mode(netd, sync):
    daemon = netd("[tasks]\npath = {dir}/tasks\nsync = " + sync + "\n")
    with daemon.connect_control() as control:
        for number in range(50):
            control.ask({"type": "produce", "task": {"id": f"t{number}", "data": "x" * 1000}})
    assert daemon.stop() == 0
    daemon.start()
    with daemon.connect_control() as control:
        tasks = take_all(control)
    assert [task["id"] for task in tasks] == [f"t{number}" for number in range(50)]
    assert all(task["data"] == "x" * 1000 for task in tasks)
