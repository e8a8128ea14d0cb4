"""netctl(1) and netctl --help tell of the same commands and the same options."""

import re
import shutil
import subprocess

import pytest
from netd_process import DEADLINE, NETCTL, ROOT

PAGE = (ROOT / "ctl" / "netctl.1").read_text()
OF_EVERY_COMMAND = {"--socket", "--json", "--timeout", "--help", "-h"}


def ask(*words):
    return subprocess.run([NETCTL, *words], capture_output=True, text=True, timeout=DEADLINE,
                          check=True).stdout


def commands():
    names = []
    for word in ask("__complete", "").split():
        group = word in ("config", "mail", "task")
        names += [f"{word} {inner}" for inner in ask("__complete", word, "").split()] if group else [word]
    return names


def options_in_help(command):
    """Of the lines under "Options:": the names that each begins with."""
    listed = ask(*command.split(), "--help").partition("\nOptions:\n")[2].partition("\n\n")[0]
    names = re.findall(r"^  (-\S+)", listed, re.MULTILINE)
    return {name for line in names for name in line.split(",")} - OF_EVERY_COMMAND


def sections_and_entries():
    """The page's sections by title, and each command's own part: from its .It to the next command's."""
    known = sorted(commands(), key=len, reverse=True)
    sections, entries, title, command = {}, {}, "", None
    for line in PAGE.splitlines():
        if line.startswith(".Sh "):
            title, command = line, None
        item = line.removeprefix(".It Cm ")
        if item != line:
            named = next((one for one in known if f"{item} ".startswith(one + " ")), None)
            command = named if named not in entries else None
        sections[title] = sections.get(title, "") + line + "\n"
        if command is not None:
            of = entries.setdefault(command, [title, ""])
            of[1] += line + "\n"
    return sections, entries


def options_in(text):
    """".Fl -count", ".It Fl X , -method" and "Fl -all | Fl -open" name options."""
    names = re.findall(r"(?:Fl|,|\.It Fl|\.Fl) (-?\w[\w-]*)", "\n".join(
        line for line in text.splitlines() if "Fl " in line))
    return {"-" + name for name in names if name.startswith("-") or len(name) == 1}


SECTIONS, ENTRIES = sections_and_entries()


@pytest.mark.parametrize("command", commands())
def test_the_manual_has_the_options_of_help_and_no_others(command):
    title, entry = ENTRIES[command]
    told = options_in_help(command)
    # What several commands of a section have is told once for all of them.
    assert told <= options_in(entry) | options_in(SECTIONS[title]), "what the manual leaves out"
    same_as_http = options_in_help("http") if command == "call" else set()
    long_names = {name for name in options_in(entry) if name.startswith("--")}
    assert long_names <= told | same_as_http | OF_EVERY_COMMAND, "what there is not"


def test_the_manual_has_the_options_of_every_command():
    assert OF_EVERY_COMMAND - {"-h", "--help"} <= options_in(PAGE.partition(".Sh DESCRIPTION")[2].partition(".Sh ")[0])


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
def test_the_manual_is_well_formed():
    checked = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", str(ROOT / "ctl" / "netctl.1")],
                             capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert checked.returncode == 0, checked.stdout
