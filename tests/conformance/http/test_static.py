"""Files over the wire: RFC 9110, sections 8, 13 and 14."""

import email.parser
import email.utils
import json
import time

import pytest
from raw_http import get

LARGE = bytes(range(256)) * 1024


@pytest.mark.parametrize("target, status, body", [
    ("/", 200, b"<h1>home</h1>\n"),
    ("/a.txt", 200, b"0123456789"),
    ("/a.txt?query", 200, b"0123456789"),
    ("//a.txt", 200, b"0123456789"),
    ("/empty", 200, b""),
    ("/large.bin", 200, LARGE),
    ("/with%20space.txt", 200, b"space"),
    ("/f%C3%BCr.txt", 200, b"utf-8"),
    ("/f\xc3\xbcr.txt", 200, b"utf-8"),
    ("/folder/", 200, b"folder"),
    ("/in", 200, b"0123456789"),
    ("/none", 404, None),
    ("/a.txt/", 404, None),
    ("/a.txt/b", 404, None),
    ("/bare/", 403, None),
    ("/.hidden", 404, None),
    ("/folder/.hidden", 404, None),
    ("/out", 404, None),
    ("/folder/..%2f..%2fsecret", 404, None),
    ("/..%5csecret", 404, None),
    ("/" + "a" * 300, 404, None),
    ("/" + "a/" * 3000, 404, None),
    ("/A.TXT", 404, None),
    ("/a.txt%20", 404, None),
    ("/a.txt%0a", 404, None),
    ("/%E0%80%AF", 404, None),
])
def test_paths(web, target, status, body):
    answer = get(web, target)
    assert answer.status == status
    if body is not None:
        assert answer.body == body


@pytest.mark.parametrize("target, location", [
    ("/folder", "/folder/"), ("/folder?a=b&c", "/folder/?a=b&c"), ("/folder?", "/folder/?"),
    ("/folder?a=%C3%BC\xc3\xbc<\">/?:@", "/folder/?a=%C3%BC%C3%BC%3C%22%3E/?:@"),
    ("//folder", "/folder/"), ("///folder", "/folder/"), ("/bare/../folder", "/folder/"),
    ("/.//folder", "/folder/"), ("http://evil.example/folder", "/folder/"),
    ("http://evil.example//folder?a%0d%0aX:y", "/folder/?a%0d%0aX:y")])
def test_redirects_stay_here(web, target, location):
    answer = get(web, target)
    assert answer.status == 301 and answer.get("location") == location


@pytest.mark.parametrize("target, media_type", [
    ("/", "text/html; charset=utf-8"), ("/a.txt", "text/plain; charset=utf-8"),
    ("/z.js", "text/javascript; charset=utf-8"), ("/empty", "application/octet-stream")])
def test_media_types(web, target, media_type):
    assert get(web, target).get("content-type") == media_type


def when(answer, shift=0):
    return email.utils.parsedate_to_datetime(answer.get("last-modified")).timestamp() + shift


def imf(seconds):
    return email.utils.formatdate(seconds, usegmt=True)


def rfc850(seconds):
    return time.strftime("%A, %d-%b-%y %H:%M:%S GMT", time.gmtime(seconds))


def asctime(seconds):
    return time.asctime(time.gmtime(seconds))


@pytest.mark.parametrize("form", [imf, rfc850, asctime])
@pytest.mark.parametrize("name, shift, status", [
    ("If-Modified-Since", 0, 304), ("If-Modified-Since", 60, 304), ("If-Modified-Since", -1, 200),
    ("If-Unmodified-Since", 0, 200), ("If-Unmodified-Since", 60, 200),
    ("If-Unmodified-Since", -1, 412)])
def test_dates_in_all_forms(web, form, name, shift, status):
    """RFC 9110, sections 13.1.3, 13.1.4 and 5.6.7."""
    first = get(web, "/a.txt")
    assert get(web, "/a.txt", [f"{name}: {form(when(first, shift))}"]).status == status


@pytest.mark.parametrize("date", [
    "", "nonsense", "1700000000", "2023-11-14T22:13:20Z", "Tue, 14 Nov 2023 22:13:20",
    "Tue, 14 Nov 2023 22:13:20 UTC", "Tue, 14 Nov 2023 22:13:20 +0000",
    "Tue, 14 Nov 2023 22:13:20 GMT x", "\"Tue, 14 Nov 2023 22:13:20 GMT\"",
    "Tue, 14 Nov 2023 22:13:20 GMT, Tue, 14 Nov 2023 22:13:20 GMT",
    "Tue, 32 Nov 2023 22:13:20 GMT", "Tue, 14 Nox 2023 22:13:20 GMT",
    "Tue, 14 Nov 2023 24:13:20 GMT", "Tue, 14 Nov 2023 22:60:20 GMT",
    "Thu, 30 Feb 2023 22:13:20 GMT", "Tue, 4 Nov 2023 22:13:20 GMT",
    "Tuesday, 14-Nov-2023 22:13:20 GMT", "Tue Nov 14 22:13:20 GMT 2023"])
