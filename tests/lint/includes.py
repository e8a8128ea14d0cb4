#!/usr/bin/python3
"""Reads every #include of daemon/ and ctl/ and says which ones the architecture forbids.

Usage: includes.py [ROOT]. Prints FILE:LINE: message for each and exits with 1 when there is one.
"""

import pathlib
import re
import sys

# A layer may include itself and those named here: only what lies below it.
LAYERS = {
    "base": set(),
    "config": {"base"},
    "systemd": {"base"},
    "event": {"base"},
    "net": {"base", "event", "config"},
    "tasks": {"base", "event"},
    "services": {"base", "event", "net", "config"},  # health checks are connections
    "control": {"base", "event", "net", "config", "tasks"},  # its commands are the queue's too
    "protocols": {"base", "event", "net", "config", "tasks", "services"},
}

# What ctl/ may take from the daemon beside base: how the two ends of the control socket talk.
CTL_MAY_INCLUDE = {f"daemon/control/{name}.h" for name in
                   ("command_words", "json_text", "request_framer", "vocabulary")}

# A library's headers have one home. Keys are the beginnings of what stands between < and >.
LIBRARY_HOMES = {
    "event2/": ("daemon/event/", "daemon/net/"),
    "event.h": (),
    "evhttp.h": (),
    "idn2.h": ("daemon/protocols/smtp/idn.cc",),
    "openssl/": ("daemon/net/tls.cc", "ctl/clients/sha256.cc"),
    "systemd/": ("daemon/systemd/", "daemon/base/log."),
    "ini.h": ("daemon/config/",),
    "INIReader.h": (),
    "sqlite3.h": ("daemon/tasks/",),
    "spdlog/": ("daemon/base/log.",),
    "fmt/": ("daemon/base/log.",),
    "CLI/": ("daemon/main.cc", "ctl/"),
    "curl/": ("ctl/clients/",),
    "curses.h": ("ctl/top.",),
    "editline/": ("ctl/clients/",),
    "nlohmann/": ("daemon/", "ctl/"),
}

# Headers so large that including them in ours would cost every file that includes those.
NEVER_IN_HEADERS = ("nlohmann/", "CLI/", "spdlog/", "fmt/", "curl/", "curses.h")
FORWARD_DECLARATIONS = "nlohmann/json_fwd.hpp"

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"(?P<own>[^"]+)"|<(?P<library>[^>]+)>)')


# Stands above all layers and may include each of them, as main.cc does.
ABOVE_ALL = "server"


def layer_of(path):
    """The layer of a file of daemon/, or None for what stands above all layers (server, main)."""
    parts = pathlib.PurePosixPath(path).parts
    if parts[0] != "daemon" or len(parts) <= 2 or parts[1] == ABOVE_ALL:
        return None
    return parts[1]


def protocol_of(path):
    parts = pathlib.PurePosixPath(path).parts
    return parts[2] if parts[:2] == ("daemon", "protocols") and len(parts) > 3 else None


def own_include_fault(path, included):
    """Why `path` may not include our own header `included`; None when it may."""
    if included == "version.h":
        return None
    if not included.startswith(("daemon/", "ctl/")):
        return "our own headers are included by their path from the top of the repository"
    if path.startswith("ctl/"):
        if included.startswith(("ctl/", "daemon/base/")) or included in CTL_MAY_INCLUDE:
            return None
        return "netctl may use daemon/base and the framing of the control protocol only"
    if included.startswith("ctl/"):
        return "the daemon uses nothing of netctl"
    layer, target = layer_of(path), layer_of(included)
    if layer is None:
        return None
    if layer not in LAYERS:
        return f"the folder daemon/{layer} is no known layer: name what lies below it in LAYERS"
    if target is None:
        return f"{layer} lies below the server"
    if target != layer and target not in LAYERS[layer]:
        return f"{layer} may not use {target}"
    one, other = protocol_of(path), protocol_of(included)
    if other and other != one and path != "daemon/protocols/registry.cc":
        return "a protocol uses nothing of another one; only registry.cc knows them all"
    return None


def library_include_fault(path, included):
    for prefix, homes in LIBRARY_HOMES.items():
        if not included.startswith(prefix):
            continue
        if path.endswith(".h") and prefix in NEVER_IN_HEADERS and included != FORWARD_DECLARATIONS:
            return f"{prefix} in a header of ours is paid for by all that include it"
        if not path.startswith(homes):
            return f"<{included}> belongs to {', '.join(homes) or 'no file of ours'}"
    return None


def faults(root):
    """Every forbidden include below `root`, each as (path, line number, message)."""
    found = []
    for top in ("daemon", "ctl"):
        for file in sorted((root / top).rglob("*")):
            if file.suffix not in (".h", ".cc") or not file.is_file():
                continue
            path = file.relative_to(root).as_posix()
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                fault = (own_include_fault(path, match["own"]) if match["own"]
                         else library_include_fault(path, match["library"]))
                if fault:
                    found.append((path, number, f"{line.strip()}: {fault}"))
    return found


def main():
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2]
    found = faults(root)
    for path, number, message in found:
        print(f"{path}:{number}: {message}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
