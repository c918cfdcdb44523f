"""Who used a role's credentials, and through which channel, according to the session's name and the user agent.

The caller chooses the user agent: an odd one is a sign of misuse, a usual one proves nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

import msgspec

Channel = Literal["runtime", "service", "platform", "presigned", "console", "interactive", "desktop", "other"]
"""``runtime``: an SDK that names Lambda's environment; ``service``: an AWS service with the role's rights;
``platform``: Lambda's own poller or network; ``presigned``: a link that the workload signed and anybody may have used;
``console``: the AWS console, its shell or a browser; ``interactive``: a command line or tool of people; ``desktop``:
any program on a personal computer; ``other``."""


class CredentialUse(msgspec.Struct, frozen=True, gc=False, array_like=True, cache_hash=True):
    """What the credentials of a call were issued to, and through which channel they were used."""

    function: str = ""
    """ARN of what the credentials were issued to (1.6.1); else the session's name where the user agent is Lambda's
    runtime, which names its sessions after the function (1.6.4); else ""."""
    channel: Channel = "other"

    @property
    def of_function(self) -> bool:
        """Whether the credentials were issued to a Lambda function, not to an instance or to something unknown."""
        return bool(self.function) and (":function:" in self.function or not self.function.startswith("arn:"))


# SDKs append the value of AWS_EXECUTION_ENV, ``exec-env/AWS_Lambda_python3.12`` (1.6.4).
_RUNTIME = re.compile(r"exec-env/AWS_Lambda", re.I)
_PLATFORM = re.compile(r"\[?awslambda-worker(?:/|\]?$)", re.I)
# Sessions of tracing, pollers and network interfaces, with the function's role (1.6.4).
_PLATFORM_SESSION = re.compile(r"tracing$|awslambda_")
_SERVICE = re.compile(r"([a-z0-9-]+\.)+(amazonaws\.com(\.cn)?|aws\.internal)|AWS Internal", re.I)
# The product's name stands as a whole in both: an application may have such a word in its own name.
_CONSOLE = re.compile(
    r"(?:^|[\[ ])(?:S3Console|AWSCloudShell|Mozilla)/"
    r"|exec-env/CloudShell|\b(?:console|signin)\.(?:[a-z0-9-]+\.)?amazonaws\.com",
    re.I,
)
# Command lines and tools that people run by hand.
_INTERACTIVE = re.compile(
    r"(?:^|[\[ ])(?:aws-cli|AWSPowerShell|aws-vault|PostmanRuntime|curl)/"
    r"|(?:^|[\[ ])(?:Cyberduck|S3 ?Browser)"
    r"|(?:^|[\[ ])prowler",
    re.I,
)


# Systems of personal computers, as SDKs and browsers name them: macOS, Windows' Linux, Docker's Linux on either; and
# distributions and tools that serve to break in. No function or task runs on these.
_DESKTOP = re.compile(
    r"\bdarwin\b|\bos/macos\b|mac[_ ]os[_ ]x|macintosh|linuxkit|microsoft-standard|\b(?:kali|parrotos|pentoo)\b"
    r"|(?:^|[\[ ])(?:pacu|stratus-red-team|ScoutSuite|cloudfox|enumerate-iam)",
    re.I,
)


@lru_cache(maxsize=4096)
def channel_of(agent: str, via: str = "", from_ip_address: bool = False) -> Channel:
    """Return the channel of a user agent; `via` is userIdentity.invokedBy, whose calls have no IP address (1.5.3)."""
    if via or (_SERVICE.fullmatch(agent) and not from_ip_address):
        return "console" if not via and "console" in agent.lower() else "service"
    if _RUNTIME.search(agent):
        return "runtime"
    if _PLATFORM.match(agent):
        return "platform"
    if _DESKTOP.search(agent):
        return "desktop"
    if _CONSOLE.search(agent):
        return "console"
    return "interactive" if _INTERACTIVE.search(agent) else "other"


@lru_cache(maxsize=4096)
def credential_use_of(
    function: str,
    session: str,
    agent: str,
    via: str,
    from_ip_address: bool = False,
    presigned: bool = False,
    from_console: bool = False,
) -> CredentialUse:
    """Return who used the credentials of a call, and through which channel.

    Args:
        function: inScopeOf.credentialsIssuedTo, or "".
        session: the session's name.
        agent: the user agent.
        via: userIdentity.invokedBy, or "".
        from_ip_address: whether the call came from an IP address: then no service made it, whatever the agent says.
        presigned: whether the signature came in the URL.
        from_console: whether the record says that the session is of the console (1.6.6).
    """
    channel: Channel = "presigned" if presigned else channel_of(agent, via, from_ip_address)
    if from_console and channel != "service":
        channel = "console"
    if channel == "other" and _PLATFORM_SESSION.match(session):
        channel = "platform"
    return CredentialUse(function or (session if channel == "runtime" else ""), channel)
