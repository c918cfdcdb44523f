"""Where the result cannot go anywhere, the command says so, and never that it has a bug."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from importlib.abc import MetaPathFinder
from pathlib import Path

import pytest

from policygen.cli import start
from policygen.cli.inputs import process_pool
from tests.support import command
from tests.support.accounts import snapshot, trails_of
from tests.support.command import LONG, READ, environment, heeding_ctrl_c, run
from tests.support.records import ROLE, crowd, write_logs

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the devices of Linux")

COMMANDS = {
    "suggest": ("suggest", "-r", ROLE, "-l", "logs", "--no-plan", "-q"),
    "policy": ("suggest", "-r", ROLE, "-l", "logs", "--no-plan", "-q", "-f", "policy"),
    "map": ("map", "logs", "-q"),
    "batch": ("batch", "-l", "logs", "-o", "out", "-q", "-j", "1"),
    "data": ("data",),
    "cache": ("cache",),
    "services": ("services",),
    "permissions": ("permissions",),
    "schema": ("schema", "plan"),
}


@pytest.fixture
def world(tmp_path: Path) -> Path:
    write_logs(tmp_path / "logs", crowd([READ]))
    return tmp_path


def shell(world: Path, words: tuple[str, ...], redirect: str) -> subprocess.CompletedProcess[bytes]:
    """A command with its streams redirected as a shell does it."""
    line = f'exec "$@" {redirect}'
    return subprocess.run(
        ["sh", "-c", line, "sh", *command.command(*words)],
        cwd=world,
        env=environment(world),
        capture_output=True,
        timeout=LONG,
        check=False,
    )


@pytest.mark.system
@pytest.mark.parametrize("redirect", [">/dev/full", ">&-"], ids=["full", "closed"])
@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_a_stdout_that_takes_nothing_is_a_file_that_cannot_be_written(
    words: tuple[str, ...], redirect: str, world: Path
) -> None:
    done = shell(world, words, redirect)
    assert done.returncode == 2, done.stderr
    assert b"cannot write the result to stdout" in done.stderr
    assert done.stderr.count(b"PG-E220, exit 2") == 1
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


@pytest.mark.system
@pytest.mark.parametrize("redirect", ["2>/dev/full", "2>&-"], ids=["full", "closed"])
def test_a_stderr_that_takes_nothing_changes_nothing_of_the_result(redirect: str, world: Path) -> None:
    words = ("suggest", "-r", ROLE, "-l", "logs", "--no-plan", "-f", "policy")
    done = shell(world, words, redirect)
    assert (done.returncode, json.loads(done.stdout)["Version"]) == (0, "2012-10-17")


@pytest.mark.system
def test_help_on_a_full_device_is_no_bug(world: Path) -> None:
    done = shell(world, ("--help",), ">/dev/full")
    assert (done.returncode, b"PG-E220" in done.stderr) == (2, True)


def test_a_result_that_is_full_in_this_process_is_named(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object, text: str) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("policygen.cli.output._write", full)
    done = run(world, *COMMANDS["suggest"])
    assert (done.code, "No space left on device  PG-E220, exit 2" in done.stderr) == (2, True)


# --- Plans are for the owner alone ----------------------------------------------------------------


def modes(*paths: Path) -> list[str]:
    return [oct(stat.S_IMODE(path.stat().st_mode)) for path in paths]


def test_a_plan_and_the_folder_made_for_it_are_for_the_owner_alone(world: Path) -> None:
    known = ("suggest", "-r", ROLE, "-l", "logs", "-q")
    assert run(world, *known, "--plans", "plans").code == 0
    assert modes(world / "plans", world / "plans" / f"{ROLE}.json") == ["0o700", "0o600"]
    (world / "mine").mkdir(mode=0o755)
    assert run(world, *known, "--plans", "mine").code == 0
    assert modes(world / "mine", world / "mine" / f"{ROLE}.json") == ["0o755", "0o600"]


def test_the_plans_of_a_batch_are_for_the_owner_alone(world: Path) -> None:
    (world / "account.json").write_text(json.dumps(snapshot({"trails": trails_of("all")})))
    for _ in range(2):  # also where an earlier version made the folder
        assert run(world, "batch", "-l", "logs", "-o", "out", "-q", "-j", 1).code == 0
        plans = world / "out" / "plans"
        assert modes(plans, *plans.iterdir()) == ["0o700", *["0o600"] * len(list(plans.iterdir()))]
        plans.chmod(0o755)


# --- Ctrl-C ---------------------------------------------------------------------------------------

STUCK = """
import sys, time
import policygen.all_roles.run as run
from policygen.cli.app import main

def stuck(*_):
    open("stuck", "w").close()
    time.sleep(600)

run.right_size = stuck
if __name__ == "__main__":
    sys.argv[0] = "policygen"
    main()
"""


@pytest.mark.system
def test_ctrl_c_twice_ends_a_batch_whose_workers_do_not_end(world: Path) -> None:
    write_logs(world / "logs", crowd([READ | {"role": f"role-{i}"} for i in range(12)]))
    (world / "stuck.py").write_text(STUCK)
    started = subprocess.Popen(  # spawned workers import the main module, and so get the patch too
        [sys.executable, "stuck.py", "batch", "-l", "logs", "-o", "out", "-j", "2", "--no-cache"],
        cwd=world,
        env=environment(world),
        stderr=subprocess.PIPE,
        preexec_fn=heeding_ctrl_c,  # noqa: PLW1509 - no threads here
    )
    deadline = time.monotonic() + 60
    while not (world / "stuck").exists():
        assert started.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    started.send_signal(signal.SIGINT)
    time.sleep(4)
    assert started.poll() is None  # it waits for what has begun
    started.send_signal(signal.SIGINT)
    _, stderr = started.communicate(timeout=20)
    assert started.returncode == 130
    assert b"Ctrl-C again stops at once" in stderr
    # Python's resource tracker may add a line about a semaphore of a worker that was killed.
    assert b"\nstopped by Ctrl-C, exit 130\n" in stderr
    assert b"Traceback" not in stderr


@pytest.mark.parametrize("module", ["policygen.cli.app", "policygen.cli.commands.diff"])
def test_ctrl_c_while_the_command_line_is_imported_is_ctrl_c(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Pressed(MetaPathFinder):
        def find_spec(self, name: str, *_: object) -> None:
            if name == module:
                raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["policygen", "diff", "--help"])
    monkeypatch.setattr("gc.set_threshold", lambda *_: None)
    monkeypatch.setattr("atexit.register", lambda *_: None)
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Pressed(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        start.start_command_line()
    assert (ended.value.code, capsys.readouterr()) == (130, ("", "stopped by Ctrl-C, exit 130\n"))


def say_whether_ctrl_c_is_held(_: int) -> bool:
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="this system holds no signals back")
def test_a_worker_does_not_hear_ctrl_c_from_its_first_moment_on() -> None:
    with process_pool(1, int) as pool:
        held = [pool.submit(say_whether_ctrl_c_is_held, number) for number in range(2)]
        assert [one.result() for one in held] == [True, True]
    assert not say_whether_ctrl_c_is_held(0)
