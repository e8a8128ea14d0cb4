"""What tests/run does once the packages are there: steps in lanes, a log for each, and one summary
line at the end."""

import argparse
import dataclasses
import enum
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOGS = ROOT / "build" / "test-log"
JOBS = os.cpu_count() or 2
QUICK_JOBS = 2 * JOBS  # the tests of the real netd mostly wait, and no build goes on beside a quick run's
PYTEST = ["/usr/bin/python3", "-m", "pytest", "-q", "-c", "tests/pytest.ini", "--rootdir", "tests"]
LAST_FAILED = ["--last-failed", "--last-failed-no-failures=none"]
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)  # from the top folder, as all of ours
LAST_LINES = 120  # of a failed step's log, shown at once
# So few failures may be a machine that was busy at the wrong moment: they are run again, once, and
# named at the end. More are not, and what a sanitizer has found never is.
MAY_BE_CHANCE = 3

SANITIZER_ENVIRONMENT = {
    "dev": {
        "NETD_SANITIZER": "address",
        "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1:"
                        "check_initialization_order=1:detect_leaks=1:exitcode=99",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    },
    "tsan": {
        "NETD_SANITIZER": "thread",
        "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1:exitcode=99",
    },
}


@dataclasses.dataclass
class Outcome:
    passed: int = 0
    failed: int = 0
    unsteady: list = dataclasses.field(default_factory=list)  # passed when they were run again
    skipped: list = dataclasses.field(default_factory=list)  # why, one each

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.unsteady += other.unsteady
        self.skipped += other.skipped


class StepFailed(Exception):
    """The command of a step failed without test results that would say what did."""


