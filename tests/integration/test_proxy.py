"""Requests that instances of a service answer: passed on and back to the letter, retried where that
is safe, refused where two readers could see two messages."""

import contextlib
import os
import pathlib
import signal
import socket
import threading
import time

import pytest
from black_hole import black_hole
from http_instance import OK, UPGRADE, Instance, config, echo_tunnel, proxied
from netd_process import DEADLINE, PATIENCE, at_end, until
from ports import unused_port
from raw_http import RawConnection


def get(port, target="/", fields=(), method="GET", body=b"", version="1.1"):
    lines = [f"{method} {target} HTTP/{version}", "Host: www.example.org", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    with RawConnection(port) as connection:
        connection.send("".join(line + "\r\n" for line in lines).encode() + b"\r\n" + body)
        return connection.receive(to_head=method == "HEAD", chunked=True)


# ---- What goes to the instance.

def test_the_head_goes_along_and_says_who_asks(netd):
    with proxied(netd) as (port, instance):
        answer = get(port, "/a/b%20c?d=e%2f&&", ["X-One: 1", "Accept: */*", "Cookie: a=b"])
        assert (answer.status, answer.body) == (200, b"ok")
        request = instance.requests[0]
        assert request.line == "GET /a/b%20c?d=e%2f&& HTTP/1.1"
        assert request.get("host") == "www.example.org"
        assert request.get("x-one") == "1" and request.get("cookie") == "a=b"
        assert request.get("forwarded") == 'for=127.0.0.1;host="www.example.org";proto=http'
        assert request.get("x-forwarded-for") == "127.0.0.1"
        assert request.get("x-forwarded-proto") == "http"
        assert request.get("via") == "1.1 netd"
        assert request.get("content-length") is None and request.get("connection") is None


def test_what_others_said_of_the_client_is_kept_in_front(netd):
    with proxied(netd) as (port, instance):
        get(port, "/", ["X-Forwarded-For: 10.0.0.1", "x-forwarded-for: 10.0.0.2",
                        "Forwarded: for=10.0.0.1", "X-Forwarded-Proto: https", "Via: 1.1 front"])
        request = instance.requests[0]
        assert request.get("x-forwarded-for") == "10.0.0.1, 10.0.0.2, 127.0.0.1"
        assert request.get("forwarded").startswith("for=10.0.0.1, for=127.0.0.1;")
        assert request.get("x-forwarded-proto") == "http"
        assert [value for name, value in request.fields if name == "via"] == ["1.1 front", "1.1 netd"]


def test_fields_of_the_connection_stay_here(netd):
    with proxied(netd) as (port, instance):
        get(port, "/", ["Connection: close, X-Private, TE", "X-Private: secret", "TE: gzip",
                        "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "Proxy: evil",
                        "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", "X-Kept: yes",
                        "Proxy-Authorization: Basic secret", "Proxy-Authenticate: Basic"])
        names = {name for name, _ in instance.requests[0].fields}
        assert names == {"host", "x-kept", "forwarded", "x-forwarded-for", "x-forwarded-proto",
                         "x-forwarded-host", "via"}


def test_a_field_that_frames_or_routes_cannot_be_named_away(netd):
    with proxied(netd) as (port, instance):
        answer = get(port, "/", ["Connection: Host, Content-Length, X-Forwarded-For"], "PUT", b"body")
        assert answer.status == 200
        request = instance.requests[0]
        assert request.body == b"body" and request.get("host") == "www.example.org"
        assert request.get("x-forwarded-for") == "127.0.0.1"


TARGETS = [
    ("/a/../b", "/b"),
    ("/a/./b?x", "/a/b?x"),
    ("/a/%2e%2e/b", "/b"),
    ("http://other.example:81/x?y", "/x?y"),
    ("http://other.example?y", "/?y"),
    ("/a%2Fb", "/a%2Fb"),
    ("/a..b/.c", "/a..b/.c"),
]


def test_targets_mean_the_same_on_both_sides(netd):
    with proxied(netd) as (port, instance):
        for target, expected in TARGETS:
            assert get(port, target).status == 200
            request = instance.requests[-1]
            assert request.line == f"GET {expected} HTTP/1.1", target
            host = "other.example:81" if ":81" in target else (
                "other.example" if "other" in target else "www.example.org")
            assert request.get("host") == host


def test_dot_segments_behind_encoded_slashes_are_refused(netd):
    with proxied(netd) as (port, instance):
        assert get(port, "/a/..%2fsecret").status == 400
        assert get(port, "/a%2f../secret").status == 400
        assert instance.requests == []


def test_only_what_the_route_names_is_passed_on(netd):
    with proxied(netd) as (port, instance):
        assert b'"method"' in get(port, "/info").body
        assert instance.requests == []


def test_any_method_with_and_without_a_body(netd):
    with proxied(netd) as (port, instance):
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "M-SEARCH"):
            assert get(port, "/x", method=method).status == 200
            assert get(port, "/x", method=method, body=b"some body").status == 200
            last = instance.requests[-2:]
            assert [request.line for request in last] == [f"{method} /x HTTP/1.1"] * 2
            assert [request.body for request in last] == [b"", b"some body"]


