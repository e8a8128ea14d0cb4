"""RFC 9110 and RFC 9112, message by message: what is valid is served, what is not is refused with
one answer, and nothing behind a refused message is ever read as a request."""

import pytest
from raw_http import Case, run

HOST = b"Host: x\r\n"
NEXT = b"GET /info HTTP/1.1\r\nHost: next\r\n\r\n"  # would be answered 200 if it were read


def served(rule, what, data, statuses=(200,), **more):
    return Case(rule, what, data, list(statuses), True, **more)


def closes(rule, what, data, statuses=(200,), **more):
    return Case(rule, what, data, list(statuses), False, **more)


def refused(rule, what, data, status=400, **more):
    """Answered once, then closed; a whole request behind it is not looked at."""
    return Case(rule, what, data + NEXT, [status], False, **more)


def line(request_line):
    return request_line + b"\r\n" + HOST + b"\r\n"


def get(fields=b"", target=b"/info", method=b"GET", version=b"HTTP/1.1", host=HOST):
    return method + b" " + target + b" " + version + b"\r\n" + host + fields + b"\r\n"


def post(fields, body=b"", version=b"HTTP/1.1"):
    return get(fields, method=b"POST", version=version) + body


def chunked(body, fields=b""):
    return post(b"Transfer-Encoding: chunked\r\n" + fields, body)


