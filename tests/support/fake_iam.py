"""An IAM that makes last-accessed reports, limits the rate of calls, and refuses what a test wants refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from tests.support.aws_stubs import client_error

MADE = datetime(2026, 11, 24, 22, 31, tzinfo=UTC)


def role_arn(name: str) -> str:
    return f"arn:aws:iam::123456789012:role/{name}"


class FakeIam:
    """The two calls that reports take, with a clock that only `pause` and the calls themselves move.

    A job is ready some seconds after its start. The rate is limited by a bucket that fills with `rate` calls a second
    and holds `burst`.
    """

    def __init__(
        self,
        *,
        ready: Callable[[str], float] = lambda _: 4.0,
        rate: float = 1e9,
        burst: float = 1e9,
        refused: Iterable[str] = (),
        services: int = 2,
        page: int = 1000,
    ) -> None:
        self.now, self.calls, self.throttled = 0.0, Counter[str](), 0
        self.ready, self.rate, self.burst, self.refused = ready, rate, burst, set(refused)
        self.services, self.page = services, page
        self.most_open, self._open, self._started = 0, set[str](), dict[str, float]()
        self._tokens, self._filled = burst, 0.0

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def clock(self) -> float:
        return self.now

    def generate_service_last_accessed_details(self, *, Arn: str, Granularity: str) -> dict[str, Any]:
        assert Granularity == "ACTION_LEVEL"
        self._count(Arn, "GenerateServiceLastAccessedDetails")
        if Arn in self.refused:
            raise client_error("AccessDenied", "no", "GenerateServiceLastAccessedDetails")
        self._started[Arn] = self.now
        self._open.add(Arn)
        self.most_open = max(self.most_open, len(self._open))
        return {"JobId": Arn}

    def get_service_last_accessed_details(
        self,
        *,
        JobId: str,
        MaxItems: int,
        Marker: str = "0",
    ) -> dict[str, Any]:
        self._count(JobId, "GetServiceLastAccessedDetails")
        if self.now - self._started[JobId] < self.ready(JobId):
            return {"JobStatus": "IN_PROGRESS", "JobCreationDate": MADE, "ServicesLastAccessed": []}
        self._open.discard(JobId)
        begin, size = int(Marker), min(MaxItems, self.page)
        rows = [{"ServiceName": "x", "ServiceNamespace": f"s{one:03}"} for one in range(self.services)]
        more = begin + size < self.services
        return {
            "JobStatus": "COMPLETED",
            "JobCreationDate": MADE,
            "JobCompletionDate": MADE,
            "ServicesLastAccessed": rows[begin : begin + size],
            "IsTruncated": more,
            **({"Marker": str(begin + size)} if more else {}),
        }

    def _count(self, role: str, operation: str) -> None:
        self.calls[role] += 1
        self.now += 0.1  # the way to AWS and back
        self._tokens = min(self.burst, self._tokens + (self.now - self._filled) * self.rate)
        self._filled = self.now
        if self._tokens < 1:
            self.throttled += 1
            raise client_error("Throttling", "Rate exceeded", operation)
        self._tokens -= 1