def test_trace_and_connect_are_not_passed_on(netd):
    with proxied(netd) as (port, instance):
        assert get(port, "/x", method="TRACE").status == 405
        assert get(port, "a:80", method="CONNECT").status in (400, 405)
        assert instance.requests == []


def test_max_forwards_is_counted_down(netd):
    with proxied(netd) as (port, instance):
        get(port, "/x", ["Max-Forwards: 3"], "OPTIONS")
        assert instance.requests[0].get("max-forwards") == "2"
        answer = get(port, "/x", ["Max-Forwards: 0"], "OPTIONS")
        assert answer.status == 200 and "GET" in answer.list("allow")
        assert len(instance.requests) == 1


def test_a_chunked_body_is_chunked_anew(netd):
    with proxied(netd) as (port, instance), RawConnection(port) as connection:
        connection.send(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                        b"5;name=value\r\nhello\r\n")
        connection.send(b"6\r\n world\r\n0\r\nTrailer: gone\r\n\r\n")
        assert connection.receive().status == 200
        request = instance.requests[0]
        assert request.body == b"hello world"
        assert request.get("transfer-encoding") == "chunked"
        assert request.get("content-length") is None


def test_a_malformed_body_is_the_clients_fault(netd):
    with proxied(netd) as (port, instance), RawConnection(port) as connection:
        connection.send(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        assert connection.receive().status == 400
        assert connection.at_end()
        assert instance.requests == []


SMUGGLED = [
    b"Content-Length: 5\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"Content-Length: 5\r\nContent-Length: 6",
    b"Content-Length: +5", b"Content-Length : 5", b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding : chunked",
    b"Transfer-Encoding:\x0bchunked",
    b"A: b\rTransfer-Encoding: chunked", b"A: b\r\n Transfer-Encoding: chunked",
    b"A: b\nContent-Length: 5", b"Host: b"]


@pytest.mark.parametrize("fields", SMUGGLED)
def test_nothing_of_an_ambiguous_request_is_passed_on(netd, fields):
    with proxied(netd) as (port, instance), RawConnection(port) as connection:
        connection.send(b"POST /x HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n\r\n0\r\n\r\n"
                        b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.receive().status in (400, 501)
        assert connection.at_end()
        assert instance.requests == []


def test_a_body_that_goes_wrong_never_ends_at_the_instance(netd):
    """What has been passed on by then must not be taken for a whole request."""
    ended = []

    def read_on(_request, connection):
        data = b""
        with contextlib.suppress(ConnectionResetError):
            while more := connection.recv(65536):
                data += more
        ended.append(data)

    with proxied(netd, read_on) as (port, instance), RawConnection(port) as connection:
        instance.read_bodies = False
        connection.send(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                        b"5\r\nhello\r\n")
        until(lambda: instance.requests, "the request's head at the instance")
        connection.send(b"zz\r\nGET /info HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.receive().status == 400
        assert connection.at_end()
        until(lambda: ended, "the end of the instance's connection")
        assert b"\r\n0\r\n" not in ended[0] and b"GET" not in ended[0]


def test_a_body_over_the_limit_is_refused(netd):
    with proxied(netd, more="max_body = 10\n") as (port, instance):
        assert get(port, "/x", method="POST", body=b"x" * 11).status == 413
        assert get(port, "/x", method="POST", body=b"x" * 10).status == 200


def test_an_http_1_0_client(netd):
    with proxied(netd) as (port, instance), RawConnection(port) as connection:
        connection.send(b"GET /x HTTP/1.0\r\n\r\n")
        answer = connection.receive()
        assert answer.status == 200 and answer.get("connection") == "close"
        assert connection.at_end()
        request = instance.requests[0]
        assert request.line == "GET /x HTTP/1.1" and request.get("host") == "users"
        assert request.get("via") == "1.0 netd"


# ---- What comes back.

def test_the_answer_comes_as_it_is(netd):
    answer = (b"HTTP/1.1 299 Very Well\r\nServer: theirs\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
              b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"
              b"Keep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nContent-Length: 4\r\n\r\nbody")
    with proxied(netd, answer, more="header = X-Ours: yes\n") as (port, _):
        got = get(port)
        assert (got.status, got.reason, got.body) == (299, "Very Well", b"body")
        assert got.fields == [("server", "theirs"), ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
                              ("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-ours", "yes"),
                              ("content-length", "4")]


def test_a_date_is_added_where_there_is_none(netd):
    with proxied(netd) as (port, _):
        assert get(port).get("date").endswith(" GMT")


CHUNKED = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
           b"3;x=y\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Trailer: 1\r\n\r\n")


def test_a_chunked_answer(netd):
    with proxied(netd, CHUNKED) as (port, instance):
        answer = get(port)
        assert answer.get("transfer-encoding") == "chunked" and answer.body == b"abcdefg"
        get(port)
        assert instance.connections == 1


def exchange(port, request, end):
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as client:
        client.sendall(request)
        received = b""
        while not received.endswith(end):
            data = client.recv(65536)
            assert data, received
            received += data
        return received


WITH_TRAILERS = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n%s\r\n"
                 b"3\r\nabc\r\n0\r\nX-Sum:  1 \r\nContent-Length: 9\r\nX-More: 2\r\nSet-Cookie: a=b\r\n\r\n")
WANTED = b"GET / HTTP/1.1\r\nHost: a\r\nTE: deflate;q=0.5, trailers\r\nConnection: TE\r\n\r\n"


def test_trailers_go_to_who_takes_them(netd):
    with proxied(netd, WITH_TRAILERS % b"") as (port, instance):
        received = exchange(port, WANTED, b"2\r\n\r\n")
        assert received.endswith(b"3\r\nabc\r\n0\r\nX-Sum:  1 \r\nX-More: 2\r\n\r\n")
        assert b"\r\nTrailer: X-Sum\r\n" in received
        assert instance.requests[0].get("te") == "trailers"
        assert instance.requests[0].get("connection") == "TE"
        received = exchange(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"0\r\n\r\n")
        assert b"railer" not in received and instance.requests[1].get("te") is None
        received = exchange(port, b"GET / HTTP/1.0\r\nTE: trailers\r\n\r\n", b"\r\n\r\nabc")
        assert b"railer" not in received and instance.requests[2].get("te") is None
        assert instance.connections == 1


def test_what_connection_names_is_no_trailer_either(netd):
    with proxied(netd, WITH_TRAILERS % b"Connection: X-Sum\r\n") as (port, _):
        received = exchange(port, WANTED, b"0\r\n\r\n")
        assert b"X-Sum" not in received and b"X-More" not in received


def test_trailers_that_break_off_are_no_end(netd):
    def cut(request, connection):
        connection.sendall((WITH_TRAILERS % b"")[:-2])

    with proxied(netd, cut) as (port, _):
        with pytest.raises(ConnectionResetError):
            exchange(port, WANTED, b"\r\n\r\nnever")


def test_a_chunked_answer_for_an_http_1_0_client_ends_with_the_connection(netd):
    with proxied(netd, CHUNKED) as (port, _):
        with socket.create_connection(("127.0.0.1", port), DEADLINE) as client:
            client.sendall(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            received = b""
            while data := client.recv(65536):
                received += data
        head, body = received.split(b"\r\n\r\n", 1)
        assert body == b"abcdefg"
        assert b"Transfer-Encoding" not in head and b"Connection: close" in head


def test_an_answer_that_ends_with_its_connection_becomes_chunked(netd):
    def answer(_request, connection):
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nall of it")

    with proxied(netd, answer) as (port, _), RawConnection(port) as connection:
        for _ in range(2):
            connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            got = connection.receive(chunked=True)
            assert got.get("transfer-encoding") == "chunked" and got.body == b"all of it"


@pytest.mark.parametrize("kept", [b"", b"Connection: keep-alive\r\n"])
def test_an_http_1_0_instance(netd, kept):
    answer = b"HTTP/1.0 200 OK\r\n" + kept + b"Content-Length: 4\r\n\r\nbody"
    with proxied(netd, answer) as (port, instance), RawConnection(port) as connection:
        for _ in range(3):
            connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            got = connection.receive()
            assert got.status == 200 and got.body == b"body" and got.get("connection") is None
        assert instance.connections == (1 if kept else 3)


@pytest.mark.parametrize("head", [
    b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
])
def test_answers_without_a_body(netd, head):
    with proxied(netd, head) as (port, instance), RawConnection(port) as connection:
        for _ in range(3):
            connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert connection.receive().status == int(head[9:12])
        assert instance.connections == 1


def test_head_is_answered_without_a_body(netd):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n"
    with proxied(netd, head) as (port, instance), RawConnection(port) as connection:
        for _ in range(2):
            connection.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert connection.receive(to_head=True).get("content-length") == "12345"
        assert instance.connections == 1


def test_pipelined_requests_are_answered_in_order(netd):
    def answer(request, _connection):
        path = request.line.split()[1].encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(path), path)

    with proxied(netd, answer) as (port, instance), RawConnection(port) as connection:
        connection.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(50)) +
                        b"GET /info HTTP/1.1\r\nHost: a\r\n\r\n")
        assert [connection.receive().body for _ in range(50)] == [b"/%d" % i for i in range(50)]
        assert b'"method"' in connection.receive().body
        assert instance.connections == 1


