"""What needs more than one look: waiting, order, time, and what answers hold."""

import json
import re
import signal
import time

import pytest
from netd_process import DEADLINE, until
from raw_http import PROBE, RawConnection, ask, get

DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3]\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct"
                  r"|Nov|Dec) \d{4} [0-2]\d:[0-5]\d:[0-6]\d GMT")


def test_expect_100_continue(web):
    """RFC 9110, section 10.1.1."""
    with RawConnection(web) as connection:
        connection.send(b"POST /info HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                        b"Expect: 100-continue\r\n\r\n")
        assert connection.receive().status == 100
        connection.send(b"abc" + PROBE)
        assert connection.receive().status == 200
        assert connection.receive().status == 200


def test_expect_100_continue_again_and_again(web):
    """RFC 9110, section 10.1.1."""
    head = b"POST /info HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\n"
    with RawConnection(web) as connection:
        for fields, body in ((b"Content-Length: 3\r\n", b"abc"),
                             (b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n")) * 2:
            connection.send(head + fields + b"\r\n")
            interim = connection.receive()
            assert interim.status == 100 and interim.fields == []
            connection.send(body)
            assert connection.receive().status == 200


def test_a_refusal_can_be_read_while_sending(web):
    """RFC 9112, section 9.6: a reset would take the answer from a client that is still sending."""
    with RawConnection(web) as connection:
        connection.send(b"POST /info HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n")
        connection.send(b"x" * 1_000_000)
        assert connection.receive().status == 413


def test_a_prefix_ends_where_a_segment_ends(web):
    for target, status in (("/info", 200), ("/info/", 200), ("/info/x", 200), ("/infox", 404),
                           ("/INFO", 404), ("/statusx", 404), ("/status/x", 404)):
        assert get(web, target).status == status, target


def test_half_closed_clients_get_their_answers(web):
    with RawConnection(web) as connection:
        connection.send(PROBE * 3)
        connection.finish_sending()
        for _ in range(3):
            assert connection.receive().status == 200
        assert connection.at_end()


@pytest.mark.parametrize("target", ["/info", "/a.txt", "/none", "/folder", "/status"])
def test_every_answer_has_a_date(web, target):
    """RFC 9110, section 6.6.1."""
    assert DATE.fullmatch(get(web, target).get("date"))


def test_refusals_have_a_date_and_a_page(web):
    answer = ask(web, b"nonsense\r\n\r\n")
    assert answer.status == 400 and DATE.fullmatch(answer.get("date"))
    assert answer.get("content-type") == "text/html; charset=utf-8"
    assert b"400 Bad Request" in answer.body


def test_error_pages_as_json(web):
    answer = get(web, "/none", ["Accept: application/json"])
    assert answer.get("content-type") == "application/json"
    assert json.loads(answer.body) == {"status": 404, "error": "Not Found"}
    assert answer.list("vary") == ["Accept"]
    answer = get(web, "/none", ["Accept: text/html,application/xml;q=0.9,*/*;q=0.8"])
    assert answer.get("content-type") == "text/html; charset=utf-8"
    assert answer.list("vary") == ["Accept"]
    # One list in two fields (RFC 9110, section 5.3).
    answer = get(web, "/none", ["Accept: text/html;q=0.5", "Accept: application/json"])
    assert answer.get("content-type") == "application/json"


def test_info(web):
    answer = get(web, "/info?q=1", ["X-A: 1", "x-a: 2", "X-Q: \"\\\xff"], method="PUT")
    said = json.loads(answer.body)
    assert answer.get("content-type") == "application/json"
    assert said["app"] == "netd" and said["method"] == "PUT" and said["path"] == "/info"
    assert said["query"] == "q=1"
    assert said["client_ip"] == "127.0.0.1" and isinstance(said["client_port"], int)
    assert said["environment"] == {"BIND_HOST": "127.0.0.1", "BIND_PORT": str(web),
                                   "APP_NAME": "netd"}
    assert said["headers"]["Host"] == "localhost"
    assert said["headers"]["X-A"] == "1, 2"
    assert said["container_id"] and said["timestamp"]


def test_status_is_what_netctl_says(web):
    said = json.loads(get(web, "/status").body)
    assert said["status"] == "ok" and said["listeners"][0]["name"] == "web"


@pytest.mark.parametrize("lines, expected", [
    (["Host: example.org"], b"other"), (["Host: EXAMPLE.org.:8080"], b"other"),
    (["Host: www.example.org"], b"0123456789")])
def test_routes_by_host(web, lines, expected):
    data = "GET /a.txt HTTP/1.1\r\n" + "".join(line + "\r\n" for line in lines) + "\r\n"
    assert ask(web, data.encode()).body == expected


SLOW = """
[listener web]
protocol = http
listen = tcp:127.0.0.1:0
route = / info
header_timeout = 500ms
idle_timeout = 800ms
"""


def test_a_dripping_head_is_cut_by_one_deadline(netd):
    """RFC 9110, section 15.5.9: bytes that come do not move the deadline."""
    port = netd(SLOW).port("web")
    begin = time.monotonic()
    with RawConnection(port) as connection:
        connection.send(b"GET / HTTP/1.1\r\n")
        connection.socket.settimeout(0.05)
        while not connection.buffer and time.monotonic() < begin + DEADLINE:
            try:
                connection.socket.sendall(b"X: y\r\n")
                connection._more()
            except TimeoutError:
                continue
        connection.socket.settimeout(DEADLINE)
        assert connection.receive().status == 408
        assert connection.at_end()
        assert time.monotonic() - begin >= 0.45


def test_an_idle_connection_closes_without_a_word(netd):
    port = netd(SLOW).port("web")
    with RawConnection(port) as connection:
        connection.send(PROBE)
        assert connection.receive().status == 200
        assert connection.at_end()


def test_an_honest_client_among_slow_ones(netd):
    port = netd(SLOW.replace("500ms", "10s") + "max_connections_per_client = 1000\n").port("web")
    slow = [RawConnection(port) for _ in range(300)]
    try:
        for connection in slow:
            connection.send(b"GET / HTTP/1.1\r\nHost")
        for _ in range(20):
            assert get(port, "/").status == 200
    finally:
        for connection in slow:
            connection.close()


def test_a_stop_finishes_the_request_under_way(netd):
    one = netd(SLOW.replace("500ms", "5s"))
    with RawConnection(one.port("web")) as busy, RawConnection(one.port("web")) as idle:
        idle.send(PROBE)
        assert idle.receive().status == 200
        busy.send(b"GET / HTTP/1.1\r\nHo")
        # Served in order: once this is answered, netd has seen the half request, too.
        assert get(one.port("web"), "/").status == 200
        one.process.terminate()
        assert idle.at_end()
        busy.send(b"st: x\r\n\r\n")
        answer = busy.receive()
        assert answer.status == 200 and answer.get("connection") == "close"
        assert busy.at_end()
    one.wait()


def test_the_limit_of_requests(netd):
    port = netd(SLOW + "max_requests = 3\n").port("web")
    with RawConnection(port) as connection:
        connection.send(PROBE * 4)
        answers = [connection.receive() for _ in range(3)]
        assert [answer.get("connection") for answer in answers] == [None, None, "close"]
        assert connection.at_end()


def test_the_access_log(netd, tmp_path):
    log = tmp_path / "access.log"
    one = netd(SLOW + f"access_log = {log}\n")
    get(one.port("web"), "/a?b", ["User-Agent: \"me\"", "Referer: http://x/"])
    ask(one.port("web"), b"GET / HTTP/1.1\r\nbad\r\n\r\n")
    ask(one.port("web"), b"\x16\x03\"\xff\r\n")
    with RawConnection(one.port("web")) as connection:
        connection.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        connection.finish_sending()
        assert connection.receive().status == 400
    one.stop()
    first, *refused = log.read_text().splitlines()
    assert re.fullmatch(r'127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] '
                        r'"GET /a\?b HTTP/1\.1" 200 \d+ "http://x/" "\\x22me\\x22"', first)
    said = [line.split("] ", 1)[1].replace(" - ", " ") for line in refused]
    assert [re.sub(r" \d+ \"-\" \"-\"", "", line) for line in said] == [
        '"GET / HTTP/1.1" 400', r'"\x16\x03\x22\xFF" 400', '"POST / HTTP/1.1" 400']


def test_the_access_log_is_opened_anew_under_load(netd, tmp_path):
    """As logrotate(8) asks for it: each answer is noted once, in the old file or in the new one."""
    log = tmp_path / "access.log"
    one = netd(SLOW.replace("00ms", "0s") + f"access_log = {log}\n")
    rounds, batch = 8, 500
    with RawConnection(one.port("web")) as connection:
        for number in range(rounds):
            connection.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % (number * batch + i)
                                     for i in range(batch)))
            log.rename(tmp_path / f"access.log.{number}")
            one.signal(signal.SIGUSR1)
            for _ in range(batch):
                assert connection.receive().status == 200
            until(log.exists, "the new file")
    one.stop()
    lines = [line for number in range(rounds)
             for line in (tmp_path / f"access.log.{number}").read_text().splitlines()]
    lines += log.read_text().splitlines()
    noted = [re.search(r'"GET /(\d+) HTTP/1\.1" 200 ', line)[1] for line in lines]
    assert noted == [str(number) for number in range(rounds * batch)]


def test_the_access_log_as_json(netd, tmp_path):
    log = tmp_path / "access.log"
    one = netd(SLOW + f"access_log = {log}\naccess_log_format = json\n")
    get(one.port("web"), "/a")
    one.stop()
    said = json.loads(log.read_text())
    assert said["request"] == "GET /a HTTP/1.1" and said["status"] == 200
    assert said["client"] == "127.0.0.1" and said["host"] == "localhost"
