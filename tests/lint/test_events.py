"""Every event has a name whose first word `netctl events` knows, so that nobody can ask in vain."""

import pathlib
import re

ROOT = pathlib.Path(__file__).parents[2]


def arguments_of(text):
    """What stands between the parenthesis at its start and the one that closes it."""
    depth = 0
    for at, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return text[1:at]
    raise AssertionError(f"not closed: {text[:100]}")


def events():
    found = set()
    for path in (ROOT / "daemon").rglob("*.cc"):
        source = path.read_text()
        for entry in re.finditer(r"\b(?:LogEntry(?: \w+)?|\w+_entry)(?=\()", source):
            found.update(re.findall(r'"([a-z_]+)"', arguments_of(source[entry.end():])))
    return found


def known_kinds():
    header = (ROOT / "daemon/control/vocabulary.h").read_text()
    table = header.split("kEventKinds", 1)[1].split(";", 1)[0]
    return re.findall(r'"([a-z]+)"', table)


def test_every_event_is_of_a_known_kind():
    named = events()
    assert {"reloaded", "connection_open", "mail_refused_disk_full"} <= named
    assert known_kinds() == sorted({name.split("_")[0] for name in named})


def test_the_manual_names_every_kind():
    manual = (ROOT / "ctl/netctl.1").read_text()
    named = manual.split("is the first word of an event's name:\n", 1)[1].split(";", 1)[0]
    assert sorted(set(re.findall(r"[a-z]+", named.replace(".Cm", ""))) - {"and"}) == known_kinds()
