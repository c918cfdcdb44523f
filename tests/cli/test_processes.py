"""The processes that policygen starts: what they import, wherever it is started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

STARTS = """
from concurrent.futures import ProcessPoolExecutor

from policygen.cli.deaf_processes import DeafContext

if __name__ == "__main__":
    with ProcessPoolExecutor(2, DeafContext()) as pool:
        print(pool.submit(len, "four").result())
"""
MARK = "open({!r}, 'a').write(__name__ + chr(10))\nraise SystemExit(1)\n"


def test_a_worker_imports_no_module_of_the_current_folder(tmp_path: Path) -> None:
    hostile, own, mark = tmp_path / "checkout", tmp_path / "bin", tmp_path / "mark"
    hostile.mkdir()
    own.mkdir()
    (own / "starts.py").write_text(STARTS, "utf-8")
    for name in sorted({*sys.stdlib_module_names, "policygen", "msgspec", "isal", "boto3", "typer"}):
        (hostile / f"{name}.py").write_text(MARK.format(str(mark)), "utf-8")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, str(own / "starts.py")],
        cwd=hostile, env=clean, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.stdout, done.returncode, mark.exists()) == ("4\n", 0, False), done.stderr