def tracked_files(*suffixes):
    """Files of the working tree that git knows or would add, so that build folders stay out."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True,
                            capture_output=True, check=False)
    if listed.returncode == 0:
        names = listed.stdout.splitlines()
    else:  # a source archive without .git
        names = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*")
                 if path.is_file() and path.relative_to(ROOT).parts[0] != "build"]
    return sorted(name for name in set(names)
                  if name.endswith(suffixes) and (ROOT / name).is_file())


def without_address_randomisation():
    """A prefix for commands of instrumented builds. GCC 12's sanitizers cannot place their shadow
    memory where the kernel randomises more than 28 bits of addresses."""
    try:
        bits = int(pathlib.Path("/proc/sys/vm/mmap_rnd_bits").read_text())
    except (OSError, ValueError):
        bits = 28
    works = shutil.which("setarch") and subprocess.run(
        ["setarch", "-R", "true"], capture_output=True, check=False).returncode == 0
    return ["setarch", "-R"] if bits > 28 and works else []


def junit_cases(path):
    return list(xml.etree.ElementTree.parse(path).getroot().iter("testcase")) \
        if path.exists() else []


def has_failed(case):
    return case.find("failure") is not None or case.find("error") is not None \
        or case.get("status") == "fail"


def may_be_chance(failed):
    said = "".join(xml.etree.ElementTree.tostring(case, encoding="unicode") for case in failed)
    return 0 < len(failed) <= MAY_BE_CHANCE \
        and "Sanitizer" not in said and "runtime error:" not in said


def junit_outcome(path):
    outcome = Outcome()
    for case in junit_cases(path):
        skipped = case.find("skipped")
        if has_failed(case):
            outcome.failed += 1
        elif skipped is not None or case.get("status") in ("notrun", "disabled"):
            why = skipped.get("message", "") if skipped is not None else case.get("status")
            outcome.skipped.append(f"{case.get('classname')}.{case.get('name')}: {why}")
        else:
            outcome.passed += 1
    return outcome


class Step:
    """One line of the run: a log file, commands, and what they found."""

    def __init__(self, name):
        self.name = name
        self.log_path = LOGS / f"{name.replace(' ', '-')}.log"
        self.outcome = Outcome()

    def command(self, command, environment=None, check=True):
        with open(self.log_path, "a", encoding="utf-8") as log:
            shown = " ".join(map(str, command))
            log.write(f"$ {shown if len(shown) < 1000 else shown[:1000] + ' ...'}\n")
            log.flush()
            code = subprocess.run(command, cwd=ROOT, env={**os.environ, **(environment or {})},
                                  stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                  check=False).returncode
        if check and code != 0:
            raise StepFailed(f"{command[0]} ended with {code}")
        return code

    def tests(self, command, junit, environment=None, failed_only=()):
        """A command that writes its results to `junit`; with `failed_only` it runs what failed."""
        junit.unlink(missing_ok=True)
        code = self.command(command, environment, check=False)
        found = junit_outcome(junit)
        if code != 0 and found.failed == 0:
            found.failed = 1  # it died, or found nothing to run
        elif failed_only and may_be_chance(failed := list(filter(has_failed, junit_cases(junit)))):
            names = [f"{case.get('classname')}.{case.get('name')}" for case in failed]
            junit.unlink()
            code = self.command([*command, *failed_only], environment, check=False)
            again = junit_outcome(junit)
            if code == 0 and again.passed == found.failed:
                found = Outcome(found.passed + again.passed, 0, names, found.skipped)
        self.outcome.add(found)

    def log(self, text):
        with open(self.log_path, "a", encoding="utf-8") as log:
            log.write(text)

    def count(self, good):
        if good:
            self.outcome.passed += 1
        else:
            self.outcome.failed += 1


# ---- Steps. Each takes the Step to report to and the options.


def step_lint(step):
    junit = LOGS / "lint.xml"
    step.tests([*PYTEST, "tests/lint", f"--junitxml={junit}"], junit)
    sources = tracked_files(".h", ".cc")
    step.count(step.command(["clang-format-19", "--dry-run", "-Werror", *sources], check=False) == 0)
    for page in tracked_files(*(f".{section}" for section in range(1, 9))):
        step.count(step.command(["mandoc", "-Tlint", "-Wwarning", page], check=False) == 0)


@functools.cache
def own_includes(name):
    """The headers of ours that a file includes itself."""
    return [found for found in INCLUDE.findall((ROOT / name).read_text()) if (ROOT / found).is_file()]


def tidy_key(source):
    """What the findings of clang-tidy on one file depend on."""
    files = {".clang-tidy", source} | ({"tests/.clang-tidy"} if source.startswith("tests/") else set())
    found = [source]
    while found:
        found = [header for name in found for header in own_includes(name) if header not in files]
        files.update(found)
    key = hashlib.sha256()
    for name in sorted(files):
        key.update(name.encode() + b"\0" + (ROOT / name).read_bytes() + b"\0")
    return key.hexdigest()


def step_tidy(step):
    """clang-tidy over every source; what it has passed before, unchanged, is not read again."""
    build = ROOT / "build" / "tidy"  # only for the command of each source
    step.command(["cmake", "--preset", "release", "-B", str(build), "-DNETD_TESTS=ON",
                  "-DCMAKE_UNITY_BUILD=OFF"])
    passed_before = ROOT / "build" / "tidy-passed"
    passed_before.mkdir(parents=True, exist_ok=True)
    work = []
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = pathlib.Path(entry["file"])
        if source.is_relative_to(ROOT) and not source.is_relative_to(ROOT / "build"):
            name = source.relative_to(ROOT).as_posix()
            work.append((name, passed_before / tidy_key(name)))

    def tidy(job):
        name, mark = job
        if mark.exists():
            return name, 0, ""
        result = subprocess.run(
            ["clang-tidy-19", "--quiet", "-p", str(build),
             # Warnings of g++ that clang does not know, and the other way round, are no findings.
             "--extra-arg=-Wno-unknown-warning-option", name],
            cwd=ROOT, text=True, capture_output=True, stdin=subprocess.DEVNULL, check=False)
        if result.returncode == 0:
            mark.touch()
        return name, result.returncode, result.stdout + result.stderr

    with ThreadPoolExecutor(JOBS) as pool:
        for name, code, output in pool.map(tidy, work):
            step.log(f"{name}: {'ok' if code == 0 else output}\n")
            step.count(code == 0)


def configure_and_build(step, preset):
    arguments = ["-DNETD_TESTS=ON"]
    if shutil.which("ccache"):
        arguments.append("-DCMAKE_CXX_COMPILER_LAUNCHER=ccache")
    step.command(["cmake", "--preset", preset, *arguments])
    # Tests run beside it, and they are to find the machine as if it were theirs.
    step.command(["nice", "-n19", "cmake", "--build", "--preset", preset, "-j", str(JOBS)])


def step_unit(step, preset, quick):
    junit = LOGS / f"unit-{preset}.xml"
    cases = LOGS / f"unit-{preset}"  # GoogleTest's own reports: ctest knows programs only
    shutil.rmtree(cases, ignore_errors=True)
    fewer = {"NETD_MODEL_STEPS": "20000"} if quick else {}
    step.tests([*prefix_of(preset), "ctest", "--test-dir", f"build/{preset}", "-j", str(JOBS),
                "--output-on-failure", "--no-tests=error", "--output-junit", str(junit)],
               junit, {**SANITIZER_ENVIRONMENT.get(preset, {}), **fewer,
                       "GTEST_OUTPUT": f"xml:{cases}/"}, ["--rerun-failed"])
    for report in cases.glob("*.xml"):
        found = junit_outcome(report)
        step.outcome.add(Outcome(passed=found.passed, skipped=found.skipped))


def step_real(step, preset, quick):
    """The suites that drive the real netd."""
    folders = [folder for folder in ("tests/integration", "tests/conformance")
               if list((ROOT / folder).rglob("test_*.py"))]
    if not folders:
        step.outcome.skipped.append("no suite that drives the real netd is here")
        return
    junit = LOGS / f"real-{preset}.xml"
    command = [*prefix_of(preset), *PYTEST, "-n", str(QUICK_JOBS if quick else JOBS),
               "--durations=10", f"--junitxml={junit}", *folders]
    fewer = {}
    if quick:
        command += ["-m", "not slow"]
        fewer = {"NETD_CRASHES": "3"}
    step.tests(command, junit, {"NETD_BUILD": str(ROOT / "build" / preset),
                                **SANITIZER_ENVIRONMENT.get(preset, {}), **fewer},
               ["-n0", *LAST_FAILED])


def step_system(step):
    """The package, under a real systemd in a container. It says itself what this host lacks."""
    if os.geteuid() != 0:
        step.outcome.skipped.append("the package and the service under systemd: it takes root")
        return
    step.command(["packaging/install-build-deps", "system"], check=False)
    junit = LOGS / "system.xml"
    step.tests([*PYTEST, "tests/system", "--durations=10", f"--junitxml={junit}"], junit,
               {"NETD_BUILD": str(ROOT / "build" / "release")}, LAST_FAILED)


def prefix_of(preset):
    return without_address_randomisation() if preset in SANITIZER_ENVIRONMENT else []


class Lane(enum.Enum):
    """The steps of a lane run one after the other, the lanes beside each other: while one build is
    tested, the next is made, and the container mostly waits."""
    BUILDS = 1
    TESTS = 2
    CONTAINER = 3


@dataclasses.dataclass
class Planned:
    name: str
    lane: Lane
    needs: str | None  # the step that must have gone well
    function: object  # of a Step


def steps(options):
    def of_preset(preset):
        label = {"dev": "ASan+UBSan ", "tsan": "TSan "}.get(preset, "")
        build = f"{label}build"
        return [
            Planned(build, Lane.BUILDS, None, lambda step: configure_and_build(step, preset)),
            Planned(f"{label}unit tests", Lane.TESTS, build,
                    lambda step: step_unit(step, preset, options.quick)),
            Planned(f"{label}real netd", Lane.TESTS, build,
                    lambda step: step_real(step, preset, options.quick)),
        ]

    sanitized = not options.quick and not options.no_sanitizers
    plan = [Planned("lint", Lane.TESTS, None, step_lint)]
    if sanitized:
        plan += of_preset("dev")  # first: it is made in half the time of the others
    plan += of_preset("release")
    if not options.quick:
        plan.append(Planned("system", Lane.CONTAINER, "build", step_system))
    if sanitized:
        plan += of_preset("tsan")
    if options.tidy or options.only:
        plan.append(Planned("clang-tidy", Lane.BUILDS, None, step_tidy))
    return [one for one in plan if not options.only or one.name in options.only]


def left_out(options):
    """What this run does not try, each as one line."""
    if options.quick:
        return ["--quick: no package, no clang-tidy, no sanitizer builds, no slow tests"]
    found = [] if options.tidy else ["without --tidy: no clang-tidy"]
    if options.no_sanitizers:
        found.append("--no-sanitizers: no ASan, UBSan and TSan builds")
    return found


@dataclasses.dataclass
class Ending:
    trouble: str  # why the step could not go on, or empty
    seconds: float


def run_step(step, function):
    step.log_path.unlink(missing_ok=True)
    started = time.monotonic()
    trouble = ""
    try:
        function(step)
    except (StepFailed, OSError) as failure:
        trouble = f"{failure}; "
        step.outcome.failed += 1
    return Ending(trouble, time.monotonic() - started)


def report(step, ending):
    outcome = step.outcome
    text = f"{outcome.passed} passed" if outcome.passed or ending.trouble else "done"
    if outcome.failed:
        text += f", {outcome.failed} FAILED"
    if outcome.skipped:
        text += f", {len(outcome.skipped)} skipped"
    print(f"{step.name:<24}{ending.trouble}{text}  ({ending.seconds:.0f} s)", flush=True)
    if outcome.failed:
        lines = step.log_path.read_text(errors="replace").splitlines() \
            if step.log_path.exists() else []
        print(f"---- the end of {step.log_path.relative_to(ROOT)} " + "-" * 20)
        print("\n".join(lines[-LAST_LINES:]))
        print("-" * 60, flush=True)


def run_plan(plan, total):
    lanes = {lane: ThreadPoolExecutor(1) for lane in Lane}
    endings = {}  # of each step by its name; None for one that could not be run

    def run(step, one):
        if one.needs in endings:
            needed = endings[one.needs].result()
            if needed is None or needed.trouble:
                step.outcome.skipped.append(f"{one.name}: the step it needs, {one.needs!r}, failed")
                return None
        return run_step(step, one.function)

    try:
        running = []
        for one in plan:
            step = Step(one.name)
            endings[one.name] = lanes[one.lane].submit(run, step, one)
            running.append(step)
        for step in running:
            if ending := endings[step.name].result():
                report(step, ending)
            total.add(step.outcome)
    finally:
        for lane in lanes.values():
            lane.shutdown(cancel_futures=True)


def arguments():
    parser = argparse.ArgumentParser(
        prog="tests/run", description="Builds netd and runs all of its tests.",
        epilog="Logs of the steps are in build/test-log/.")
    parser.add_argument("--quick", action="store_true",
                        help="release build only: no sanitizers, no slow tests")
    parser.add_argument("--tidy", action="store_true",
                        help="clang-tidy as well: it takes longer than all the rest")
    parser.add_argument("--no-sanitizers", action="store_true",
                        help="leave out the ASan+UBSan and TSan builds")
    parser.add_argument("--no-install", action="store_true",
                        help="do not look for missing packages")
    parser.add_argument("--only", action="append", metavar="STEP",
                        help="run only this step (may be given again; names by --list)")
    parser.add_argument("--list", action="store_true", help="name the steps and stop")
    options = parser.parse_args()
    known = [one.name for one in steps(argparse.Namespace(quick=False, no_sanitizers=False,
                                                          only=None, tidy=True))]
    if options.list:
        print("\n".join(known))
        sys.exit(0)
    for name in options.only or ():
        if name not in known:
            parser.error(f"no step {name!r}; there are: {', '.join(known)}")
    return options


def main():
    options = arguments()
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    LOGS.mkdir(parents=True, exist_ok=True)
    total = Outcome()
    started = time.monotonic()
    run_plan(steps(options), total)
    total.skipped += left_out(options)
    for reason in total.skipped:
        print(f"SKIPPED: {reason}")
    for name in total.unsteady:
        print(f"UNSTEADY: {name} failed, and passed when it was run again")
    print(f"{total.passed} passed, {total.failed} failed, {len(total.skipped)} skipped"
          f" in {(time.monotonic() - started) / 60:.1f} min")
    return 1 if total.failed or total.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
