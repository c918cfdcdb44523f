"""Records that are not calls of the account's roles: services, users, root, and other accounts' copies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from random import Random

from .calls import NOUNS, Call, assumption, caller_identity, ec2_describe, hex_uuid, stacks
from .operations import HIDDEN, Place
from .record import Caller, Record, record, session
from .roles import Role

_SERVICES = ("lambda", "ec2", "ecs-tasks", "states", "config", "autoscaling")


def other(rng: Random, at: Place, role: Role, when: datetime) -> Record:
    """Return a record whose caller is not a role; `role` is a role that a service may assume."""
    return rng.choices((_assumed, _bucket_asked, _user, _root, _sign_in, _rotated), (45, 12, 30, 3, 3, 7))[0](
        rng, at, role, when
    )


def _service(name: str, account: str) -> Caller:
    host = f"{name}.amazonaws.com"
    return Caller({"type": "AWSService", "invokedBy": host}, host, host, account)


def _plain(made: Record) -> Record:
    """Return a record without its error: calls that AWS's services make for themselves succeed."""
    return {name: value for name, value in made.items() if name not in {"errorCode", "errorMessage"}}


def _assumed(rng: Random, at: Place, role: Role, when: datetime) -> Record:
    """Return a record of a service that assumes a role, to do the account's work (1.4.6)."""
    caller = _service(rng.choice(_SERVICES), at.account)
    call = assumption(rng, role.arn, role.id, role.name[:60])
    return _plain(record(rng, caller, call, at.region, when, {"sharedEventID": hex_uuid(rng)}))


def _bucket_asked(rng: Random, at: Place, role: Role, when: datetime) -> Record:  # noqa: ARG001
    bucket = f"trail-{at.account}"
    params = {"bucketName": bucket, "Host": f"{bucket}.s3.{at.region}.amazonaws.com", "acl": ""}
    owned = {"accountId": at.account, "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}"}
    call = Call("s3", "GetBucketAcl", "s3:GetBucketAcl", params, True, [owned])
    shared = {"sharedEventID": hex_uuid(rng)}
    return _plain(record(rng, _service("cloudtrail", at.account), call, at.region, when, shared))


def _user(rng: Random, at: Place, role: Role, when: datetime) -> Record:  # noqa: ARG001
    name = f"svc-{rng.choice(NOUNS)}"
    identity = {
        "type": "IAMUser",
        "principalId": f"AIDA{sum(name.encode()):017d}",
        "arn": f"arn:aws:iam::{at.account}:user/{name}",
        "accountId": at.account,
        "accessKeyId": f"AKIA{sum(name.encode()):016d}",
        "userName": name,
    }
    agent = "aws-cli/2.31.6 md/awscrt#0.27.6 ua/2.1 os/linux#6.8.0 md/arch#x86_64 lang/python#3.13.7"
    caller = Caller(identity, f"198.51.100.{rng.randrange(1, 255)}", agent, at.account)
    make: Callable[[Random, Place], Call] = rng.choice((ec2_describe, stacks, caller_identity))
    return record(rng, caller, make(rng, at), at.region, when)


def _root(rng: Random, at: Place, role: Role, when: datetime) -> Record:  # noqa: ARG001
    who = f"arn:aws:iam::{at.account}:root"
    identity = {"type": "Root", "principalId": at.account, "arn": who, "accountId": at.account}
    caller = Caller(identity, "203.0.113.7", "Mozilla/5.0 (X11; Linux x86_64) Firefox/143.0", at.account)
    return record(rng, caller, caller_identity(rng, at), at.region, when)


def _sign_in(rng: Random, at: Place, role: Role, when: datetime) -> Record:
    made = _plain(_root(rng, at, role, when))
    return made | {
        "eventSource": "signin.amazonaws.com",
        "eventName": "ConsoleLogin",
        "responseElements": {"ConsoleLogin": "Success"},
        "additionalEventData": {"LoginTo": "https://console.aws.amazon.com", "MFAUsed": "Yes"},
        "readOnly": False,
        "eventType": "AwsConsoleSignIn",
    }


def _rotated(rng: Random, at: Place, role: Role, when: datetime) -> Record:  # noqa: ARG001
    """Return a service event: AWS acts on its own, so that the identity has no type (1.2.2)."""
    caller = _service("secretsmanager", at.account)
    call = Call("secretsmanager", "RotationSucceeded", "", None, False)
    made = _plain(record(rng, caller, call, at.region, when))
    return made | {
        "userIdentity": {"accountId": at.account, "invokedBy": "secretsmanager.amazonaws.com"},
        "eventType": "AwsServiceEvent",
        "serviceEventDetails": {
            "secretId": f"arn:aws:secretsmanager:{at.region}:{at.account}:secret:db-AbCdEf"
        },
    }


def crossing(rng: Random, role: Role, into: str, region: str, when: datetime) -> tuple[Record, Record]:
    """Return both records of a role that assumes another account's role: its own, and that account's copy (1.4.3)."""
    caller = session(rng, role, region, when)
    target = f"arn:aws:iam::{into}:role/{role.app}-reader"
    call = assumption(rng, target, f"AROA{sum(target.encode()):017d}", "reader")
    own = _plain(record(rng, caller, call, region, when, {"sharedEventID": hex_uuid(rng)}))
    stranger = {
        "type": "AWSAccount",
        "principalId": caller.identity["principalId"],
        "accountId": role.account,
    }
    copy = own | {"userIdentity": stranger, "eventID": hex_uuid(rng), "recipientAccountId": into}
    return own, copy


def stopped(rng: Random, role: Role, region: str, when: datetime) -> Record:
    """Return a record of a trail that is stopped or started."""
    name = rng.choice(("StopLogging", "StartLogging"))
    trail = f"arn:aws:cloudtrail:{region}:{role.account}:trail/everything"
    call = Call("cloudtrail", name, f"cloudtrail:{name}", {"name": trail}, False)
    return _plain(record(rng, session(rng, role, region, when), call, region, when))


def deployed(rng: Random, role: Role, region: str, when: datetime) -> Record:
    """Return a record of a function that gets new code."""
    params = {"functionName": f"{role.app}-orders", "zipFile": HIDDEN, "publish": True, "dryRun": False}
    call = Call("lambda", "UpdateFunctionCode20150331v2", "lambda:UpdateFunctionCode", params, False)
    return _plain(record(rng, session(rng, role, region, when), call, region, when))
