"""Who used a role's credentials, and in what manner: by what the record says of the session and of the agent.

A user agent is the caller's own word. It can betray somebody who did not think of it, and clears nobody.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

import msgspec

Channel = Literal["runtime", "service", "platform", "presigned", "interactive", "other"]
"""``runtime``: an SDK that names Lambda's environment; ``service``: an AWS service with the role's rights;
``platform``: Lambda's own poller or network; ``presigned``: a link that the workload signed, in whoever's hands;
``interactive``: a command line, console or browser; ``other``."""


class CredentialUse(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What the credentials of a call were issued to, and how they were used."""

    function: str = ""
    """ARN of what the credentials were issued to (1.6.1), else the session's name where the agent is Lambda's
    runtime, whose sessions are called like the function (1.6.4), else ""."""
    channel: Channel = "other"

    @property
    def of_function(self) -> bool:
        """Whether the credentials are a Lambda function's, and not those of an instance or of nobody named."""
        return bool(self.function) and (":function:" in self.function or not self.function.startswith("arn:"))


# SDKs append the value of AWS_EXECUTION_ENV, ``exec-env/AWS_Lambda_python3.12`` (1.6.4).
_RUNTIME = re.compile(r"exec-env/AWS_Lambda", re.I)
_PLATFORM = re.compile(r"\[?awslambda-worker/", re.I)
# Sessions of tracing, pollers and network interfaces, with the function's role (1.6.4).
_PLATFORM_SESSION = re.compile(r"tracing$|awslambda_")
_SERVICE = re.compile(r"([a-z0-9-]+\.)+(amazonaws\.com(\.cn)?|aws\.internal)|AWS Internal", re.I)
# Command lines, consoles, browsers, and tools that people run by hand; as products name themselves, not as words
# anywhere in an application's own name.
_INTERACTIVE = re.compile(
    r"(?:^|[\[ ])(?:aws-cli|S3Console|AWSCloudShell|Mozilla|AWSPowerShell|aws-vault|PostmanRuntime|curl)/"
    r"|(?:^|[\[ ])(?:Cyberduck|S3 ?Browser)"
    r"|exec-env/CloudShell|\b(?:console|signin)\.(?:[a-z0-9-]+\.)?amazonaws\.com"
    r"|\b(?:kali|parrotos|pentoo)\b|(?:^|[\[ ])(?:pacu|stratus-red-team|prowler|ScoutSuite|cloudfox|enumerate-iam)",
    re.I,
)


@lru_cache(maxsize=4096)
def channel_of(agent: str, via: str = "", from_ip_address: bool = False) -> Channel:
    """The manner of a user agent; `via` is userIdentity.invokedBy, whose calls have no IP address (1.5.3)."""
    if via or (_SERVICE.fullmatch(agent) and not from_ip_address):
        return "interactive" if not via and "console" in agent.lower() else "service"
    if _RUNTIME.search(agent):
        return "runtime"
    if _PLATFORM.match(agent):
        return "platform"
    return "interactive" if _INTERACTIVE.search(agent) else "other"


@lru_cache(maxsize=4096)
def credential_use_of(
    function: str, session: str, agent: str, via: str, from_ip_address: bool = False, presigned: bool = False
) -> CredentialUse:
    """The user of a call.

    Args:
        function: inScopeOf.credentialsIssuedTo, or "".
        session: the session's name.
        agent: the user agent.
        via: userIdentity.invokedBy, or "".
        outside: whether the call came from an IP address, so that an agent that names a service is only said to.
        presigned: whether the signature came in the URL.
    """
    channel: Channel = "presigned" if presigned else channel_of(agent, via, from_ip_address)
    if channel == "other" and _PLATFORM_SESSION.match(session):
        channel = "platform"
    return CredentialUse(function or (session if channel == "runtime" else ""), channel)
