"""The layers of daemon/ and ctl/ hold, and the check that says so can fail."""

import pathlib

import includes
import pytest

ROOT = pathlib.Path(__file__).parents[2]


def test_the_tree_keeps_its_layers():
    assert [f"{path}:{line}: {message}" for path, line, message in includes.faults(ROOT)] == []


def test_every_folder_of_the_daemon_is_a_known_layer():
    folders = {folder.name for folder in (ROOT / "daemon").iterdir() if folder.is_dir()}
    assert folders <= {*includes.LAYERS, includes.ABOVE_ALL}


def test_no_layer_reaches_its_own_users():
    def below(layer, seen):
        for lower in includes.LAYERS[layer]:
            assert lower not in seen, f"{layer} and {lower} use each other"
            below(lower, seen | {lower})

    for layer in includes.LAYERS:
        below(layer, {layer})


@pytest.mark.parametrize("path, line", [
    ("daemon/base/text.h", '#include "daemon/event/timer.h"'),
    ("daemon/base/text.h", '#include "daemon/server/server.h"'),
    ("daemon/event/timer.cc", '#include "daemon/net/session.h"'),
    ("daemon/config/loader.cc", '  #  include "daemon/event/timer.h"'),
    ("daemon/net/listener.h", '#include "daemon/protocols/protocol.h"'),
    ("daemon/tasks/queue.h", '#include "daemon/control/control_server.h"'),
    ("daemon/protocols/echo/echo.cc", '#include "daemon/protocols/http/parser.h"'),
    ("daemon/protocols/echo/echo.cc", '#include "daemon/control/fifo.h"'),
    ("daemon/strange/thing.cc", '#include "daemon/base/text.h"'),
    ("daemon/net/listener.cc", '#include "listener.h"'),
    ("daemon/net/listener.cc", '#include "ctl/client.h"'),
    ("ctl/main.cc", '#include "daemon/config/settings.h"'),
    ("daemon/control/answers.h", "#include <nlohmann/json.hpp>"),
    ("ctl/options.h", "#include <CLI/CLI.hpp>"),
    ("daemon/base/log.h", "#include <spdlog/spdlog.h>"),
    ("daemon/protocols/http/http.cc", "#include <event2/event.h>"),
    ("daemon/server/server.cc", "#include <systemd/sd-daemon.h>"),
    ("daemon/base/text.cc", "#include <ini.h>"),
    ("daemon/net/listener.cc", "#include <sqlite3.h>"),
])
def test_a_forbidden_include_is_found(tmp_path, path, line):
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(f"#pragma once\n{line}\n")
    assert [(where, number) for where, number, _ in includes.faults(tmp_path)] == [(path, 2)]


@pytest.mark.parametrize("path, line", [
    ("daemon/net/listener.cc", '#include "daemon/config/settings.h"'),
    ("daemon/net/connection.h", "#include <event2/event_struct.h>"),
    ("daemon/protocols/registry.cc", '#include "daemon/protocols/http/http.h"'),
    ("daemon/protocols/http/http.cc", '#include "daemon/protocols/protocol.h"'),
    ("daemon/server/server.cc", '#include "daemon/control/control_server.h"'),
    ("daemon/control/answers.cc", "#include <nlohmann/json.hpp>"),
    ("ctl/main.cc", "#include <CLI/CLI.hpp>"),
    ("ctl/main.cc", '#include "daemon/base/text.h"'),
    ("daemon/base/log.cc", "#include <systemd/sd-journal.h>"),
    ("daemon/base/text.cc", '// #include "daemon/server/server.h"'),
])
def test_an_allowed_include_is_not(tmp_path, path, line):
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(f"{line}\n")
    assert includes.faults(tmp_path) == []