METHODS = [
    served("9110 9.3.1", "GET", get()),
    served("9110 9.3.2", "HEAD has no body", get(method=b"HEAD"), heads=(0,)),
    served("9110 9.3.2", "HEAD of a file", get(target=b"/a.txt", method=b"HEAD"), heads=(0,),
           fields={"content-length": "10", "content-type": "text/plain; charset=utf-8"}),
    served("9110 9.3.2", "HEAD of what is not there", get(target=b"/none", method=b"HEAD"), [404],
           heads=(0,)),
    served("9110 9.3.2", "HEAD of what it may not be used on", get(target=b"/folder",
           method=b"HEAD"), [301], heads=(0,)),
    refused("9110 9.3.2", "HEAD with a bad field", get(b"nonsense\r\n", method=b"HEAD"), heads=(0,)),
    refused("9110 9.3.2", "HEAD without Host", get(method=b"HEAD", host=b""), heads=(0,)),
    refused("9110 9.3.2", "HEAD with too many fields", get(b"A: b\r\n" * 500, method=b"HEAD"), 431,
            heads=(0,)),
    refused("9110 9.3.2", "HEAD of a target that is too long",
            get(target=b"/" + b"a" * 8999, method=b"HEAD"), 414, heads=(0,)),
    refused("9110 9.3.2", "HEAD over HTTP/2.0", get(method=b"HEAD", version=b"HTTP/2.0"), 505,
            heads=(0,)),
    refused("9110 9.3.2", "HEAD with a bad chunk", get(b"Transfer-Encoding: chunked\r\n",
            method=b"HEAD") + b"x\r\n", heads=(0,)),
    Case("9110 9.3.2", "HEAD with a body that ends early",
         get(b"Content-Length: 5\r\n", method=b"HEAD") + b"abc", [400], False, heads=(0,), ends=True),
    served("9110 9.3.7", "OPTIONS *", line(b"OPTIONS * HTTP/1.1"), [(200, 204)]),
    served("9110 9.3.7", "OPTIONS of a file", get(target=b"/a.txt", method=b"OPTIONS"),
           [(200, 204)], fields={"allow": "GET, HEAD, OPTIONS"}),
    served("9110 9.3.7", "OPTIONS of what takes any method", get(method=b"OPTIONS"),
           fields={"allow": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE"}),
    served("9110 9.1", "an unknown method", get(method=b"BREW"), [501]),
    served("9110 9.1", "methods are case-sensitive", get(method=b"get"), [501]),
    served("9110 9.1", "a method of odd token characters", get(method=b"!#$%&'*+-.^_`|~"), [501]),
    served("9110 9.1", "an unknown method with a body", get(b"Content-Length: 3\r\n",
           method=b"BREW") + b"abc", [501]),
    served("9110 9.3.6", "CONNECT", line(b"CONNECT x:443 HTTP/1.1"), [(405, 501)]),
    *[served("9110 15.5.6", f"{method} of a file", get(target=b"/a.txt", method=method.encode()),
             [405], fields={"allow": "GET, HEAD, OPTIONS"})
      for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE")],
    *[served("9110 9.3", f"{method} of what takes any", get(method=method.encode()))
      for method in ("POST", "PUT", "DELETE", "PATCH")],
]

REQUEST_LINES = [
    served("9112 2.2", "an empty line first", b"\r\n" + get()),
    served("9112 2.2", "a few empty lines first", b"\r\n\r\n\n" + get()),
    refused("9112 2.2", "empty lines without end", b"\r\n" * 50),
    served("9112 2.2", "bare LF ends every line", b"GET /info HTTP/1.1\nHost: x\n\n"),
    served("9112 2.2", "bare LF here, CRLF there", b"GET /info HTTP/1.1\r\nHost: x\n\r\n"),
    served("9112 2.2", "a body behind bare LFs",
           b"POST /info HTTP/1.1\nHost: x\nContent-Length: 5\n\nabcde"),
    *[refused("9112 11.2", f"a body behind mixed line ends: {what}", head) for what, head in (
        ("Content-Length", b"POST /info HTTP/1.1\r\nHost: x\r\nA: b\nContent-Length: 5\r\n\r\nabcde"),
        ("chunked", b"POST /info HTTP/1.1\r\nHost: x\r\nA: b\nTransfer-Encoding: chunked\r\n\r\n"
                    b"0\r\n\r\n"),
        ("the last line", b"POST /info HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\nabcde"),
        ("the request line", b"POST /info HTTP/1.1\nHost: x\r\nContent-Length: 5\r\n\r\nabcde"))],
    served("9112 2.2", "an empty line that ends in another way",
           b"\nPOST /info HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde"),
    refused("9112 2.2", "a bare CR in the request line", line(b"GET /info\r HTTP/1.1")),
    refused("9112 2.2", "a bare CR first", b"\r" + get()),
    refused("9112 3", "two spaces after the method", line(b"GET  /info HTTP/1.1")),
    refused("9112 3", "two spaces before the version", line(b"GET /info  HTTP/1.1")),
    refused("9112 3", "a space behind the version", line(b"GET /info HTTP/1.1 ")),
    refused("9112 3", "a space first", line(b" GET /info HTTP/1.1")),
    refused("9112 3", "tabs instead of spaces", line(b"GET\t/info\tHTTP/1.1")),
    refused("9112 3", "a space in the target", line(b"GET /in fo HTTP/1.1")),
    refused("9112 3", "only a method", line(b"GET")),
    refused("9112 3", "no target", line(b"GET HTTP/1.1")),
    refused("9112 3", "an empty target", line(b"GET  HTTP/1.1")),
    refused("1945 4.1", "HTTP/0.9", b"GET /info\r\n"),
    refused("9112 3.1", "a method that is no token", line(b"G@T /info HTTP/1.1")),
    refused("9112 3.1", "a method in brackets", line(b"(GET) /info HTTP/1.1")),
    refused("9112 3.1", "a method with 8-bit bytes", line(b"G\xc3\x89T /info HTTP/1.1")),
    refused("9112 3.1", "no method", line(b"/info HTTP/1.1")),
    refused("9112 3.2", "NUL in the target", line(b"GET /in\0fo HTTP/1.1")),
    refused("9112 3.2", "a control character in the target", line(b"GET /in\x01fo HTTP/1.1")),
    refused("9112 3.2", "DEL in the target", line(b"GET /in\x7ffo HTTP/1.1")),
    refused("9112 3.2", "a fragment in the target", line(b"GET /info#a HTTP/1.1")),
    refused("5246 7.4", "TLS on the plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    refused("9112 2.3", "a version in lower case", line(b"GET /info http/1.1")),
    refused("9112 2.3", "a version without minor", line(b"GET /info HTTP/1")),
    refused("9112 2.3", "a version without dot", line(b"GET /info HTTP/11")),
    refused("9112 2.3", "two digits of minor", line(b"GET /info HTTP/1.10")),
    refused("9112 2.3", "two digits of major", line(b"GET /info HTTP/01.1")),
    refused("9112 2.3", "a comma in the version", line(b"GET /info HTTP/1,1")),
    refused("9112 2.3", "a sign in the version", line(b"GET /info HTTP/+1.1")),
    refused("9112 2.3", "another protocol", line(b"GET /info FTP/1.1")),
    refused("9112 2.3", "text behind the version", line(b"GET /info HTTP/1.1x")),
    refused("9112 2.3", "an empty version", line(b"GET /info HTTP/")),
    refused("9110 15.6.6", "HTTP/2.0", line(b"GET /info HTTP/2.0"), 505),
    refused("9110 15.6.6", "HTTP/3.0", line(b"GET /info HTTP/3.0"), 505),
    refused("9110 15.6.6", "HTTP/0.9 written out", line(b"GET /info HTTP/0.9"), 505),
    refused("9110 15.6.6", "HTTP/9.9", line(b"GET /info HTTP/9.9"), 505),
    refused("9113 3.4", "the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    served("9110 2.5", "HTTP/1.2 is served as 1.1", line(b"GET /info HTTP/1.2")),
    served("9110 2.5", "HTTP/1.9 is served as 1.1", line(b"GET /info HTTP/1.9")),
    served("9112 3", "a target of 8,000 bytes", get(target=b"/" + b"a" * 7999), [404]),
    refused("9110 15.5.15", "a target of 9,000 bytes", get(target=b"/" + b"a" * 8999), 414),
    refused("9110 15.5.15", "a target of 100,000 bytes", get(target=b"/" + b"a" * 99999), 414),
    refused("9110 15.5.15", "a target without end", b"GET /" + b"a" * 20000, 414),
    refused("9112 3.1", "a method without end", b"A" * 20000, (400, 501)),
]

TARGETS = [
    served("9112 3.2.1", "origin form with a query", get(target=b"/info?a=b&c")),
    served("9112 3.2.1", "an empty query", get(target=b"/info?")),
    served("9112 3.2.1", "a query that is not decoded", get(target=b"/info?%zz&%00")),
    served("9112 3.2.2", "absolute form", get(target=b"http://x/info")),
    served("9112 3.2.2", "absolute form with a port", get(target=b"http://x:80/info")),
    served("9110 4.2.3", "the scheme in capitals", get(target=b"HTTP://x/info")),
    served("9110 4.2.2", "the scheme https", get(target=b"https://x/info")),
    served("9112 3.2.2", "absolute form without a path", get(target=b"http://x")),
    served("9112 3.2.2", "absolute form wins over Host",
           get(target=b"http://example.org/a.txt", host=b"Host: other\r\n"),
           fields={"content-length": "5"}),
    served("9112 3.2.2", "absolute form over HTTP/1.0 without Host",
           get(target=b"http://x/info", host=b"Connection: keep-alive\r\n", version=b"HTTP/1.0")),
    refused("9112 3.2.2", "absolute form still needs Host", get(target=b"http://x/info", host=b"")),
    refused("9110 4.2.4", "user information in the target", get(target=b"http://u@x/info")),
    refused("9110 4.2.4", "a password in the target", get(target=b"http://u:p@x/info")),
    refused("9110 4.2.1", "no host in the target", get(target=b"http:///info")),
    refused("9112 3.2.2", "one slash behind the scheme", get(target=b"http:/info")),
    refused("9112 3.2.2", "an unknown scheme", get(target=b"ftp://x/info")),
    refused("3986 3.2.3", "a port that is no number", get(target=b"http://x:a/info")),
    refused("3986 3.2.3", "a port beyond 65535", get(target=b"http://x:65536/info")),
    refused("9112 3.2", "a relative target", get(target=b"info")),
    refused("9112 3.2", "only a query", get(target=b"?info")),
    refused("9112 3.2.3", "authority form with GET", get(target=b"x:80")),
    refused("9112 3.2.3", "CONNECT with a path", line(b"CONNECT /info HTTP/1.1")),
    refused("9112 3.2.3", "CONNECT without a port", line(b"CONNECT x HTTP/1.1")),
    refused("9112 3.2.3", "CONNECT with a bad port", line(b"CONNECT x:y HTTP/1.1")),
    refused("9112 3.2.4", "GET *", line(b"GET * HTTP/1.1")),
    refused("9112 3.2.4", "OPTIONS **", line(b"OPTIONS ** HTTP/1.1")),
    served("3986 2.5", "UTF-8 as people type it", get(target="/für.txt?ü".encode())),
    *[refused("3986 2.1", f"{what} in the target", get(target=b"/" + data)) for what, data in (
        ("a byte of ISO 8859-1", b"\xfc"), ("an overlong slash", b"\xc0\xaf"),
        ("a surrogate", b"\xed\xa0\x80"), ("half a character", b"?\xc3"))],
    refused("3986 2.1", "broken percent-encoding", get(target=b"/%zz")),
    refused("3986 2.1", "half a percent-encoding", get(target=b"/%4")),
    refused("3986 2.1", "a percent sign at the end", get(target=b"/%")),
    refused("3986 7.3", "an encoded NUL", get(target=b"/a.txt%00")),
    refused("3986 6.2.2.3", "dot segments above the root", get(target=b"/../secret")),
    refused("3986 6.2.2.3", "encoded dot segments", get(target=b"/%2e%2e/secret")),
    refused("3986 6.2.2.3", "half encoded dot segments", get(target=b"/.%2E/secret")),
    refused("3986 6.2.2.3", "up more often than down", get(target=b"/folder/../../secret")),
    served("3986 6.2.2.3", "dot segments inside", get(target=b"/folder/../info")),
    served("3986 6.2.2.3", "single dots", get(target=b"/./info")),
    served("3986 6.2.2.2", "an encoded letter", get(target=b"/%69nfo")),
    served("3986 2.4", "decoding happens once", get(target=b"/%2569nfo"), [404]),
    served("3986 2.2", "an encoded slash never separates", get(target=b"/folder%2Findex.html"),
           [(400, 404)]),
]

HOSTS = [
    refused("9112 3.2", "no Host", get(host=b"")),
    refused("9112 3.2", "two Hosts", get(host=HOST * 2)),
    refused("9112 3.2", "two different Hosts", get(host=HOST + b"Host: y\r\n")),
    refused("9112 3.2", "two Hosts over HTTP/1.0", get(host=HOST * 2, version=b"HTTP/1.0")),
    closes("9112 3.2", "no Host over HTTP/1.0", get(host=b"", version=b"HTTP/1.0")),
    # No http URI has an empty host (RFC 9110, section 4.2.1), so there is nothing it could mean.
    refused("9112 3.2", "an empty Host", get(host=b"Host:\r\n")),
    refused("9112 3.2", "a blank Host", get(host=b"Host: \t \r\n")),
    refused("9112 3.2", "only a port in Host", get(host=b"Host: :80\r\n")),
    refused("9112 3.2", "an empty Host with OPTIONS *", b"OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n"),
    served("9112 3.2.2", "an empty Host that the target overrides",
           get(target=b"http://x/info", host=b"Host:\r\n")),
    closes("9112 3.2", "an empty Host over HTTP/1.0", get(host=b"Host:\r\n", version=b"HTTP/1.0")),
    *[served("9110 7.2", f"Host: {host.decode()}", get(host=b"Host: " + host + b"\r\n"))
      for host in (b"x.example", b"X.EXAMPLE.", b"x:80", b"x:", b"127.0.0.1:8080", b"[::1]",
                   b"[::1]:80", b"a_b-c.~d", b"%41")],
    *[refused("9112 3.2", f"Host: {host!r}", get(host=b"Host: " + host + b"\r\n"))
      for host in (b"x y", b"u@x", b"u:p@x", b"http://x", b"x/", b"/", b"x?y", b"x#y", b"x:y",
                   b"x:65536", b"x:-1", b"x:1:2", b"[::1", b"::1", b"[::1]x", b"[]", b"[x]", b"%zz",
                   b"x, y", b"x,y", b"<x>", b"x\\y", b"\"x\"", b"x\xc3\xbc", b"x;y z", b".", b"..", b".x",
                   b"x..y")],
]

FIELDS = [
    served("9112 5", "no space behind the colon", get(b"A:b\r\n")),
    served("9112 5", "spaces and tabs around the value", get(b"A: \t b \t\r\n")),
    served("9112 5", "an empty value", get(b"A:\r\n")),
    served("9112 5", "an empty value with a space", get(b"A: \r\n")),
    served("9110 5.1", "names in any case", get(host=b"hOsT: x\r\n")),
    served("9110 5.5", "8-bit bytes in a value", get(b"A: \xc3\xbc\xff\r\n")),
    served("9110 5.6.2", "all token characters in a name", get(b"!#$%&'*+-.^_`|~9: b\r\n")),
    served("9110 5.5", "a colon in a value", get(b"A: b:c\r\n")),
    served("9110 5.3", "the same name many times", get(b"A: b\r\n" * 50)),
    refused("9112 5.1", "a space before the colon", get(b"A : b\r\n")),
    refused("9112 5.1", "a tab before the colon", get(b"A\t: b\r\n")),
    refused("9112 5.1", "a space before the colon of Host", get(host=b"Host : x\r\n")),
    refused("9112 5.1", "a space before the colon of Content-Length",
            post(b"Content-Length : 5\r\n", b"abcde")),
    refused("9112 5.1", "a space before the colon of Transfer-Encoding",
            post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n")),
    refused("9112 5.2", "a folded value", get(b"A: b\r\n c\r\n")),
    refused("9112 5.2", "a value folded by a tab", get(b"A: b\r\n\tc\r\n")),
    refused("9112 5.2", "an empty folded line", get(b"A: b\r\n \r\n")),
    refused("9112 5.2", "a folded Transfer-Encoding",
            post(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n")),
    refused("9112 2.2", "a space before the first field", b"GET /info HTTP/1.1\r\n Host: x\r\n\r\n"),
    refused("9112 2.2", "a tab before the first field", b"GET /info HTTP/1.1\r\n\tHost: x\r\n\r\n"),
    refused("9112 5", "a line without a colon", get(b"nonsense\r\n")),
    refused("9112 5", "an empty name", get(b": b\r\n")),
    refused("9110 5.1", "a space in a name", get(b"A B: c\r\n")),
    *[refused("9110 5.6.2", f"{chr(c)!r} in a name", get(b"A" + bytes([c]) + b"B: c\r\n"))
      for c in b"\"(),/;<=>?@[\\]{}\x00\x01\x0b\x0c\x1f\x7f\x80\xff"],
    *[refused("9110 5.5", f"{chr(c)!r} in a value", get(b"A: b" + bytes([c]) + b"c\r\n"))
      for c in b"\x00\x01\x08\x0b\x0c\x0e\x1b\x1f\x7f"],
    refused("9112 2.2", "a bare CR in a value", get(b"A: b\rc\r\n")),
    refused("9112 2.2", "a bare CR at the end of a value", get(b"A: b\r\r\n")),
    refused("9112 2.2", "a CR that would smuggle a field",
            post(b"A: b\rTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
    refused("9112 2.2", "a bare CR in a name", get(b"A\rB: c\r\n")),
    served("6585 5", "127 fields", get(b"A: b\r\n" * 126)),
    refused("6585 5", "1,000 fields", get(b"A: b\r\n" * 1000), 431),
    refused("6585 5", "a field of 100,000 bytes", get(b"A: " + b"b" * 100000 + b"\r\n"), 431),
    refused("6585 5", "a name without end", b"GET / HTTP/1.1\r\n" + b"a" * 100000, 431),
    served("6585 5", "a field of 8,000 bytes", get(b"A: " + b"b" * 8000 + b"\r\n")),
]

LENGTHS = [
    served("9112 6.2", "Content-Length", post(b"Content-Length: 5\r\n", b"abcde")),
    served("9112 6.2", "Content-Length: 0", post(b"Content-Length: 0\r\n")),
    served("9112 6.2", "leading zeros", post(b"Content-Length: 0005\r\n", b"abcde")),
    served("9112 6.3", "no body announced", post(b"")),
    served("9112 6.2", "a body with GET", get(b"Content-Length: 5\r\n") + b"abcde"),
    served("9112 6.2", "a body with GET of a file",
           get(b"Content-Length: 5\r\n", target=b"/a.txt") + b"abcde"),
    served("9112 6.2", "a body with HEAD", get(b"Content-Length: 5\r\n", method=b"HEAD") + b"abcde",
           heads=(0,)),
    served("9112 6.2", "a body with what is not allowed",
           get(b"Content-Length: 5\r\n", target=b"/a.txt", method=b"PUT") + b"abcde", [405]),
    served("9112 6.2", "a body that looks like a request",
           post(b"Content-Length: %d\r\n" % len(NEXT), NEXT)),
    served("9112 6.2", "a body over HTTP/1.0",
           post(b"Content-Length: 5\r\nConnection: keep-alive\r\n", b"abcde", b"HTTP/1.0")),
    *[refused("9112 6.3", f"Content-Length: {value!r}",
              post(b"Content-Length: " + value + b"\r\n", b"abcde"))
      for value in (b"", b"+5", b"-5", b"-0", b"5.0", b"0x5", b"5 5", b"5;", b"a", b"\"5\"", b"5,6",
                    b"5,", b",5", b"1e1", b"\xb2", b"9223372036854775808",
                    b"18446744073709551621", b"99999999999999999999999999")],
    refused("9112 6.3", "two different lengths",
            post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"abcde")),
    # Both are right (RFC 9112, section 6.3); neither may see two requests.
    refused("9112 6.3", "the same length twice",
            post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"abcde")),
    refused("9112 6.3", "the same length in a list", post(b"Content-Length: 5, 5\r\n", b"abcde")),
    refused("9110 15.5.14", "a body that is too large", post(b"Content-Length: 1001\r\n"), 413),
    served("9110 15.5.14", "a body that is just not too large",
           post(b"Content-Length: 1000\r\n", b"x" * 1000)),
    Case("9112 8", "a body that ends early", post(b"Content-Length: 5\r\n", b"abc"), [400], False,
         ends=True),
    Case("9112 8", "a head that ends early", b"GET /info HTTP/1.1\r\nHost: x\r\n", [400], False,
         ends=True),
    Case("9112 8", "a request line that ends early", b"GET /in", [400], False, ends=True),
    Case("9112 8", "chunks that end early",
         chunked(b"5\r\nabc"), [400], False, ends=True),
]

CODINGS = [
    served("9112 6.1", "chunked", chunked(b"5\r\nabcde\r\n0\r\n\r\n")),
    served("9110 5.6.2", "Chunked", post(b"Transfer-Encoding: Chunked\r\n", b"0\r\n\r\n")),
    refused("9112 6.1", "chunked over HTTP/1.0",
            post(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"HTTP/1.0")),
    refused("9112 6.3", "chunked and a length",
            post(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n")),
    refused("9112 6.3", "a length and chunked",
            post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
    refused("9112 6.3", "an unknown coding and a length",
            post(b"Content-Length: 5\r\nTransfer-Encoding: x\r\n", b"abcde"), (400, 501)),
    refused("9112 7", "chunked twice in two fields",
            post(b"Transfer-Encoding: chunked\r\n" * 2, b"0\r\n\r\n")),
    *[refused("9112 6.1", f"Transfer-Encoding: {value!r}",
              post(b"Transfer-Encoding: " + value + b"\r\n", b"0\r\n\r\n"), (400, 501))
      for value in (b"", b"gzip", b"identity", b"chunked, gzip", b"gzip, chunked",
                    b"chunked, chunked", b"chunked, identity", b"identity, chunked", b"xchunked",
                    b"chunkedx", b"chunked;a=b", b"\"chunked\"", b"chunked chunked", b"x chunked",
                    b",chunked", b"chunked,", b"chunked\xa0", b"chu nked", b"'chunked'")],
    *[refused("9112 6.1", f"Transfer-Encoding: chunked with {chr(c)!r} before it",
              post(b"Transfer-Encoding: " + bytes([c]) + b"chunked\r\n", b"0\r\n\r\n"), (400, 501))
      for c in b"\x00\x0b\x0c\x7f\x85"],
]

CHUNKS = [
    served("9112 7.1", "several chunks", chunked(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")),
    served("9112 7.1", "only the last chunk", chunked(b"0\r\n\r\n")),
    served("9112 7.1", "hexadecimal sizes", chunked(b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n")),
    served("9112 7.1", "leading zeros", chunked(b"0003\r\nabc\r\n000\r\n\r\n")),
    served("9112 7.1.1", "an extension", chunked(b"3;a=b\r\nabc\r\n0\r\n\r\n")),
    served("9112 7.1.1", "an extension without a value", chunked(b"3;a\r\nabc\r\n0;b\r\n\r\n")),
    served("9112 7.1.1", "a quoted extension", chunked(b"3;a=\"b;\\\"c\"\r\nabc\r\n0\r\n\r\n")),
    served("9112 7.1.1", "several extensions", chunked(b"3;a;b=c;d=\"\"\r\nabc\r\n0\r\n\r\n")),
    served("9112 7.1.1", "bad white space", chunked(b"3 ; a = b\r\nabc\r\n0\r\n\r\n")),
    served("9112 7.1.2", "a trailer field", chunked(b"0\r\nA: b\r\n\r\n")),
    served("9112 7.1.2", "several trailer fields", chunked(b"0\r\nA: b\r\nC:\r\n\r\n")),
    served("9110 6.5.1", "framing fields in the trailer mean nothing",
           chunked(b"0\r\nContent-Length: 50\r\nTransfer-Encoding: x\r\nHost: y\r\n\r\n")),
    served("9112 7.1", "a request in a chunk", chunked(b"%x\r\n%s\r\n0\r\n\r\n" % (len(NEXT), NEXT))),
    *[refused("9112 7.1", what, chunked(body)) for what, body in (
        ("no size", b"\r\n\r\n"),
        ("a size that is no number", b"g\r\n\r\n"),
        ("a sign", b"+3\r\nabc\r\n0\r\n\r\n"),
        ("a negative size", b"-3\r\nabc\r\n0\r\n\r\n"),
        ("a size with 0x", b"0x3\r\nabc\r\n0\r\n\r\n"),
        ("a space before the size", b" 3\r\nabc\r\n0\r\n\r\n"),
        ("a space behind the size", b"3 \r\nabc\r\n0\r\n\r\n"),
        ("a tab behind the size", b"3\t\r\nabc\r\n0\r\n\r\n"),
        ("a space in the size", b"3 3\r\nabc\r\n0\r\n\r\n"),
        ("a comma in the size", b"3,3\r\nabc\r\n0\r\n\r\n"),
        ("an underscore in the size", b"0_3\r\nabc\r\n0\r\n\r\n"),
        ("a size of 17 digits", b"00000000000000003\r\nabc\r\n0\r\n\r\n"),
        ("a size that wraps around", b"10000000000000003\r\nabc\r\n0\r\n\r\n"),
        ("bare LF behind the size", b"3\nabc\r\n0\r\n\r\n"),
        ("bare CR behind the size", b"3\rabc\r\n0\r\n\r\n"),
        ("bare LF behind the data", b"3\r\nabc\n0\r\n\r\n"),
        ("bare CR behind the data", b"3\r\nabc\r0\r\n\r\n"),
        ("no CRLF behind the data", b"3\r\nabc0\r\n\r\n"),
        ("more data than the size", b"3\r\nabcd\r\n0\r\n\r\n"),
        ("less data than the size", b"5\r\nabc\r\n0\r\n\r\n"),
        ("bare LF behind the last size", b"0\n\r\n"),
        ("bare LF at the end", b"0\r\n\n"),
        ("bare CR at the end", b"0\r\n\rX"),
        ("NUL behind the size", b"3\x00\r\nabc\r\n0\r\n\r\n"),
        ("CR CR LF behind the size", b"3\r\r\nabc\r\n0\r\n\r\n"),
        ("an empty line before a size", b"3\r\nabc\r\n\r\n0\r\n\r\n"),
    )],
    *[refused("9112 7.1.1", f"the extension {extension!r}",
              chunked(b"3" + extension + b"\r\nabc\r\n0\r\n\r\n"))
      for extension in (b";", b";;", b";=b", b";a=", b";a=\"", b";a=\"b", b";a=\"b\"c", b";a b",
                        b" a", b";a=b,", b";a\x00", b";a=\x7f", b";a\nb", b";a\rb", b";a;",
                        b";a=\"b\nc\"", b";\xc3\xa4", b":a")],
    *[refused("9112 7.1.2", f"the trailer {trailer!r}", chunked(b"0\r\n" + trailer + b"\r\n"))
      for trailer in (b"A\r\n", b": b\r\n", b"A : b\r\n", b" A: b\r\n", b"A: b\n", b"A: b\rc\r\n",
                      b"A: b\r\n c\r\n", b"A: \x00\r\n", b"A B: c\r\n", b"A: b\r\r\n", b"\tA: b\r\n")],
    refused("9110 15.5.14", "a chunk that is too large", chunked(b"3e9\r\n"), 413),
    refused("9110 15.5.14", "chunks that are too large together",
            chunked((b"1f4\r\n" + b"x" * 500 + b"\r\n") * 3 + b"0\r\n\r\n"), 413),
    refused("9110 15.5.14", "the largest size", chunked(b"ffffffffffffffff\r\n"), 413),
    refused("9112 7.1.1", "an extension without end", chunked(b"3;a=" + b"b" * 100000)),
    refused("9112 7.1.2", "a trailer without end", chunked(b"0\r\nA: " + b"b" * 100000), 431),
]

CONNECTIONS = [
    served("9112 9.3", "two requests", get() + get(), [200, 200]),
    served("9112 9.3.2", "pipelined in order",
           get(target=b"/a.txt") + get(target=b"/none") + get(method=b"HEAD") + get(method=b"BREW"),
           [200, 404, 200, 501], heads=(2,)),
    served("9112 9.3.2", "twenty pipelined", get(target=b"/a.txt") * 20, [200] * 20),
    served("9112 9.3.2", "pipelined behind a body",
           post(b"Content-Length: 3\r\n", b"abc") + chunked(b"0\r\n\r\n") + get(), [200] * 3),
    served("9112 9.3.2", "pipelined behind a document", get(target=b"/status") + get(), [200, 200]),
    served("9112 2.2", "an empty line between requests", get() + b"\r\n" + get(), [200, 200]),
    closes("9112 9.6", "Connection: close", get(b"Connection: close\r\n")),
    closes("9112 9.6", "nothing behind close", get(b"Connection: close\r\n") + get()),
    closes("9112 9.6", "close in a list", get(b"Connection: x, Close ,y\r\n")),
    closes("9112 9.6", "close in a second field", get(b"Connection: x\r\nConnection: close\r\n")),
    closes("9112 9.6", "close and keep-alive", get(b"Connection: keep-alive, close\r\n")),
    served("9112 9.3", "keep-alive", get(b"Connection: keep-alive\r\n")),
    served("9112 9.3", "an option that starts with close", get(b"Connection: closed\r\n")),
    closes("9112 9.3", "HTTP/1.0", get(version=b"HTTP/1.0")),
    served("9112 9.3", "HTTP/1.0 with keep-alive",
           get(b"Connection: Keep-Alive\r\n", version=b"HTTP/1.0"),
           fields={"connection": "keep-alive"}),
    closes("9112 9.3", "HTTP/1.0 with close", get(b"Connection: close\r\n", version=b"HTTP/1.0")),
    closes("9112 9.3", "HTTP/1.0 with another option",
           get(b"Connection: x\r\n", version=b"HTTP/1.0")),
    served("9110 7.8", "an upgrade that is not taken",
           get(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n")),
    served("9110 7.8", "an upgrade to WebSocket",
           get(b"Connection: Upgrade\r\nUpgrade: websocket\r\n")),
    served("9110 10.1.1", "Expect: 100-continue with the body",
           post(b"Expect: 100-continue\r\nContent-Length: 3\r\n", b"abc")),
    served("9110 10.1.1", "Expect: 100-continue without a body",
           get(b"Expect: 100-continue\r\n")),
    closes("9110 10.1.1", "Expect: 100-continue over HTTP/1.0",
           post(b"Expect: 100-continue\r\nContent-Length: 3\r\n", b"abc", b"HTTP/1.0")),
    refused("9110 15.5.18", "another expectation", get(b"Expect: a-miracle\r\n"), 417),
    refused("9110 15.5.18", "a second expectation", get(b"Expect: 100-continue, x\r\n"), 417),
    closes("9110 10.1.1", "another expectation over HTTP/1.0",
           get(b"Expect: x\r\n", version=b"HTTP/1.0")),
    Case("9110 10.1.1", "a body nobody wants is not asked for",
         get(b"Expect: 100-continue\r\nContent-Length: 3\r\n", target=b"/a.txt", method=b"PUT"),
         [405], False),
    Case("9110 10.1.1", "a body that is too large is not asked for",
         post(b"Expect: 100-continue\r\nContent-Length: 1001\r\n"), [413], False),
    refused("9112 11.2", "the classic CL.TE", post(
        b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\nG")),
    refused("9112 11.2", "TE.CL", post(
        b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", b"8\r\nSMUGGLED\r\n0\r\n\r\n")),
    refused("9112 11.2", "TE.TE hidden by a second field", post(
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", b"0\r\n\r\n"), (400, 501)),
]
CASES = METHODS + REQUEST_LINES + TARGETS + HOSTS + FIELDS + LENGTHS + CODINGS + CHUNKS + CONNECTIONS


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_in_one_piece(web, case):
    run(web, case)


@pytest.mark.parametrize("case", [case for case in CASES if len(case.data) < 2000],
                         ids=lambda case: case.name)
def test_byte_by_byte(web, case):
    """The network may cut a message anywhere; nothing may depend on where."""
    run(web, case, piece=1)


def test_there_are_enough():
    assert len(CASES) >= 250
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