def test_what_is_no_date_means_nothing(web, date):
    """RFC 9110, sections 13.1.3 and 13.1.4."""
    assert get(web, "/a.txt", [f"If-Modified-Since: {date}"]).status == 200
    assert get(web, "/a.txt", [f"If-Unmodified-Since: {date}"]).status == 200


@pytest.mark.parametrize("date, since", [
    ("Sunday, 06-Nov-94 08:49:37 GMT", 200), ("Sun Nov  6 08:49:37 1994", 200),
    ("Thu, 01 Jan 1970 00:00:00 GMT", 200), ("Sat, 31 Dec 2016 23:59:60 GMT", 200),
    ("Tuesday, 14-Nov-23 22:13:20 GMT", 304), ("Wed Nov 15 00:00:00 2023", 304)])
def test_dates_of_other_years(web, date, since):
    """RFC 9110, section 5.6.7: two digits of a year are never more than 50 years ahead."""
    assert get(web, "/a.txt", [f"If-Modified-Since: {date}"]).status == since
    status = 412 if since == 200 else 200
    assert get(web, "/a.txt", [f"If-Unmodified-Since: {date}"]).status == status


CONDITIONS = [
    # section, fields with {tag} and {date}, status of GET
    ("13.1.2", ["If-None-Match: {tag}"], 304),
    ("13.1.2", ["If-None-Match: W/{tag}"], 304),
    ("13.1.2", ["If-None-Match: \"x\", {tag}, \"y\""], 304),
    ("13.1.2", ["If-None-Match: \"a,b\", {tag}"], 304),
    ("13.1.2", ["If-None-Match: \"x\"", "If-None-Match: {tag}"], 304),
    ("13.1.2", ["If-None-Match: *"], 304),
    ("13.1.2", ["If-None-Match: \"x\""], 200),
    ("13.1.2", ["If-None-Match: x"], 200),
    # A backslash is a character like others here (section 8.8.3).
    ("13.1.2", ["If-None-Match: \"x\\\", {tag}"], 304),
    ("13.1.2", ["If-None-Match: \"x\", , {tag},"], 304),
    ("13.1.2", ["If-None-Match: w/{tag}"], 200),
    ("13.1.1", ["If-Match: \"x\\\", {tag}"], 200),
    ("13.1.2", ["If-None-Match:"], 200),
    ("13.1.1", ["If-Match: {tag}"], 200),
    ("13.1.1", ["If-Match: *"], 200),
    ("13.1.1", ["If-Match: \"x\", {tag}"], 200),
    ("13.1.1", ["If-Match: W/{tag}"], 412),
    ("13.1.1", ["If-Match: \"x\""], 412),
    ("13.1.2", ["If-None-Match: , ,{tag},,"], 304),
    ("13.1.2", ["If-None-Match: \"x\"\t,\t{tag}"], 304),
    ("13.1.2", ["If-None-Match: \"\xff\", {tag}"], 304),
    ("13.1.2", ["If-None-Match: " + "\"x\", " * 300 + "{tag}"], 304),
    ("13.1.2", ["If-None-Match: \"\""], 200),
    ("13.1.2", ["If-None-Match: W{tag}"], 200),
    ("13.1.1", ["If-Match: W/{tag}, {tag}"], 200),
    ("13.1.1", ["If-Match: \"x\"", "If-Match: {tag}"], 200),
    ("13.2.2", ["If-Match: \"x\"", "If-Unmodified-Since: {date}"], 412),
    ("13.2.1", ["If-Match: {tag}", "Range: bytes=90-", "If-None-Match: {tag}"], 304),
    ("13.1.3", ["If-Modified-Since: nonsense"], 200),
    ("13.1.3", ["If-Modified-Since: 0"], 200),
    ("13.1.3", ["If-Modified-Since: {date}", "If-Modified-Since: {date}"], 200),
    ("13.1.4", ["If-Unmodified-Since: nonsense"], 200),
    ("13.2.2", ["If-None-Match: \"x\"", "If-Modified-Since: {date}"], 200),
    ("13.2.2", ["If-None-Match: {tag}", "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT"], 304),
    ("13.2.2", ["If-Match: {tag}", "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT"], 200),
    ("13.2.2", ["If-Match: \"x\"", "If-None-Match: {tag}"], 412),
    ("13.2.2", ["If-Match: {tag}", "If-None-Match: {tag}"], 304),
    ("13.2.2", ["If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT", "If-None-Match: {tag}"], 412),
    ("13.2.1", ["If-None-Match: {tag}", "Range: bytes=0-1"], 304),
    ("13.2.1", ["If-Match: \"x\"", "Range: bytes=0-1"], 412),
]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("section, fields, status", CONDITIONS)
def test_conditions(web, section, fields, status, method):
    first = get(web, "/a.txt")
    known = {"tag": first.get("etag"), "date": first.get("last-modified")}
    answer = get(web, "/a.txt", [field.format(**known) for field in fields], method)
    assert answer.status == status, section
    if status == 304:  # RFC 9110, section 15.4.5
        assert answer.get("etag") == known["tag"] and answer.get("date")
        assert answer.get("content-type") is None