def test_interim_answers_go_along(netd):
    answer = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + OK
    with proxied(netd, answer) as (port, _), RawConnection(port) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        first = connection.receive()
        assert first.status == 103 and first.get("link") == "</a.css>"
        assert connection.receive().status == 200


def test_a_client_that_waits_is_told_to_go_on_by_the_instance(netd):
    def answer(request, connection):
        assert request.get("expect") == "100-continue"
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert connection.recv(4) == b"body"
        return OK

    with Instance(answer) as instance:
        instance.read_bodies = False
        port = netd(config(instance)).port("web")
        with RawConnection(port) as connection:
            connection.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
                            b"Expect: 100-continue\r\n\r\n")
            assert connection.receive().status == 100
            connection.send(b"body")
            assert connection.receive().status == 200


def test_an_answer_before_the_end_of_the_request_ends_the_connection(netd):
    with Instance(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n") as instance:
        instance.read_bodies = False
        port = netd(config(instance)).port("web")
        with RawConnection(port) as connection:
            connection.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\nsome")
            answer = connection.receive()
            assert answer.status == 401 and answer.get("connection") == "close"
            connection.finish_sending()
            assert connection.at_end()


AMBIGUOUS = [
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nabcde",
    b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nabcde",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n",
    b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 99 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 O\x01K\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nabcde",
    b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabcde",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nabcde",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nabcde",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabcde",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: y\nContent-Length: 5\r\n\r\nabcde",
    b"HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70000 + b"\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
]


def test_an_answer_that_could_be_read_in_two_ways_is_refused(netd):
    with proxied(netd) as (port, instance), RawConnection(port) as connection:
        for answer in AMBIGUOUS:
            instance.answer = answer
            connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            got = connection.receive()
            while got.status == 100:
                got = connection.receive()
            assert got.status == 502, answer
            connection.send(b"GET /info HTTP/1.1\r\nHost: a\r\n\r\n")
            assert connection.receive().status == 200


def test_bytes_behind_an_answer_are_never_the_next_one(netd):
    with proxied(netd, OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil") as (port, instance):
        assert [get(port).body for _ in range(3)] == [b"ok"] * 3
        assert instance.connections == 3


def test_an_answer_that_nobody_asked_for_is_nobodys(netd):
    """An idle connection on which something comes has lost track."""
    idle = []

    def answer(_request, connection):
        idle.append(connection)
        return OK

    with proxied(netd, answer) as (port, instance):
        assert get(port).body == b"ok"
        idle[0].sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        until(lambda: idle[0].fileno() < 0, "the end of that connection")
        assert get(port).body == b"ok"
        assert instance.connections == 2


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nxyz\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\nhalf\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nX : y\r\n\r\n",
])
def test_an_answer_that_breaks_off_is_not_taken_for_whole(netd, answer):
    def half(_request, connection):
        connection.sendall(answer)

    with proxied(netd, half) as (port, _), RawConnection(port) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with pytest.raises((AssertionError, ConnectionResetError, ValueError)):
            connection.receive(chunked=True)


