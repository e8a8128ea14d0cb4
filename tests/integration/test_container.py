"""The container image without a container engine: its files as the root of a process that is number 1,
without privileges, in namespaces of its own; three of them joined by a bridge."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

import pytest
from netd_process import BUILD, DEADLINE, NETCTL, ROOT, SANITIZER, until

PACKAGING = ROOT / "packaging" / "container"
USER = 65532

pytestmark = [
    pytest.mark.skipif(os.getuid() != 0, reason="only root can make namespaces"),
    pytest.mark.skipif(bool(SANITIZER), reason="sanitizers need /proc, which the image has not"),
    pytest.mark.skipif(shutil.which("ip") is None, reason="ip(8) is not installed"),
]


def run(*command, check=False, timeout=DEADLINE, **options):
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=timeout,
                          check=check, **options)


def lay_out(folder):
    """As the image definition does it."""
    run(PACKAGING / "make-root", BUILD, folder, check=True)
    for part, place in (("run", "run"), ("lib", "var/lib")):
        shutil.copytree(folder / part, folder / "root" / place, dirs_exist_ok=True)
        os.chown(folder / "root" / place / "netd", USER, USER)
    return folder / "root"


class Bridge:
    """A namespace with a bridge; each process gets a namespace of its own behind it."""

    def __init__(self, name):
        self.name = name
        self.spaces = []

    def ip(self, *arguments, space=None):
        result = run("ip", *(["-n", space] if space else []), *arguments)
        if result.returncode != 0:
            raise OSError(result.stderr.strip())

    def make(self):
        self.ip("netns", "add", self.name)
        self.spaces.append(self.name)
        self.ip("link", "add", "bridge", "type", "bridge", space=self.name)
        self.ip("address", "add", "10.94.0.254/24", "dev", "bridge", space=self.name)
        self.ip("link", "set", "bridge", "up", space=self.name)
        self.ip("link", "set", "lo", "up", space=self.name)

    def space(self, host):
        name = f"{self.name}n{host}"
        self.ip("netns", "add", name)
        self.spaces.append(name)
        self.ip("link", "add", "eth0", "type", "veth", "peer", "name", f"port{host}", "netns", self.name,
                space=name)
        self.ip("link", "set", f"port{host}", "master", "bridge", "up", space=self.name)
        self.ip("address", "add", f"10.94.0.{host}/24", "dev", "eth0", space=name)
        self.ip("link", "set", "eth0", "up", space=name)
        self.ip("link", "set", "lo", "up", space=name)
        return name

    def close(self):
        for name in reversed(self.spaces):
            run("ip", "netns", "delete", name)


class Container:
    """netd as process 1 of its own namespaces."""

    def __init__(self, bridge, host, root, *arguments, **environment):
        self.space = bridge.space(host)
        self.address = f"10.94.0.{host}"
        self.root, self._arguments = root, arguments
        self._environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **environment}
        self._process = None
        self.start()

    def start(self):
        with open(self.root.parent / f"{self.root.name}.log", "ab") as log:
            self._process = subprocess.Popen(
                ["ip", "netns", "exec", self.space, "unshare", "--pid", "--ipc", "--uts", "--fork",
                 "chroot", f"--userspec={USER}:{USER}", self.root, "/usr/sbin/netd",
                 *self._arguments], env=self._environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log)
        until(lambda: self.netctl("version").returncode == 0, f"netd to start:\n{self.log()}")

    def log(self):
        return (self.root.parent / f"{self.root.name}.log").read_text()

    def netctl(self, *arguments):
        """In the container, as the health check of the image."""
        return run("ip", "netns", "exec", self.space, "chroot", f"--userspec={USER}:{USER}", self.root,
                   "/usr/bin/netctl", "--timeout", "2", *arguments)

    @property
    def pid(self):
        children = pathlib.Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return int(children.read_text().split()[0])

    def stop(self):
        """The seconds that it took, and the exit status."""
        if self._process.poll() is None:
            begin = time.monotonic()
            os.kill(self.pid, signal.SIGTERM)
            status = self._process.wait(DEADLINE)
            return time.monotonic() - begin, status
        return 0, self._process.returncode

    def kill(self):
        # The change of user has undone --kill-child.
        if self._process.poll() is None:
            with contextlib.suppress(OSError, IndexError):
                os.kill(self.pid, signal.SIGKILL)
            self._process.wait(DEADLINE)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    return lay_out(tmp_path_factory.mktemp("container") / "image")


@pytest.fixture
def bridge():
    one = Bridge(f"netdc{os.getpid()}")
    try:
        try:
            one.make()
        except OSError as trouble:
            pytest.skip(f"no network namespaces here: {trouble}")
        yield one
    finally:
        one.close()


@pytest.fixture
def root_of(image):
    """The root of the container with that number."""
    def factory(host):
        root = image.parent / f"root{host}"
        if not root.exists():
            # Hard links where nothing is written to, and folders of its own.
            run("cp", "-al", image, root, check=True)
        return root

    return factory


@pytest.fixture
def start(bridge, root_of):
    made = []

    def factory(host, *arguments, **environment):
        made.append(Container(bridge, host, root_of(host), *arguments, **environment))
        return made[-1]

    yield factory
    for one in made:
        one.kill()
        shutil.rmtree(one.root, ignore_errors=True)


def ask(bridge, address, path="/", port=8080, patience=2):
    return run("ip", "netns", "exec", bridge.name, NETCTL, "--timeout", str(patience), "http",
               f"http://{address}:{port}{path}")


def test_one_instance(bridge, start):
    one = start(1, "-c", "/etc/netd/container.conf", BIND_HOST="10.94.0.1", BIND_PORT="9000",
                APP_NAME="first")
    told = json.loads(ask(bridge, one.address, "/any", 9000).stdout)
    assert (told["app"], told["path"], told["client_ip"]) == ("first", "/any", "10.94.0.254")
    assert told["environment"] == {"BIND_HOST": "10.94.0.1", "BIND_PORT": "9000", "APP_NAME": "first"}
    assert ask(bridge, one.address, "/readyz", 9000).returncode == 0
    assert "all is well" in one.netctl("status").stdout
    status = pathlib.Path(f"/proc/{one.pid}/status").read_text()
    assert f"\nUid:\t{USER}\t" in status and "\nCapEff:\t0000000000000000\n" in status
    assert status.split("\nNSpid:\t", 1)[1].splitlines()[0].split()[-1] == "1"
    times = []
    for _ in range(3):  # a busy machine may take its time once
        seconds, code = one.stop()
        assert code == 0
        times.append(seconds)
        if seconds < 1:
            break
        one.start()
    assert min(times) < 1
    assert "started" in one.log() and "stopped" in one.log()


def test_process_1_does_not_keep_the_dead(start):
    one = start(1, "-c", "/etc/netd/container.conf")
    pid = one.pid
    # The shell ends before its child: netd inherits that.
    run("nsenter", "--pid", f"--target={pid}", "sh", "-c", "sleep 0.1 & exit 0", check=True)

    def children():
        found = []
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                words = stat.read_text().rsplit(")", 1)[1].split()
                if words[1] == str(pid):
                    found.append(words[0])
        return found

    until(lambda: not children(), "the orphan to be gone")


class Crowd:
    """Two clients of a balancer that ask again and again."""

    def __init__(self, bridge, balancer):
        self._bridge, self._balancer = bridge, balancer
        self.answers, self._errors = [], []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(2)]

    def __enter__(self):
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for one in self._threads:
            one.join()

    def _run(self):
        while not self._over.is_set():
            result = ask(self._bridge, self._balancer.address, patience=5)
            if result.returncode == 0:
                self.answers.append(json.loads(result.stdout)["app"])
            else:
                self._errors.append(result.stderr + result.stdout)

    def check(self):
        assert not self._errors, self._errors[0] + self._balancer.log()

    def wait(self, count, wanted):
        """Until all of these have answered lately, and so many requests are answered."""
        self.answers.clear()
        until(lambda: self._errors or (len(self.answers) >= count
                                       and set(self.answers[-20:]) >= wanted), f"answers of {wanted}")
        self.check()


def test_two_instances_behind_a_balancer(bridge, start):
    instances = [start(host, "-c", "/etc/netd/container.conf", APP_NAME=f"app{host}")
                 for host in (1, 2)]
    balancer = start(3, "-c", "/etc/netd/balancer.conf", INSTANCE_1="10.94.0.1:8080",
                     INSTANCE_2="10.94.0.2:8080", HEALTH_INTERVAL="200ms")
    with Crowd(bridge, balancer) as crowd:
        crowd.wait(1, {"app1", "app2"})
        for number, instance in enumerate(instances, 1):
            if number == 1:
                assert instance.stop()[1] == 0
            else:
                instance.kill()
            crowd.wait(5, {f"app{3 - number}"})
            assert set(crowd.answers[2:]) == {f"app{3 - number}"}  # two may have been under way
            instance.start()
            crowd.wait(1, {"app1", "app2"})
    crowd.check()


@pytest.mark.slow
def test_an_instance_comes_back_with_another_address(bridge, root_of, start):
    """As containers do: what has stopped refuses nothing, and its name leads elsewhere afterwards."""
    instances = {host: start(host, "-c", "/etc/netd/container.conf", APP_NAME=f"app{host}")
                 for host in (1, 2)}
    places = {"app1": 1, "app2": 2}

    def tell_names(root):
        (root / "etc" / "hosts").write_text(
            "".join(f"10.94.0.{host} {name}\n" for name, host in places.items()))

    tell_names(root_of(3))
    balancer = start(3, "-c", "/etc/netd/balancer.conf")
    with Crowd(bridge, balancer) as crowd:
        crowd.wait(1, {"app1", "app2"})
        for number, instance in instances.items():
            assert instance.stop()[1] == 0
            bridge.ip("link", "set", "eth0", "down", space=instance.space)
            crowd.wait(20, {f"app{3 - number}"})
            places[f"app{number}"] = number + 10
            tell_names(balancer.root)
            bridge.ip("address", "flush", "dev", "eth0", space=instance.space)
            bridge.ip("address", "add", f"10.94.0.{number + 10}/24", "dev", "eth0",
                      space=instance.space)
            bridge.ip("link", "set", "eth0", "up", space=instance.space)
            instance.start()
            crowd.wait(1, {"app1", "app2"})
    crowd.check()


@pytest.mark.slow
def test_an_instance_vanishes_without_a_word(bridge, start):
    """Nothing is refused and nothing closed, neither on new connections nor on those that are kept."""
    instances = [start(host, "-c", "/etc/netd/container.conf", APP_NAME=f"app{host}")
                 for host in (1, 2)]
    balancer = start(3, "-c", "/etc/netd/balancer.conf", INSTANCE_1="10.94.0.1:8080",
                     INSTANCE_2="10.94.0.2:8080")
    with Crowd(bridge, balancer) as crowd:
        for number, instance in enumerate(instances, 1):
            crowd.wait(1, {"app1", "app2"})
            bridge.ip("link", "set", f"port{number}", "down", space=bridge.name)
            crowd.wait(20, {f"app{3 - number}"})
            bridge.ip("link", "set", f"port{number}", "up", space=bridge.name)
            crowd.wait(1, {"app1", "app2"})
    crowd.check()


@pytest.mark.slow
def test_a_name_that_resolves_no_more(bridge, root_of, start):
    """The health checks notice, the rest goes on, and the name is looked up until it is back."""
    for host in (1, 2):
        start(host, "-c", "/etc/netd/container.conf", APP_NAME=f"app{host}")
    hosts = root_of(3) / "etc" / "hosts"
    both = "10.94.0.1 app1\n10.94.0.2 app2\n"
    hosts.write_text(both)
    balancer = start(3, "-c", "/etc/netd/balancer.conf", HEALTH_INTERVAL="200ms")

    def instance():
        told = json.loads(balancer.netctl("--json", "status").stdout)
        return told["services"][0]["instances"][0]

    with Crowd(bridge, balancer) as crowd:
        crowd.wait(1, {"app1", "app2"})
        hosts.write_text("10.94.0.2 app2\n")
        until(lambda: instance()["state"] == "unhealthy", "the verdict", 3 * DEADLINE)
        assert "look up app1: " in instance()["reason"]
        crowd.wait(10, {"app2"})
        hosts.write_text(both)
        until(lambda: instance()["state"] == "healthy", "the name's return")
        crowd.wait(1, {"app1", "app2"})
    crowd.check()
    log = balancer.log()
    assert "service app: tcp:app1:8080 is unhealthy: look up app1" in log
    assert "service app: tcp:app1:8080 is healthy again" in log


def test_the_compose_file_is_one(tmp_path):
    compose = shutil.which("podman-compose")
    if compose is None:
        pytest.skip("podman-compose is not installed (packaging/install-build-deps peers)")
    # In podman's place: Debian 12's podman-compose has no "config", and makes networks and volumes
    # even with --dry-run.
    asked = tmp_path / "asked"
    podman = tmp_path / "podman"
    podman.write_text(f'#!/bin/sh\necho "$@" >>{asked}\necho podman version 4.3.1\n')
    podman.chmod(0o755)
    told = run(compose, "--podman-path", podman, "-f", PACKAGING / "compose.yaml", "up", "-d",
               timeout=6 * DEADLINE)
    assert told.returncode == 0, told
    started = [line for line in asked.read_text().splitlines() if line.startswith("run ")]
    assert [line.split()[-1] for line in started] == ["netd", "netd", "/etc/netd/balancer.conf"]
    for line, service in zip(started, ("app1", "app2", "balancer"), strict=True):
        for option in (f"--name=container_{service}_1", f"--network-alias {service}", "--read-only",
                       "--cap-drop ALL", "--security-opt no-new-privileges:true"):
            assert option in line
    assert "-p 127.0.0.1:8080:8080" in started[-1]


@pytest.fixture
def built(tmp_path):
    """The root of a container of the image, and the image's settings. The definition is built with
    the files of this build in place of its first stage, so that no registry is needed."""
    buildah = shutil.which("buildah")
    if buildah is None:
        pytest.skip("buildah is not installed (packaging/install-build-deps test)")
    stage = tmp_path / "stage"
    (tmp_path / "empty").mkdir()
    run(PACKAGING / "make-root", BUILD, stage / "image", check=True)
    store = [buildah, "--root", tmp_path / "store", "--runroot", tmp_path / "run", "--storage-driver",
             "vfs"]
    try:
        done = run(*store, "build", "--format", "docker", "--build-context", f"build={stage}", "-t",
                   "netd", "-f", PACKAGING / "Containerfile", tmp_path / "empty", timeout=120)
        assert done.returncode == 0, done.stderr
        told = json.loads(run(*store, "inspect", "--type", "image", "netd", check=True).stdout)
        name = run(*store, "from", "netd", check=True).stdout.strip()
        root = tmp_path / "root9"
        run("cp", "-a", run(*store, "mount", name, check=True).stdout.strip(), root, check=True)
        yield root, told["Docker"]["config"]
    finally:
        for command in ("rm", "--all"), ("rmi", "--all", "--force"):
            run(*store, *command, timeout=120)


@pytest.mark.slow
def test_the_image_definition(bridge, built):
    root, config = built
    assert config["User"] == f"{USER}:{USER}"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Entrypoint"] == ["/usr/sbin/netd"]
    assert config["Healthcheck"]["Test"][:2] == ["CMD", "/usr/bin/netctl"]
    assert not [path for path in root.rglob("*") if path.name in ("sh", "bash", "dash", "busybox")]
    mine = {str(path.relative_to(root)) for path in root.rglob("*") if path.lstat().st_uid == USER}
    assert mine == {"run/netd", "var/lib/netd"}
    one = Container(bridge, 9, root, *config["Cmd"],
                    **dict(setting.split("=", 1) for setting in config["Env"]))
    try:
        assert json.loads(ask(bridge, one.address).stdout)["app"] == "netd"
        assert one.netctl(*config["Healthcheck"]["Test"][-1:]).returncode == 0
        assert one.stop()[1] == 0
        assert one.netctl(*config["Healthcheck"]["Test"][-1:]).returncode != 0
    finally:
        one.kill()