RANGES = [
    ("bytes=0-0", [(0, 0)]), ("bytes=0-4", [(0, 4)]), ("bytes=5-", [(5, 9)]),
    ("bytes=9-", [(9, 9)]), ("bytes=-1", [(9, 9)]), ("bytes=-10", [(0, 9)]),
    ("bytes=-100", [(0, 9)]), ("bytes=5-100", [(5, 9)]), ("BYTES=0-1", [(0, 1)]),
    ("bytes= 0-1", [(0, 1)]), ("bytes=0-1,", [(0, 1)]), ("bytes=0-1,20-", [(0, 1)]),
    ("bytes=0-0,2-2", [(0, 0), (2, 2)]), ("bytes=7-8,0-1", [(7, 8), (0, 1)]),
    ("bytes=0-1, 4-5 ,-1", [(0, 1), (4, 5), (9, 9)]), ("bytes=0-4,2-6", [(0, 6)]),
    ("bytes=0-1,2-3", [(0, 3)]), ("bytes=-2,0-1", [(8, 9), (0, 1)]),
    ("bytes=0-,0-,0-", [(0, 9)]),
    ("bytes=0-99999999999999999999999", [(0, 9)]), ("bytes=-99999999999999999999999", [(0, 9)]),
    ("bytes=-0,0-0", [(0, 0)]),
    ("bytes=10-", []), ("bytes=10-20,30-", []), ("bytes=-0", []),
    ("bytes=99999999999999999999999-", []),
    ("bytes", None), ("bytes=", None), ("bytes=a-b", None), ("bytes=4-2", None),
    ("bytes=0", None), ("bytes=-", None), ("bytes=0-1-2", None), ("bytes=--1", None),
    ("lines=0-1", None), ("bytes =0-1", None), ("bytes=0-1,x", None),
    ("bytes=0-1;2-3", None), ("bytes=+0-1", None),
    ("bytes=" + ",".join(f"{i}-{i}" for i in range(0, 200, 2)), None),
]


@pytest.mark.parametrize("value, ranges", RANGES)
def test_ranges(web, value, ranges):
    """RFC 9110, section 14; None: the field is ignored, []: it cannot be satisfied."""
    whole = b"0123456789"
    answer = get(web, "/a.txt", [f"Range: {value}"])
    if ranges is None:
        assert answer.status == 200 and answer.body == whole
        return
    if not ranges:
        assert answer.status == 416 and answer.get("content-range") == "bytes */10"
        return
    assert answer.status == 206 and answer.get("etag") and answer.get("last-modified")
    if len(ranges) == 1:
        first, last = ranges[0]
        assert answer.get("content-range") == f"bytes {first}-{last}/10"
        assert answer.body == whole[first:last + 1]
        return
    assert answer.get("content-range") is None
    head = f"Content-Type: {answer.get('content-type')}\r\n\r\n".encode()
    parts = email.parser.BytesParser().parsebytes(head + answer.body).get_payload()
    assert [part["Content-Range"] for part in parts] == [f"bytes {a}-{b}/10" for a, b in ranges]
    assert [part.get_payload(decode=True) for part in parts] == [whole[a:b + 1] for a, b in ranges]
    assert all(part["Content-Type"] == "text/plain; charset=utf-8" for part in parts)


@pytest.mark.parametrize("value", ["bytes=-5", "bytes=0-", "bytes=0-0", "bytes=-0", "bytes=7-9"])
def test_ranges_of_nothing(web, value):
    """RFC 9110, section 14.2: Range may be ignored, and of an empty file 200 says it all."""
    answer = get(web, "/empty", [f"Range: {value}"])
    assert (answer.status, answer.body) == (200, b"")
    assert answer.get("content-range") is None


