"""Read IAM's last-accessed reports of many roles: jobs started together, each fetched soon after (3.5).

GenerateServiceLastAccessedDetails starts a job, GetServiceLastAccessedDetails returns its report page by page, to the
same session only. AWS publishes no limit of the rate; where it is reached, the call waits and is made again, and all
later ones are spread. Source: IAM API Reference, API_GetServiceLastAccessedDetails.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import msgspec

from policygen.account.aws_errors import error_code, is_denied, is_throttled
from policygen.account.report_journal import ReportJournal
from policygen.account.snapshot_schema import Json

START_REPORT = "iam:GenerateServiceLastAccessedDetails"
GET_REPORT = "iam:GetServiceLastAccessedDetails"

OPEN_JOBS = 8
"""Jobs that are started before the first of them is fetched."""

POLL_AGES = (0.5, 1.5, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0, 45.0, 60.0)
"""Seconds after its start at which a job is asked for its report; then it is given up. Jobs take 1 to 10 seconds."""

SPARING_AGES = (4.0, 15.0, 60.0)
"""The same where there are more roles than `OPEN_JOBS`: no role costs more than four calls, but for further pages. The
first one follows what jobs take."""

BACKOFF = (1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0)
"""Seconds before a throttled call is made again; then it is given up. AWS's SDKs double up to 20 seconds as well."""

FAILURES = 3
"""Roles in a row, none of them answered, after which the reading ends: all others would fail as well."""

PAGE = 1000
"""Services a page, IAM's maximum; it may cut pages earlier."""


def _no_progress(done: int, total: int) -> None:
    """Take the progress and do nothing."""


class ReportOptions(msgspec.Struct, frozen=True):
    """How reports are read."""

    pause: Callable[[float], None] = time.sleep
    """Waits some seconds."""
    clock: Callable[[], float] = time.monotonic
    """Seconds that passed since any moment."""
    on_progress: Callable[[int, int], None] = _no_progress
    """Takes how many roles of how many have an answer."""
    journal: ReportJournal | None = None
    """Where reports are kept until all of them are there."""


class RefusedReports(NamedTuple):
    """Roles without a report, for one reason: they are unknown, and not idle."""

    operation: str
    code: str
    message: str
    """AWS's, of the first role."""
    roles: tuple[str, ...]
    """ARNs."""


class _Job(msgspec.Struct):
    role: str
    id: str
    started: float
    polls: int = 0


class _GivenUpError(Exception):
    """No further call makes sense, for the reason that the last one failed."""