# ---- Which instance.

def test_connections_are_used_again(netd):
    with proxied(netd) as (port, instance), RawConnection(port) as connection:
        for _ in range(20):
            connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert connection.receive().body == b"ok"
        assert instance.connections == 1


def waiting_ports(port):
    """Connections to that port of which this host keeps the ports for a minute (TIME-WAIT)."""
    lines = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(1 for line in lines if line[2].endswith(f":{port:04X}") and line[3] == "06")


@pytest.mark.parametrize("answer", [OK, OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")],
                         ids=["kept", "closed"])
def test_connections_that_are_not_kept_use_up_no_ports(netd, answer):
    with proxied(netd, answer, service="idle_connections = 0\n") as (port, instance), \
            RawConnection(port) as connection:
        for _ in range(30):
            connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
            assert connection.receive().body == b"ok"
        assert instance.connections == 30
        assert waiting_ports(instance.port) < 3


def test_every_healthy_instance_gets_its_share(netd):
    with Instance() as one, Instance() as two:
        port = netd(config(one, two)).port("web")
        for _ in range(60):
            assert get(port).status == 200
        assert min(len(one.requests), len(two.requests)) >= 10


def unused_name():
    return f"127.0.0.1:{unused_port()}"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_one_that_refuses_is_passed_over(netd, method):
    with Instance() as instance:
        port = netd(config(unused_name(), instance, unused_name())).port("web")
        for _ in range(20):
            assert get(port, method=method, body=b"body").status == 200
        assert [request.body for request in instance.requests] == [b"body"] * 20


@pytest.mark.parametrize("size", [0, 5, 50_000])
def test_one_that_closes_without_a_word_is_passed_over(netd, size):
    body = os.urandom(size)
    with Instance(None) as bad, Instance() as good:
        port = netd(config(bad, good)).port("web")
        for _ in range(20):
            assert get(port, method="PUT", body=body).status == 200
        assert bad.requests and all(request.body == body for request in good.requests)


@pytest.mark.parametrize("method", ["POST", "PATCH", "BREW", "get"])
@pytest.mark.parametrize("size", [0, 3])
def test_what_may_not_be_repeated_is_not(netd, method, size):
    with Instance(None) as one, Instance(None) as two:
        port = netd(config(one, two)).port("web")
        answer = get(port, method=method, body=b"x" * size)
        assert answer.status == 502 and b"without an answer" in answer.body
        assert len(one.requests) + len(two.requests) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_what_may_be_repeated_is_tried_with_each(netd, method):
    with Instance(None) as one, Instance(None) as two:
        port = netd(config(one, two)).port("web")
        assert get(port, method=method).status == 503
        assert len(one.requests) == len(two.requests) == 1


def test_what_may_not_be_repeated_takes_no_connection_that_may_be_closing(netd):
    """Each goes out on a new one, which no time-out of the instance can end in the same moment."""
    with proxied(netd) as (port, instance):
        assert get(port).status == 200
        for count in range(2, 5):
            assert get(port, method="POST", body=b"x").status == 200
            assert instance.connections == count


def broken(how):
    def answer(_request, connection):
        if how == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
        return {"closes": None, "reset": None, "rubbish": b"SSH-2.0-x\r\n"}[how]

    return answer


@pytest.mark.parametrize("how", ["closes", "reset", "rubbish"])
def test_one_that_failed_is_left_alone_for_a_while(netd, how):
    """One client finds out; the next ones are spared."""
    with Instance(broken(how)) as bad, Instance() as good:
        port = netd(config(bad, good)).port("web")
        until(lambda: get(port, method="POST", body=b"x").status == 502, "the one that is broken")
        count = len(bad.requests)
        assert count == 1
        assert [get(port, method="POST", body=b"x").status for _ in range(10)] == [200] * 10
        assert len(bad.requests) == count


def test_one_that_failed_is_asked_again_where_no_other_is_left(netd):
    with Instance(None) as instance:
        port = netd(config(instance)).port("web")
        assert get(port).status == 503
        instance.answer = OK
        assert get(port).status == 200


def test_one_that_fails_its_clients_is_told_though_its_checks_pass(netd):
    def answer(request, _connection):
        return OK if request.line.startswith("GET /healthz ") or well.is_set() else None

    well = threading.Event()
    with Instance(answer) as instance:
        daemon = netd(config(instance, service="health_interval = 100ms\n")
                      .replace("health = off", "health = /healthz"))
        with daemon.connect_control() as events:
            assert events.ask({"type": "subscribe", "events": ["instance"]}) == {"status": "ok"}
            for _ in range(3):
                assert get(daemon.port("web")).status == 503
            failed = events.receive()
            assert (failed["event"], failed["level"]) == ("instance_failed", "warning")
            assert (failed["service"], failed["instance"]) == ("users", f"tcp:{instance.name}")
            assert "closed the connection without an answer" in failed["message"]
            well.set()
            assert get(daemon.port("web")).status == 200
            assert events.receive()["event"] == "instance_recovered"


def timed(port):
    begin = time.monotonic()
    status = get(port).status
    return status, time.monotonic() - begin


def test_one_that_has_vanished_costs_one_client_its_share_of_the_time(netd):
    share = 1.5 * PATIENCE  # s: the half of the time, as there are two
    with black_hole() as gone, Instance() as instance:
        port = netd(config(gone, instance,
                           service=f"connect_timeout = {2000 * share:.0f}ms\n")).port("web")
        waited = []
        while not waited or max(waited) < 0.9 * share:  # until one has found out
            status, seconds = timed(port)
            assert status == 200
            waited.append(seconds)
        assert waited[-1] < 1.9 * share
        more = [timed(port) for _ in range(10)]
        assert [status for status, _ in more] == [200] * 10
        assert max(seconds for _, seconds in more) < 0.9 * share, more


def test_all_that_have_vanished_cost_the_time_once(netd):
    with contextlib.ExitStack() as stack:
        gone = [stack.enter_context(black_hole()) for _ in range(6)]
        once = 0.5 * PATIENCE  # s
        port = netd(config(*gone, service=f"connect_timeout = {1000 * once:.0f}ms\n")).port("web")
        for _ in range(2):
            status, seconds = timed(port)
            assert status == 503 and 0.9 * once < seconds < 5 * once


def test_when_none_is_left_it_says_which_were_tried(netd):
    names = [unused_name(), unused_name()]
    port = netd(config(*names)).port("web")
    answer = get(port, fields=["Accept: application/json"])
    assert answer.status == 503
    assert all(name.encode() in answer.body for name in names), answer.body
    assert b"Connection refused" in answer.body


def test_an_idle_connection_that_the_instance_closed_costs_nothing(netd):
    with proxied(netd) as (port, instance):
        for _ in range(5):
            assert get(port).status == 200
            instance.cut()
        assert get(port, method="POST", body=b"x").status == 200


def test_an_unhealthy_instance_gets_nothing_until_it_is_well(netd):
    healthy = threading.Event()

    def answer(request, _connection):
        if request.line.startswith("GET /healthz ") and not healthy.is_set():
            return b"HTTP/1.1 500 Ill\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        return OK

    with Instance(answer) as sick, Instance() as well:
        text = config(sick, well, service="health_interval = 100ms\n").replace("health = off",
                                                                               "health = /healthz")
        daemon = netd(text)
        port = daemon.port("web")

        def asked(instance):
            return sum(1 for one in instance.requests if "/healthz" not in one.line)

        def states():
            return {one["state"] for one in daemon.status()["services"][0]["instances"]}

        until(lambda: states() == {"healthy", "unhealthy"}, "the verdict")
        before = asked(sick)
        for _ in range(20):
            assert get(port).status == 200
        assert asked(sick) == before
        healthy.set()
        until(lambda: get(port).status == 200 and asked(sick) > before, "its turn")


def test_verdicts_change_after_two_failures_and_one_success(netd):
    """And show in the status, for people and programs, and as events."""
    answers = []  # of the checks to come; then always the last one

    def answer(_request, _connection):
        status = answers.pop(0) if len(answers) > 1 else answers[0]
        return b"HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status

    answers.append(200)
    with Instance(answer) as instance:
        daemon = netd(config(instance, service="health_interval = 100ms\n")
                      .replace("health = off", "health = /healthz"))

        def told():
            return daemon.status()["services"][0]["instances"][0]

        until(lambda: told()["state"] == "healthy", "the first verdict")
        with daemon.connect_control() as events:
            assert events.ask({"type": "subscribe", "events": ["instance"]}) == {"status": "ok"}
            answers[:] = [500, 200] * 5 + [200]  # one failure at a time says nothing
            until(lambda: len(answers) == 1, "ten checks")
            assert told() == {"address": f"tcp:{instance.name}", "state": "healthy"}
            answers[:] = [500, 404]
            event = events.receive()
            assert event["event"] == "instance_unhealthy" and event["level"] == "warning"
            assert (event["service"], event["instance"]) == ("users", f"tcp:{instance.name}")
            assert event["message"].endswith("is unhealthy: answered HTTP 404")
            assert told() == {"address": f"tcp:{instance.name}", "state": "unhealthy",
                              "reason": "answered HTTP 404"}
            shown = daemon.netctl("status").stdout
            assert instance.name in shown and "answered HTTP 404" in shown
            answers[:] = [301]
            assert events.receive()["event"] == "instance_healthy"
            assert told()["state"] == "healthy"


def test_a_check_that_takes_too_long_is_a_failure(netd):
    go_on = threading.Event()

    def answer(_request, _connection):
        go_on.wait(DEADLINE)
        return OK

    with Instance(answer) as instance:
        daemon = netd(config(instance, service="health_interval = 100ms\nhealth_timeout = 100ms\n")
                      .replace("health = off", "health = /healthz"))

        def told():
            return daemon.status()["services"][0]["instances"][0]

        until(lambda: told()["state"] == "unhealthy", "the verdict")
        assert told()["reason"] == "no answer within 100ms"
        go_on.set()
        until(lambda: told()["state"] == "healthy", "its return")


def test_with_no_healthy_instance_it_is_503_at_once(netd):
    with Instance(b"HTTP/1.1 500 Ill\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") as sick:
        daemon = netd(config(sick, service="health_interval = 100ms\n").replace("health = off",
                                                                                "health = /ok"))
        port = daemon.port("web")
        until(lambda: daemon.status()["services"][0]["instances"][0]["state"] == "unhealthy",
              "the verdict")
        answer = get(port)
        assert answer.status == 503 and sick.name.encode() in answer.body
        assert not [one for one in sick.requests if one.line == "GET / HTTP/1.1"]


@pytest.mark.parametrize("connecting", ["5s", "50ms"])
def test_a_silent_instance_is_a_504(netd, connecting):
    done = threading.Event()

    def answer(_request, _connection):
        done.wait(DEADLINE)

    with proxied(netd, answer, service=f"answer_timeout = 100ms\nconnect_timeout = {connecting}\n") as (
            port, instance):
        answer = get(port)
        assert answer.status == 504 and b"no answer within 100ms" in answer.body
        assert len(instance.requests) == 1
        done.set()


def test_an_instance_may_take_its_time(netd):
    """It has acknowledged the request, so it has not vanished."""
    def answer(_request, _connection):
        threading.Event().wait(0.4)
        return OK

    with proxied(netd, answer, service="connect_timeout = 50ms\nanswer_timeout = 30s\n") as (
            port, instance):
        assert get(port).status == get(port, method="POST", body=b"x").status == 200
        assert len(instance.requests) == 2


def test_names_and_unix_sockets(netd, tmp_path):
    path = tmp_path / "instance"
    with Instance() as instance, socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        server.settimeout(DEADLINE)
        port = netd(config(f"localhost:{instance.port}")).port("web")
        assert get(port).status == 200
        port = netd(config(f"unix:{path}")).port("web")
        with RawConnection(port) as connection:
            connection.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
            accepted, _ = server.accept()
            with accepted:
                assert accepted.recv(65536).startswith(b"GET /x HTTP/1.1\r\n")
                accepted.sendall(OK)
                assert connection.receive().body == b"ok"


# ---- Streams.

def test_large_bodies_both_ways(netd):
    data = os.urandom(5_000_000)

    def answer(request, _connection):
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(request.body) + request.body

    with proxied(netd, answer, more="max_body = 10M\n") as (port, instance):
        assert get(port, method="POST", body=data).body == data
        with RawConnection(port) as connection:
            connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for at in range(0, len(data), 100_000):
                piece = data[at:at + 100_000]
                connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            connection.send(b"0\r\n\r\n")
            assert connection.receive().body == data


def test_a_reader_that_does_not_read_stops_the_instance(netd):
    sent = []
    total = 64_000_000

    def answer(_request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        connection.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while len(sent) < 64:
                connection.sendall(bytes(1_000_000))
                sent.append(1)
        return None

    with Instance(answer) as instance:
        daemon = netd(config(instance))
        with RawConnection(daemon.port("web")) as connection:
            connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            until(lambda: instance.requests, "the request")
            until(lambda: not instance._open, "the instance to be stuck")
            assert len(sent) < 30


def test_answers_stream_before_they_are_complete(netd):
    go_on = threading.Event()

    def answer(_request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        assert go_on.wait(DEADLINE)
        return b"6\r\nsecond\r\n0\r\n\r\n"

    with proxied(netd, answer) as (port, _):
        with socket.create_connection(("127.0.0.1", port), DEADLINE) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            received = b""
            while b"first" not in received:
                received += client.recv(65536)
            go_on.set()
            while not received.endswith(b"second\r\n0\r\n\r\n"):
                received += client.recv(65536)


def test_a_client_that_goes_away_frees_the_instance(netd):
    gone = threading.Event()

    def answer(_request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(b"5\r\nabcde\r\n")
                if gone.wait(0.01):
                    break
        gone.set()

    with proxied(netd, answer) as (port, _):
        with RawConnection(port) as connection:
            connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert connection._more()
        assert gone.wait(DEADLINE)


def test_an_upgraded_connection_is_passed_through(netd):
    data = os.urandom(1_000_000)
    with proxied(netd, echo_tunnel) as (port, _), RawConnection(port) as connection:
        connection.send(UPGRADE)
        answer = connection.receive()
        assert answer.status == 101 and answer.get("upgrade") == "websocket"
        assert answer.get("connection") == "Upgrade"

        def send():
            connection.send(data)
            connection.finish_sending()

        sender = threading.Thread(target=send)
        sender.start()
        received = connection.buffer
        while more := connection.socket.recv(1 << 16):
            received += more
        sender.join()
        assert received == b"hello" + data


def test_an_upgrade_that_is_declined_is_an_answer_like_any_other(netd):
    with proxied(netd) as (port, instance), RawConnection(port) as connection:
        connection.send(UPGRADE)
        assert connection.receive().body == b"ok"
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.receive().body == b"ok"
        assert instance.connections == 1


@pytest.mark.parametrize("chosen", [b"Upgrade: h2c\r\n", b"Upgrade: websocket, h2c\r\n",
                                    b"Upgrade:\r\n", b""])
def test_a_switch_to_what_was_not_asked_for(netd, chosen):
    """RFC 9110, section 7.8."""
    answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n" + chosen + b"\r\n"
    with proxied(netd, answer) as (port, _), RawConnection(port) as connection:
        connection.send(UPGRADE)
        assert connection.receive().status == 502


def test_a_stop_waits_for_the_answer(netd):
    asked, go_on = threading.Event(), threading.Event()

    def answer(_request, _connection):
        asked.set()
        assert go_on.wait(DEADLINE)
        return OK

    with Instance(answer) as instance:
        daemon = netd(config(instance))
        with RawConnection(daemon.port("web")) as connection:
            connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert asked.wait(DEADLINE)
            daemon.signal(signal.SIGTERM)
            daemon.wait_for_log("stopping: ")
            go_on.set()
            assert connection.receive().body == b"ok"
            assert at_end(connection.socket)
        daemon.wait()


def test_a_reload_keeps_what_is_under_way(netd):
    asked, go_on = threading.Event(), threading.Event()

    def slow(_request, _connection):
        asked.set()
        assert go_on.wait(DEADLINE)
        return OK

    with Instance(slow) as one, Instance() as two:
        daemon = netd(config(one))
        port = daemon.port("web")
        with RawConnection(port) as connection:
            connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert asked.wait(DEADLINE)
            assert daemon.reload(config(two))["status"] == "ok"
            assert get(port).status == 200
            assert len(two.requests) == 1
            go_on.set()
            assert connection.receive().body == b"ok"


def test_a_service_that_is_not_there_is_a_mistake(netd):
    daemon = netd(config("127.0.0.1:1").replace("proxy users", "proxy user"), start=False)
    outcome = daemon.run("--check")
    assert outcome.returncode == 78 and "[service NAME]" in outcome.stdout + outcome.stderr