def test_ranges_of_a_large_file(web):
    answer = get(web, "/large.bin", ["Range: bytes=100000-100009,-3"])
    assert answer.status == 206
    assert LARGE[100000:100010] in answer.body and LARGE[-3:] in answer.body


@pytest.mark.parametrize("condition, status", [
    ("{tag}", 206), ("\"x\"", 200), ("W/{tag}", 200), ("nonsense", 200), ("", 200), ("*", 200),
    ("{tag}, \"x\"", 200), ("Thu, 01 Jan 1970 00:00:00 GMT", 200),
    ("Wed, 15 Nov 2023 22:13:20 GMT", 200), ("Tue, 14 Nov 2023 22:13:20 GMT", 206),
    ("Tuesday, 14-Nov-23 22:13:20 GMT", 206), ("Tue Nov 14 22:13:20 2023", 206)])
def test_if_range(web, condition, status):
    """RFC 9110, section 13.1.5."""
    tag = get(web, "/a.txt").get("etag")
    fields = ["Range: bytes=0-1", "If-Range: " + condition.format(tag=tag)]
    assert get(web, "/a.txt", fields).status == status


def test_if_range_decides_before_the_range_is_judged(web):
    """RFC 9110, section 13.2.2."""
    tag = get(web, "/a.txt").get("etag")
    assert get(web, "/a.txt", ["Range: bytes=90-", f"If-Range: {tag}"]).status == 416
    assert get(web, "/a.txt", ["Range: bytes=90-", "If-Range: \"x\""]).status == 200


@pytest.mark.parametrize("target", [
    "/", "/a.txt", "/empty", "/large.bin", "/z.js", "/folder", "/folder/", "/none", "/bare/", "/out",
    "/.hidden", "/%zz", "/../x"])
@pytest.mark.parametrize("fields", [
    [], ["Accept: application/json"], ["Accept-Encoding: gzip"], ["If-None-Match: *"],
    ["If-Match: \"x\""], ["If-Modified-Since: Fri, 01 Jan 2027 00:00:00 GMT"], ["Connection: close"]])
def test_head_says_what_get_says(web, target, fields):
    """RFC 9110, section 9.3.2."""
    one, other = get(web, target, fields), get(web, target, fields, "HEAD")
    assert one.status == other.status and other.body == b""
    drop = [[field for field in answer.fields if field[0] != "date"] for answer in (one, other)]
    assert drop[0] == drop[1]


def test_if_range_alone_means_nothing(web):
    assert get(web, "/a.txt", ["If-Range: \"x\""]).status == 200


@pytest.mark.parametrize("method, status", [("HEAD", 200), ("POST", 405)])
def test_ranges_are_for_get(web, method, status):
    """RFC 9110, section 14.2."""
    assert get(web, "/a.txt", ["Range: bytes=0-1"], method).status == status
    assert get(web, "/a.txt", ["Range: bytes=90-"], method).status == status


@pytest.mark.parametrize("accepted, coding", [
    (None, None), ("gzip", "gzip"), ("br", "br"), ("zstd", "zstd"), ("gzip, deflate, br", "br"),
    ("gzip;q=1, br;q=0.5", "gzip"), ("gzip;q=0", None), ("*", "br"), ("*;q=0", None),
    ("*, br;q=0", "zstd"), ("identity", None), ("deflate", None), ("", None), ("GZIP", "gzip"),
    ("x-gzip", "gzip"), ("gzip;q=0.5, identity;q=1", None), ("gzip;q=0.001", "gzip"),
    ("gzip, *;q=0", "gzip"), ("gzip ; q=0.5", "gzip"), ("gzip;Q=0.5", "gzip"), ("gzipx", None),
    (" \tgzip\t, deflate", "gzip"), ("gzip;", "gzip"), ("br;q=0.000, gzip;q=1.000", "gzip"),
    ("identity;q=0, gzip", "gzip"), ("br;q=nonsense, gzip", "gzip")])
def test_content_codings(web, accepted, coding):
    """RFC 9110, section 12.5.3."""
    answer = get(web, "/z.js", [] if accepted is None else [f"Accept-Encoding: {accepted}"])
    assert answer.status == 200 and answer.get("content-encoding") == coding
    assert answer.list("vary") == ["Accept-Encoding"]
    names = {"gzip": b"gzip-bytes", "br": b"br-bytes", "zstd": b"zst-bytes"}
    assert answer.body == names.get(coding, b"plain, plain, plain, plain")
    assert answer.get("content-type") == "text/javascript; charset=utf-8"


