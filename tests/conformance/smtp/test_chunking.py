"""BDAT (RFC 3030)."""

import pytest
from smtp_dialogue import Case, MailServer, case_id

START = [("MAIL FROM:<sender@example.com>", "250"), ("RCPT TO:<{user}@example.org>", "250")]
OK = ("NOOP", "250 2.0.0 Ok\r\n")
DONE = "250 2.0.0 Ok: delivered"
PART = "250 2.0.0 Chunk"

CASES = [
    Case("one chunk", "2", [*START, (b"BDAT 4 LAST\r\nhi\r\n", DONE), OK], mail=[b"hi\r\n"]),
    Case("two chunks", "2", [*START, (b"BDAT 4\r\nhi\r\n", PART), (b"BDAT 4 LAST\r\nho\r\n", DONE)],
         mail=[b"hi\r\nho\r\n"]),
    Case("an empty last chunk", "2", [*START, (b"BDAT 4\r\nhi\r\n", PART), ("BDAT 0 LAST", DONE)],
         mail=[b"hi\r\n"]),
    Case("an empty message", "2", [*START, ("BDAT 0 LAST", DONE)], mail=[b""]),
    Case("an empty chunk in the middle", "2", [*START, ("BDAT 0", PART), (b"BDAT 2 LAST\r\nhi", DONE)], mail=[b"hi"]),
    Case("last in any case", "2", [*START, (b"bdat 2 last\r\nhi", DONE)], mail=[b"hi"]),
    Case("no line end at the end", "2", [*START, (b"BDAT 5 LAST\r\na\r\nhi", DONE)], mail=[b"a\r\nhi"]),
    Case("dots are text", "2", [*START, (b"BDAT 15 LAST\r\n.\r\n..\r\na\r\n.\r\n\r\n", DONE), OK],
         mail=[b".\r\n..\r\na\r\n.\r\n\r\n"]),
    Case("commands in a chunk are text", "2", [*START, (b"BDAT 12 LAST\r\nRSET\r\nQUIT\r\n", DONE), OK],
         mail=[b"RSET\r\nQUIT\r\n"]),
    Case("a crlf over two chunks", "2", [*START, (b"BDAT 2\r\na\r", PART), (b"BDAT 3 LAST\r\n\nb\r", None),
                                         (b"", "550 5.6.0"), OK], mail=[]),
    Case("a crlf over two chunks that is whole", "2", [*START, (b"BDAT 2\r\na\r", PART),
                                                       (b"BDAT 2 LAST\r\n\nb", DONE), OK], mail=[b"a\r\nb"]),
    Case("a line over many chunks", "2", [*START, (b"BDAT 1\r\na", PART), (b"BDAT 1\r\nb", PART),
                                          (b"BDAT 1\r\n\r", PART), (b"BDAT 1 LAST\r\n\n", DONE)], mail=[b"ab\r\n"]),
    Case("a chunk in single octets", "2", [*START, *[(bytes([c]), None) for c in b"BDAT 4 LAST\r\nhi\r"],
                                           (b"\n", DONE)], mail=[b"hi\r\n"]),
    Case("everything in one write", "4.2",
         [(b"MAIL FROM:<>\r\nRCPT TO:<{user}@example.org>\r\nBDAT 3\r\na\r\nBDAT 3 LAST\r\nb\r\nNOOP\r\n",
           ["250", "250", PART, DONE, "250 2.0.0 Ok\r\n"])], mail=[b"a\r\nb\r\n"]),
    Case("two messages in one write", "2",
         [(b"MAIL FROM:<>\r\nRCPT TO:<{user}@example.org>\r\nBDAT 3 LAST\r\na\r\n"
           b"MAIL FROM:<>\r\nRCPT TO:<{user}@example.org>\r\nBDAT 3 LAST\r\nb\r\n",
           ["250", "250", DONE, "250", "250", DONE])], mail=[b"a\r\n", b"b\r\n"]),
    # ---- Order
    Case("before mail", "2", [(b"BDAT 6 LAST\r\nQUIT\r\n", "503 5.5.1"), OK]),
    Case("before rcpt", "2", [START[0], (b"BDAT 6 LAST\r\nQUIT\r\n", "503 5.5.1"), OK]),
    Case("without a valid recipient", "2",
         [START[0], ("RCPT TO:<a@example.com>", "550"), (b"BDAT 6 LAST\r\nQUIT\r\n", "554 5.5.1|503"), OK]),
    Case("before hello", "2", [(b"BDAT 6 LAST\r\nQUIT\r\n", "503 5.5.1"), OK], hello=None),
    Case("after helo", "2", [*START, (b"BDAT 6 LAST\r\nQUIT\r\n", "503 5.5.1|502"), OK], hello="HELO x", mail=[]),
    Case("after the last", "2", [*START, (b"BDAT 2 LAST\r\nhi", DONE), (b"BDAT 6\r\nQUIT\r\n", "503 5.5.1"), OK],
         mail=[b"hi"]),
    Case("after one that was refused each is read and refused", "2",
         [*START, (b"BDAT 3\r\na\nb", "550 5.6.0"), (b"BDAT 6\r\nQUIT\r\n", "503 5.5.1"),
          (b"BDAT 6 LAST\r\nRSET\r\n", "503 5.5.1"), *START, (b"BDAT 2 LAST\r\nok", DONE)], mail=[b"ok"]),
    Case("refused, all in one write", "2",
         [(b"MAIL FROM:<>\r\nRCPT TO:<{user}@example.org>\r\nBDAT 3\r\na\nbBDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nRSET\r\n"
           b"NOOP\r\n", ["250", "250", "550 5.6.0", "503 5.5.1", "503 5.5.1", "250 2.0.0 Ok\r\n"])], mail=[]),
    Case("rset between, then a chunk", "2",
         [*START, (b"BDAT 3\r\nabc", PART), ("RSET", "250"), (b"BDAT 6 LAST\r\nQUIT\r\n", "503 5.5.1"), OK], mail=[]),
    Case("behind data in one write", "2",
         [*START, ("DATA", "354"), (b"x\r\n.\r\nBDAT 6 LAST\r\nQUIT\r\n", [DONE, "503 5.5.1"]), OK], mail=[b"x\r\n"]),
    Case("then commands that change nothing", "2",
         [*START, (b"BDAT 2\r\nhi", PART), ("VRFY a", "252"), ("HELP", "214"), ("FOO", "500"), ("EHLO", "501"),
          ("STARTTLS", "502|503"), ("BDAT 0 LAST", DONE)], mail=[b"hi"]),
    Case("zeros in front of the size", "2", [*START, (b"BDAT 0002 LAST\r\nhi", DONE), OK], mail=[b"hi"]),
    Case("last without a space", "2", [*START, ("BDAT 2LAST", "501 5.5.4"), ("BDAT 2 LASTX", "501 5.5.4"), OK],
         mail=[]),
    Case("a line of one lf", "2.3.8", [*START, (b"BDAT 2 LAST\nhi", DONE), OK], mail=[b"hi"]),
    Case("then data", "2", [*START, (b"BDAT 2\r\nhi", PART), ("DATA", "503 5.5.1"), ("BDAT 0 LAST", DONE)], mail=[b"hi"]),
    Case("then rcpt", "2", [*START, (b"BDAT 2\r\nhi", PART), ("RCPT TO:<b@example.org>", "503 5.5.1"),
                            ("BDAT 0 LAST", DONE)], mail=[b"hi"]),
    Case("then mail", "2", [*START, (b"BDAT 2\r\nhi", PART), ("MAIL FROM:<>", "503 5.5.1"), ("BDAT 0 LAST", DONE)],
         mail=[b"hi"]),
    Case("then noop", "2", [*START, (b"BDAT 2\r\nhi", PART), OK, ("BDAT 0 LAST", DONE)], mail=[b"hi"]),
    Case("then rset", "2", [*START, (b"BDAT 2\r\nhi", PART), ("RSET", "250"), ("BDAT 0 LAST", "503"), *START,
                            (b"BDAT 2 LAST\r\nho", DONE)], mail=[b"ho"]),
    Case("then ehlo", "4.1.4", [*START, (b"BDAT 2\r\nhi", PART), ("EHLO x", "250"), ("BDAT 0 LAST", "503")], mail=[]),
    Case("then quit", "2", [*START, (b"BDAT 2\r\nhi", PART), ("QUIT", ["221", "closed"])], mail=[]),
    Case("cut off in a chunk", "2", [*START, (b"BDAT 100 LAST\r\nhi\r\n", None)], mail=[]),
    # ---- Syntax
    Case("without a size", "2", [*START, ("BDAT", "501 5.5.4"), ("BDAT LAST", "501 5.5.4"), OK], mail=[]),
    Case("a size that is none", "2", [*START, ("BDAT x", "501 5.5.4"), ("BDAT -1", "501 5.5.4"),
                                      ("BDAT +1", "501"), ("BDAT 0x1", "501"), ("BDAT 1.0", "501"), OK]),
    Case("a word after the size", "2", [*START, ("BDAT 1 FIRST", "501 5.5.4"), ("BDAT 1 LAST x", "501"), OK]),
    Case("a size beyond all numbers", "2", [*START, ("BDAT 99999999999999999999", "501 5.5.4|552"), OK]),
    # ---- Content
    Case("a lone newline", "2.3.8", [*START, (b"BDAT 5 LAST\r\na\nb\r\n", "550 5.6.0"), OK], mail=[]),
    Case("a lone newline in the first of two", "2.3.8",
         [*START, (b"BDAT 3\r\na\nb", "550 5.6.0"), (b"BDAT 6 LAST\r\nQUIT\r\n", "503"), OK], mail=[]),
    Case("a long line", "4.5.3.1.6", [*START, (b"BDAT 1200 LAST\r\n" + b"x" * 1200, "554 5.6.0"), OK], mail=[]),
    Case("a chunk too large", "RFC 1870 6.3",
         [*START, (b"BDAT 200000\r\n" + b"0123456\r\n" * 22222 + b"xx", "552 5.3.4"), OK], mail=[]),
    Case("chunks too large together", "RFC 1870 6.3",
         [*START, (b"BDAT 60000\r\n" + b"01234567\r\n" * 6000, PART),
          (b"BDAT 60000 LAST\r\n" + b"01234567\r\n" * 6000, "552 5.3.4"), OK], mail=[]),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    one = MailServer(tmp_path_factory.mktemp("chunking") / "netd", "max_message_size = 100000\nmax_line_length = 998\n")
    yield one
    one.finish()


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_chunking(server, case):
    server.run(case)


def test_a_large_message_in_chunks_of_every_kind(server):
    """Chunks smaller and larger than packets and buffers, with what looks like ends and commands."""
    text = b"".join(b"%d .\r\n.\r\nQUIT\r\n" % i for i in range(5000))[:90000]
    text = text[:text.rindex(b"\r\n") + 2]
    with server.client() as client:
        client.envelope("large@example.org")
        at, size = 0, 1
        while at < len(text):
            chunk = text[at:at + size]
            at += len(chunk)
            last = b" LAST" if at == len(text) else b""
            assert client.ask(b"BDAT %d%s\r\n%s" % (len(chunk), last, chunk)).startswith(b"250 ")
            size = size * 3 % 9973
    assert server.bodies("large") == [text]
