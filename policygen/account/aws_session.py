"""A boto3 session for reading: its caller, its clients, and the translation of its errors."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from policygen.account.aws_errors import short_name, translated
from policygen.iam.arn import parse

if TYPE_CHECKING:
    from boto3 import Session


def open_session(profile: str | None = None, region: str | None = None) -> Session:
    """Open a boto3 session in `region`, else in AWS_REGION, else where boto3 itself says.

    boto3 alone reads only AWS_DEFAULT_REGION; the command line and the other SDKs put AWS_REGION first.

    Raises:
        AwsError: no such profile, or a damaged configuration (PG-E107).
    """
    import boto3

    with translated(profile=profile or ""):
        return boto3.Session(profile_name=profile, region_name=region or os.environ.get("AWS_REGION") or None)


@dataclass(frozen=True, slots=True)
class Aws:
    """A session, its caller, and the clients made from it.

    `profile` is "" for the default one; `principal` is the short name of the role or user.
    """

    session: Session
    profile: str
    partition: str
    account: str
    principal: str
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False)

    @classmethod
    def identify(cls, session: Session) -> Aws:
        """Ask STS whose credentials they are, which needs no permission.

        Raises:
            AwsError: no credentials, or STS cannot be reached.
        """
        profile = "" if session.profile_name == "default" else session.profile_name
        with translated(service="sts", profile=profile):
            identity = make_client(session, "sts").get_caller_identity()
        arn = parse(identity["Arn"])
        partition = arn.partition if arn else "aws"
        return cls(session, profile, partition, identity["Account"], short_name(identity["Arn"]))

    def regions(self) -> tuple[str, ...]:
        """Return the session's region, as the only one.

        Raises:
            AwsError: it has none (PG-E106).
        """
        from botocore.exceptions import NoRegionError

        with translated(profile=self.profile):
            if not self.session.region_name:
                raise NoRegionError
        return (self.session.region_name,)

    def client(self, service: str, region: str = "") -> Any:
        """Return the client of a service in `region`, else in the session's, else in the partition's first."""
        key = (service, region or _home(self.session))
        if key not in self._clients:
            with self.translating_errors(service):
                self._clients[key] = make_client(self.session, *key)
        return self._clients[key]

    def translating_errors(self, service: str) -> AbstractContextManager[None]:
        """Return a context in which botocore's errors become `AwsError` and name the caller and the action."""
        return translated(service=service, principal=self.principal, profile=self.profile)


def _home(session: Session) -> str:
    # IAM and STS answer for the whole partition; without any region it can only be the default partition.
    return session.region_name or "us-east-1"


def make_client(session: Session, service: str, region: str = "", **config: Any) -> Any:
    """Return a client of the session, in `region` or in the session's own, or the partition's first.

    Args:
        session: whose credentials are used.
        service: as boto3 names it.
        region: where.
        config: more for ``botocore.config.Config``; by default retries stay as AWS_RETRY_MODE, AWS_MAX_ATTEMPTS and the
            profile say.
    """
    from botocore.config import Config

    make: Any = session.client
    return make(
        service, region_name=region or _home(session), config=Config(user_agent_extra=user_agent(), **config)
    )


def user_agent() -> str:
    """Return ``policygen/VERSION``, so that the tool's own calls can be recognised in the log that it reads."""
    try:
        return f"policygen/{version('policygen')}"
    except PackageNotFoundError:
        return "policygen/source"
