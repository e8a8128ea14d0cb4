"""HTTP with the programs that are pointed at it: load generators, attackers, promtool, a browser."""

import http.client
import os
import re
import resource
import shutil
import statistics
import subprocess
import time
import urllib.parse

import pytest
from netd_process import DEADLINE, SANITIZER, until
from raw_http import get

# NETD_ATTACKERS=1000 is what one machine may send.
ATTACKERS = int(os.environ.get("NETD_ATTACKERS", "300"))

SITE = """
[listener web]
protocol = http
listen = tcp:127.0.0.1:0
access_log = off
autoindex = yes
max_connections = 5000
max_connections_per_client = 5000
route = / static {dir}/www
route = /info info
route = /metrics metrics
"""

# Says in its title what the browser got when it asked as pages do.
PAGE = """<!DOCTYPE html><html><head><meta charset="utf-8"><title>-</title>
<script src="said.js"></script></head><body><script>
(async () => {
  const out = [said];
  let answer = await fetch("large.bin", {headers: {Range: "bytes=100-199"}});
  out.push(answer.status, (await answer.arrayBuffer()).byteLength);
  answer = await fetch("large.bin");
  out.push(answer.status, (await answer.arrayBuffer()).byteLength);
  answer = await fetch("info", {method: "POST", body: "x".repeat(1000)});
  out.push(answer.status, (await answer.json()).method);
  answer = await fetch("list", {headers: {Accept: "application/json"}});
  for (const entry of await answer.json()) {
    answer = await fetch("list/" + encodeURIComponent(entry.name));
    out.push(answer.status, await answer.text());
  }
  out.push((await fetch("none")).status);
  document.title = out.join(" ");
})().catch(error => { document.title = "failed: " + error; });
</script></body></html>
"""
NAMES = ["a&lt;b", "c d", "e\"<i>'f", "g%41h", "j:k", "ü#?"]


pytestmark = pytest.mark.skipif(bool(SANITIZER), reason="what other programs measure of an "
                                "instrumented build says nothing")


def installed(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed "
                              "(packaging/install-build-deps peers)")


@pytest.fixture
def site(netd, tmp_path):
    www = tmp_path / "site" / "www"
    (www / "list").mkdir(parents=True)
    (www / "index.html").write_text(PAGE)
    (www / "said.js").write_text("const said = 'script';")
    (www / "large.bin").write_bytes(bytes(3_000_000))
    for number, name in enumerate(NAMES):
        (www / "list" / name).write_text(f"n{number}")
    return netd(SITE, folder=tmp_path / "site")


@pytest.mark.parametrize("command, said", [
    pytest.param(command, said, marks=installed(command[0]), id=command[0]) for command, said in [
        (["ab", "-q", "-k", "-n", "500", "-c", "8"], r"Complete requests: +500\n"
         r"Failed requests: +0\n(?!Non-2xx)[^$]*Keep-Alive requests: +500\n"),
        (["curl", "-sS", "--fail", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}"], "200 1"),
        (["h2load", "--h1", "-n", "500", "-c", "8"], "500 succeeded, 0 failed, 0 errored"),
        (["wget", "-nv", "-O", "/dev/null"], r"\[3000000/3000000\]"),
        (["wrk", "-t", "1", "-c", "8", "-d", "1"], r"\A(?![^$]*(Socket errors|Non-2xx))[^$]*requests in")]])
def test_clients(site, command, said):
    url = f"http://127.0.0.1:{site.port('web')}/large.bin"
    done = subprocess.run([*command, url], capture_output=True, text=True, timeout=DEADLINE * 3,
                          check=False)
    assert done.returncode == 0 and re.search(said, done.stdout + done.stderr), done


@installed("promtool")
def test_metrics_as_prometheus_checks_them(netd, tmp_path):
    """Also with names that say nothing good in its format."""
    names = ["a", "Z9.-_", "le", "a__name__", "x" * 40]
    one = netd(SITE.format(dir="/tmp").replace("/tmp/www", "/tmp") + "".join(
        f"[listener {name}]\nprotocol = {protocol}\nlisten = tcp:127.0.0.1:0\n{more}"
        for name, (protocol, more) in zip(names, [
            ("echo", ""), ("discard", ""), ("forward", "target = tcp:127.0.0.1:9\n"),
            ("smtp", f"maildir = {tmp_path}/mail\ndomains = *\n"), ("chargen", "")])) +
        "[service s.-_]\ninstance = 127.0.0.1:9\ninstance = unix:/none\n")
    text = get(one.port("web"), "/metrics").body
    assert all(f'listener="{name}"'.encode() in text for name in names)
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True,
                          timeout=DEADLINE, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@installed("chromium")
def test_a_browser(site, tmp_path):
    def load(path):
        url = f"http://127.0.0.1:{site.port('web')}{path}"
        done = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
             "--no-first-run", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", f"--user-data-dir={tmp_path}/profile", "--virtual-time-budget=30000",
             "--dump-dom", url], capture_output=True, text=True, timeout=DEADLINE * 6, check=True)
        return done.stdout

    files = " ".join(f"200 n{number}" for number in range(len(NAMES)))
    title = re.search("<title>(.*)</title>", load("/"))[1]
    assert title == f"script 206 100 200 3000000 200 POST {files} 404"
    links = re.findall('<a href="([^"]*)">', load("/list/"))
    assert links[0] == "../" and len(links) == len(NAMES) + 1
    # As a browser takes them: without the escapes of HTML.
    assert [urllib.parse.unquote(link.replace("&amp;", "&")) for link in links[1:]] == NAMES
    assert "404 Not Found" in load("/none")


@installed("slowhttptest")
@pytest.mark.parametrize("attack, path", [
    (["-H", "-i", "1"], "/"), (["-B", "-i", "1", "-s", "100000", "-t", "POST"], "/info"),
    (["-X", "-w", "10", "-y", "20", "-n", "1", "-z", "32"], "/large.bin"),
    (["-R", "-a", "10", "-b", "3000"], "/large.bin")], ids=["head", "body", "read", "ranges"])
def test_attackers(site, attack, path):
    """Slow heads, slow bodies, slow readers, and ranges by the thousand."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    port = site.port("web")
    before = site.listener("web")["connections"]["accepted"]
    attackers = subprocess.Popen(
        ["slowhttptest", *attack, "-c", str(ATTACKERS), "-r", str(ATTACKERS), "-l", "60",
         "-u", f"http://127.0.0.1:{port}{path}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: site.listener("web")["connections"]["accepted"] >= before + ATTACKERS,
              "all attackers", 4 * DEADLINE)
        taken = []
        for _ in range(20):
            begin = time.monotonic()
            honest = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
            honest.request("GET", "/said.js")
            assert honest.getresponse().status == 200
            honest.close()
            taken.append(time.monotonic() - begin)
        # A machine that is busy with other things may hold up one or the other.
        assert statistics.median(taken) < 1.0, taken
    finally:
        attackers.kill()
        attackers.wait()
