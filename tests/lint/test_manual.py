"""netd(8) names what the code takes. What netd.conf(5) says of settings is the unit tests' to watch."""

import pathlib
import re

ROOT = pathlib.Path(__file__).parents[2]


def test_netd_8_names_every_type_of_request():
    table = (ROOT / "daemon/control/commands.cc").read_text().split("kCommands = ", 1)[1]
    types = re.findall(r'^    \{"(\w+)", Pace::', table, re.MULTILINE)
    manual = (ROOT / "daemon/netd.8").read_text()
    named = manual.split("The types of requests are\n", 1)[1].split(".Xr", 1)[0]
    assert len(types) > 20
    assert sorted(re.findall(r"^\.Cm (\w+)", named, re.MULTILINE)) == sorted(types)


def test_netd_8_explains_every_option():
    source = (ROOT / "daemon/main.cc").read_text()
    options = set(re.findall(r'add_(?:option|flag)\(\s*"(?:-\w,)?--([\w-]+)"', source)) | {
        "version", "help"}
    manual = (ROOT / "daemon/netd.8").read_text()
    explained = set(re.findall(r"^\.It (?:Fl \w Ar \w+ , )?Fl -([\w-]+)", manual, re.MULTILINE))
    assert "check" in options
    assert {name.replace("\\-", "-") for name in explained} == options
