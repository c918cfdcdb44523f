"""What is too heavy, or too much beside the point, for every build: each session in an environment of its own.

nox -s thorough     all tests: every search in full, the browser, the cluster, the notebook, the benches
nox -s engines      formats of infrastructure as code, read by the programs that read them in earnest
nox -s judge        the outside judge of policy evaluation, on more random roles than a build has time for
nox -s fuzz         strange records, policies and accounts, for longer than a build: -- --seconds 3600 records
nox -s lowest       the tests with the oldest dependencies that are declared
nox -s fresh        the tests with the newest
"""

from __future__ import annotations

import nox

nox.options.sessions = ["engines"]


@nox.session
def thorough(session: nox.Session) -> None:
    """All tests, and every search in full."""
    session.install("-e", ".[dev]", "-c", "constraints.txt")
    session.env["POLICYGEN_THOROUGH"] = "1"
    session.run("python", "-m", "pytest", "-q", "-n", "2", "-m", "", *session.posargs)


@nox.session
def engines(session: nox.Session) -> None:
    """Terraform, SAM's translator, cfn-lint, the CDK and Serverless (tests/judges/iac_engines/README.md)."""
    session.install("-e", ".[dev,engines]", "-c", "constraints.txt")
    with session.chdir("tests/judges/iac_engines"):
        session.run("npm", "install", "--silent", "--no-audit", "--no-fund", external=True)
    session.run(
        "python",
        "-m",
        "pytest",
        "-q",
        "-n",
        "2",
        "-m",
        "",
        "tests/report/test_iac_formats.py",
        *session.posargs,
    )


@nox.session
def judge(session: nox.Session) -> None:
    """Random roles before our evaluator and the outside judge (tests/judges/iam_simulate/README.md)."""
    session.install("-e", ".[dev]", "-c", "constraints.txt")
    with session.chdir("tests/judges/iam_simulate"):
        session.run("npm", "install", "--silent", "--no-audit", "--no-fund", external=True)
    session.run("python", "-m", "tests.judges.iam_simulate.pairs", *(session.posargs or ["1000", "1"]))


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzzing of the command line; 60 seconds of each kind, or as long as you say (tests/properties/fuzz.py)."""
    session.install("-e", ".[dev]", "-c", "constraints.txt")
    session.run("python", "-m", "tests.properties.fuzz", *session.posargs)


@nox.session
def lowest(session: nox.Session) -> None:
    """The oldest dependencies that pyproject.toml allows."""
    session.install("uv")
    session.run("uv", "pip", "install", "--resolution", "lowest-direct", "-e", ".[dev]")
    session.run("python", "-m", "pytest", "-q", "-n", "2", *session.posargs)


@nox.session
def fresh(session: nox.Session) -> None:
    """The newest dependencies, without the constraints."""
    session.install("-e", ".[dev]")
    session.run("python", "-m", "pytest", "-q", "-n", "2", *session.posargs)
