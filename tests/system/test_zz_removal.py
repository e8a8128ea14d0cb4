"""The end of the installed package; last, as nothing is left after it."""


def test_purge_leaves_nothing(machine):
    machine.write("/etc/netd/conf.d/own.conf", "")
    machine.run("apt-get", "-q", "-y", "remove", "netd")
    assert machine.systemctl("is-active", "netd", check=False).stdout.strip() == "inactive"
    assert (machine.root / "etc/netd/netd.conf").exists()
    machine.run("apt-get", "-q", "-y", "purge", "netd")
    left = machine.shell("find / -xdev ( -path /proc -o -path /sys -o -path /var/lib/apt "
                         "-o -path /var/cache ) -prune -o -regex '.*/_?net\\(d\\|ctl\\)\\([.-].*\\)?' -print; "
                         "find /run -name 'netd*'; getent passwd netd; getent group netd; true"
                         .replace("( ", "\\( ").replace(" )", " \\)")).stdout.split()
    assert [path for path in left if path != "/netd.deb"] == []
