"""One netd for all cases that do not change it."""

import os

import netd_process
import pytest

CONFIG = """
[listener web]
protocol = http
listen = tcp:127.0.0.1:0
access_log = off
route = / static {dir}/www
route = /info info
route = /status status
route = example.org/ static {dir}/other
max_body = 1000
max_connections_per_client = 1000
"""

FILES = {
    "www/index.html": b"<h1>home</h1>\n",
    "www/a.txt": b"0123456789",
    "www/empty": b"",
    "www/large.bin": bytes(range(256)) * 1024,
    "www/with space.txt": b"space",
    "www/f\xc3\xbcr".encode("latin-1").decode("utf-8") + ".txt": b"utf-8",
    "www/.hidden": b"hidden",
    "www/folder/index.html": b"folder",
    "www/bare/file": b"file",
    "www/z.js": b"plain, plain, plain, plain",
    "www/z.js.gz": b"gzip-bytes",
    "www/z.js.br": b"br-bytes",
    "www/z.js.zst": b"zst-bytes",
    "other/a.txt": b"other",
    "secret": b"secret",
}


MODIFIED = 1700000000  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.fixture(scope="session")
def web(tmp_path_factory):
    """The port of its listener."""
    folder = tmp_path_factory.mktemp("http")
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (MODIFIED, MODIFIED))
    (folder / "www/out").symlink_to("../secret")
    (folder / "www/in").symlink_to("a.txt")
    netd = netd_process.Netd(folder, CONFIG)
    netd.start()
    yield netd.port("web")
    netd.finish()