def test_codings_are_told_apart(web):
    tags = {get(web, "/z.js", [f"Accept-Encoding: {coding}"]).get("etag")
            for coding in ("identity", "gzip", "br", "zstd")}
    assert len(tags) == 4
    gzip = get(web, "/z.js", ["Accept-Encoding: gzip"]).get("etag")
    fields = ["Accept-Encoding: gzip", f"If-None-Match: {gzip}"]
    assert get(web, "/z.js", fields).status == 304
    assert get(web, "/z.js", [fields[1]]).status == 200
    answer = get(web, "/z.js", ["Accept-Encoding: gzip", "Range: bytes=0-3"])
    assert answer.status == 206 and answer.body == b"gzip"
    # Several parts: they are coded, the message that holds them is not.
    answer = get(web, "/z.js", ["Accept-Encoding: gzip", "Range: bytes=0-0,2-2"])
    assert answer.status == 206 and answer.get("content-encoding") is None
    assert answer.body.count(b"\r\nContent-Encoding: gzip\r\n") == 2


SITE = """
[listener web]
protocol = http
listen = tcp:127.0.0.1:0
route = / static {dir}/www
autoindex = yes
error_page = 404 {dir}/missing.html
header = X-Frame-Options: DENY
cache_control = / max-age=60
"""


@pytest.fixture
def site(netd, tmp_path):
    folder = tmp_path / "site"
    (folder / "www").mkdir(parents=True)
    (folder / "missing.html").write_text("<h1>nowhere</h1>")
    (folder / "www/a.txt").write_text("one")
    (folder / "www/<b>&lt;.txt").write_text("two")
    (folder / "www/sub").mkdir()
    return netd(SITE, folder=folder)


def test_settings_show_in_answers(site):
    port = site.port("web")
    answer = get(port, "/a.txt")
    assert answer.get("x-frame-options") == "DENY" and answer.get("cache-control") == "max-age=60"
    answer = get(port, "/none")
    assert answer.body == b"<h1>nowhere</h1>" and answer.get("x-frame-options") == "DENY"


def test_a_listing(site):
    port = site.port("web")
    page = get(port, "/").body.decode()
    assert '<a href="%3Cb%3E&amp;lt;.txt">' in page and '<a href="sub/">' in page
    assert "&lt;b&gt;&amp;lt;.txt" in page and "<b>" not in page
    listed = json.loads(get(port, "/", ["Accept: application/json"]).body)
    assert [entry["name"] for entry in listed] == ["sub", "<b>&lt;.txt", "a.txt"]
    assert listed[2]["size"] == 3 and listed[0]["type"] == "directory"


def test_every_name_that_is_listed_can_be_asked_for(site):
    port, folder = site.port("web"), bytes(site.folder / "www/sub")
    names = [b"\xff\xfe", b"100%25", b"a:b", b"quote\"", b"q?x#y", b"line\nend", "\u00fc".encode()]
    for name in names:
        with open(folder + b"/" + name, "wb") as file:
            file.write(name)
    answer = get(port, "/sub/", ["Accept: application/json"])
    listed = {get(port, "/sub/" + entry["href"]).body: entry for entry in json.loads(answer.body)}
    assert sorted(listed) == sorted(names)
    assert listed[b"\xff\xfe"]["name"] == "\ufffd\ufffd"
    page = get(port, "/sub/").body.decode()
    assert all(f'<a href="{entry["href"]}">' in page for entry in listed.values())
    above = json.loads(get(port, "/", ["Accept: application/json"]).body)
    assert above[0]["href"] == "sub/"


def until_seen(is_new, since):
    """Whoever asks more than a second after the change gets what is new, however slow answers are."""
    while True:
        asked = time.monotonic()
        if is_new():
            return
        assert asked < since + 1.0


def test_a_changed_file_is_seen_within_a_second(site):
    port, path = site.port("web"), site.folder / "www/a.txt"
    first = get(port, "/a.txt")
    replacement = site.folder / "www/new"
    replacement.write_text("three")
    replacement.rename(path)
    changed = time.monotonic()

    def is_replaced():
        answer = get(port, "/a.txt")
        assert answer.body in (first.body, b"three")
        assert (answer.get("etag") == first.get("etag")) == (answer.body == first.body)
        return answer.body == b"three"

    until_seen(is_replaced, changed)
    path.unlink()
    until_seen(lambda: get(port, "/a.txt").status == 404, time.monotonic())