class ReportReader(msgspec.Struct):
    """Reads the reports of one account's roles with one client of IAM."""

    iam: Any
    options: ReportOptions
    on_report: Callable[[str, Json], None]
    """Takes role ARN and finished report, as soon as it was read."""
    refused: dict[tuple[str, str], RefusedReports] = msgspec.field(default_factory=dict)
    _gap: float = 0.0
    _ages: tuple[float, ...] = POLL_AGES
    _done: int = 0
    _total: int = 0
    _read: int = 0
    _failures: int = 0

    def read(self, roles: Iterable[str], already: int = 0) -> None:
        """Give each role's report to `on_report`, or name the role in `refused`.

        Args:
            roles: role ARNs.
            already: roles whose reports are known, for the progress.
        """
        waiting, open_jobs = deque(roles), list[_Job]()
        self._done, self._total = already, already + len(waiting)
        self._ages = POLL_AGES if len(waiting) <= OPEN_JOBS else SPARING_AGES
        self.options.on_progress(self._done, self._total)
        try:
            while waiting or open_jobs:
                while waiting and len(open_jobs) < OPEN_JOBS:
                    self._start(waiting[0], open_jobs)
                    waiting.popleft()
                if open_jobs:
                    self._poll(min(open_jobs, key=self._due), open_jobs)
        except _GivenUpError as error:
            known = {role for one in self.refused.values() for role in one.roles}
            for role in [*(job.role for job in open_jobs), *waiting]:
                if role not in known:
                    self._refuse(role, *error.args)

    def _start(self, role: str, open_jobs: list[_Job]) -> None:
        ask = partial(self.iam.generate_service_last_accessed_details, Arn=role, Granularity="ACTION_LEVEL")
        answer = self._attempt(role, START_REPORT, partial(self._patient, ask))
        if answer is not None:
            open_jobs.append(_Job(role, answer["JobId"], self.options.clock()))

    def _poll(self, job: _Job, open_jobs: list[_Job]) -> None:
        """Ask for a job's report when it is time to; a job that is over leaves the list."""
        early = self._due(job) - self.options.clock()
        if early > 0:
            self.options.pause(early)
        answer = self._attempt(job.role, GET_REPORT, partial(self._fetch, job))
        job.polls += 1
        running = answer is not None and answer["JobStatus"] == "IN_PROGRESS"
        if self._ages != POLL_AGES and job.polls == 1:
            first = self._ages[0] * (1.5 if running else 0.95)
            self._ages = (min(max(first, 1.0), 10.0), *self._ages[1:])
        if running and job.polls < len(self._ages):
            return
        open_jobs.remove(job)
        if answer is None:
            return
        if answer["JobStatus"] == "COMPLETED":
            self._read += 1
            self._failures = 0
            self.on_report(job.role, answer)
            self._answered()
            return
        error = answer.get("Error", {})
        why = error.get("Message", "the report was not ready in time")
        self._refuse(job.role, GET_REPORT, error.get("Code", "Timeout"), why)

    def _due(self, job: _Job) -> float:
        """Return when to ask for a job's report next."""
        return job.started + self._ages[min(job.polls, len(self._ages) - 1)]

    def _fetch(self, job: _Job) -> Json:
        """Return a job's report with the services of all its pages, or AWS's answer where it is not finished."""
        ask = partial(self.iam.get_service_last_accessed_details, JobId=job.id, MaxItems=PAGE)
        answer = self._patient(ask)
        if answer["JobStatus"] != "COMPLETED":
            return answer
        rows, page = list(answer["ServicesLastAccessed"]), answer
        while page.get("IsTruncated"):
            page = self._patient(partial(ask, Marker=page["Marker"]))
            rows += page["ServicesLastAccessed"]
        report = {key: value for key, value in answer.items() if key not in ("Marker", "IsTruncated")}
        return {**report, "ServicesLastAccessed": sorted(rows, key=lambda row: str(row["ServiceNamespace"]))}

    # --- Calls that may fail ---

    def _attempt(self, role: str, operation: str, call: Callable[[], Json]) -> Json | None:
        """Return the answer of a call, or note that the role was refused, however it failed.

        Raises:
            _GivenUpError: every further call would fail as well. A policy may refuse some roles and show others, so
                refusals end the reading only where nothing was ever shown.
        """
        try:
            return call()
        except Exception as error:  # each way to fail has its own class: botocore's, a parser's
            reason = (operation, error_code(error) or type(error).__name__, " ".join(str(error).split()))
            self._refuse(role, *reason)
            if error_code(error) == "NoSuchEntity":  # the role was deleted after it was listed
                return None
            self._failures += 1
            patience = OPEN_JOBS if is_denied(error) else FAILURES
            if self._failures >= patience and not (is_denied(error) and self._read):
                raise _GivenUpError(*reason) from error
        return None

    def _patient(self, call: Callable[[], Json]) -> Json:
        """Make a call, again and again while AWS limits the rate.

        Raises:
            Exception: of the call; also where AWS limits the rate for more than a minute.
        """
        for seconds in BACKOFF:
            try:
                return self._spread(call)
            except Exception as error:
                if not is_throttled(error):
                    raise
                self._gap = min(max(0.25, 1.5 * self._gap), 2.0)
                self.options.pause(seconds)
        return self._spread(call)

    def _spread(self, call: Callable[[], Json]) -> Json:
        """Make a call, after a gap that shrinks with each one that AWS answers."""
        if self._gap:
            self.options.pause(self._gap)
        answer = call()
        self._gap = max(0.0, self._gap - 0.005)
        return answer

    # --- Answers ---

    def _refuse(self, role: str, operation: str, code: str, message: str) -> None:
        known = self.refused.get((operation, code))
        others = known.roles if known else ()
        self.refused[operation, code] = RefusedReports(
            operation, code, known.message if known else message, (*others, role)
        )
        self._answered()

    def _answered(self) -> None:
        self._done += 1
        self.options.on_progress(self._done, self._total)
