"""A role that is assumed: its account, its callers' records, and an evaluator of trust policies of the tests' own."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from policygen.account.model import Account
from policygen.account.snapshot import to_account
from policygen.evidence.observe import ObserveOptions
from policygen.evidence.role_assumptions import AssumptionEvidence, collect_assumptions
from policygen.rightsize.principals.options import PrincipalOptions
from policygen.rightsize.trust.suggest import TrustSuggestion, suggest_trust
from tests.support.policy_judge import holds, like, listed, named

ACCOUNT, VENDOR = "111122223333", "444455556666"
TARGET = f"arn:aws:iam::{ACCOUNT}:role/app/target"
TARGET_ID = "AROATARGET00000000001"
GITHUB = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
SAML = f"arn:aws:iam::{ACCOUNT}:saml-provider/CorpIdP"
LAST_DAY = date(2026, 11, 24)
DAYS = [(LAST_DAY - timedelta(days=29 - n)).isoformat() for n in range(30)]
ROLES = ("ci", "team/deploy", "developer", "ops")
USERS = ("ana", "people/bob")
_MANAGEMENT = [{"Field": "eventCategory", "Equals": ["Management"]}]


def unique_id(name: str, account: str = ACCOUNT) -> str:
    """Return the unique id of a role or user, ``role/ci``."""
    letters = re.sub("[^A-Z0-9]", "", f"{name}{account}".upper())
    return f"{'AROA' if name.startswith('role/') else 'AIDA'}{letters:X<17}"[:21]


# ---- the account ---------------------------------------------------------------------------------------


def snapshot(today: Any, account: str = ACCOUNT, **fields: Any) -> dict[str, Any]:
    """Return a snapshot of the role's account, or of a caller's; `fields` replace its own."""
    names = [f"role/{name}" for name in (ROLES if account == ACCOUNT else ("scanner", "billing"))]
    roles = [_role(f"arn:aws:iam::{account}:{name}", unique_id(name, account), {}) for name in names]
    if account == ACCOUNT:
        roles.append(_role(TARGET, TARGET_ID, {"Version": "2012-10-17", "Statement": today}))
    users = [
        {
            "Path": f"/{name.rpartition('/')[0]}/".replace("//", "/"),
            "UserName": name.rpartition("/")[2],
            "UserId": unique_id(f"user/{name}", account),
            "Arn": f"arn:aws:iam::{account}:user/{name}",
            "CreateDate": "2024-01-01T00:00:00+00:00",
            "UserPolicyList": _inline(fields, f"user/{name}"),
        }
        for name in (USERS if account == ACCOUNT else ("auditor",))
    ]
    for role in roles:
        name = role["Arn"].partition(f":{account}:")[2]
        role["RolePolicyList"] = _inline(fields, name)
        if name in fields.get("bounded", {}):
            role["PermissionsBoundary"] = {
                "PermissionsBoundaryType": "Policy",
                "PermissionsBoundaryArn": _boundary_arn(account, name),
            }
        role["InstanceProfileList"] = fields.get("profiles", []) if role["Arn"] == TARGET else []
    trail = {
        "Name": "org",
        "IsMultiRegionTrail": True,
        "HomeRegion": "eu-west-1",
        "TrailARN": "arn:aws:cloudtrail:x",
    }
    trail |= {"S3BucketName": "logs", "IncludeGlobalServiceEvents": True, **fields.get("trail", {})}
    selectors = fields.get("selectors", _MANAGEMENT)
    return {
        "policygen_snapshot": 1,
        "generated_at": "2026-11-24T22:00:00Z",
        "account_id": account,
        "partition": "aws",
        "regions": ["eu-west-1", "us-east-1"],
        "authorization": {
            "UserDetailList": users,
            "GroupDetailList": [],
            "RoleDetailList": roles,
            "Policies": [
                _managed(_boundary_arn(account, name), said)
                for name, said in fields.get("bounded", {}).items()
            ],
        },
        "functions": fields.get("functions", []),
        "function_versions": [],
        "event_source_mappings": [],
        "event_invoke_configs": [],
        "trails": [
            {
                "Trail": trail,
                "Status": {"IsLogging": True, "StartLoggingTime": "2025-01-01T00:00:00Z"},
                "EventSelectors": [],
                "AdvancedEventSelectors": [{"Name": "all", "FieldSelectors": selectors}],
            }
        ],
        **({"organization": fields["organization"]} if "organization" in fields else {}),
        **({"role_settings": fields["role_settings"]} if "role_settings" in fields else {}),
    }


def _inline(fields: dict[str, Any], name: str) -> list[dict[str, Any]]:
    said = fields.get("own", {}).get(name, [])
    return (
        [{"PolicyName": "own", "PolicyDocument": {"Version": "2012-10-17", "Statement": said}}]
        if said
        else []
    )


def _boundary_arn(account: str, name: str) -> str:
    return f"arn:aws:iam::{account}:policy/of-{name.rpartition('/')[2]}"


def _managed(arn: str, said: list[dict[str, Any]]) -> dict[str, Any]:
    version = {
        "VersionId": "v1",
        "IsDefaultVersion": True,
        "Document": {"Version": "2012-10-17", "Statement": said},
    }
    name = arn.rpartition("/")[2]
    return {"PolicyName": name, "Arn": arn, "DefaultVersionId": "v1", "PolicyVersionList": [version]}


def _role(arn: str, role_id: str, trust: dict[str, Any]) -> dict[str, Any]:
    path, _, name = arn.split(":role", 1)[1].rpartition("/")
    return {
        "Path": f"{path}/",
        "RoleName": name,
        "RoleId": role_id,
        "Arn": arn,
        "CreateDate": "2024-03-01T10:00:00+00:00",
        "AssumeRolePolicyDocument": trust or {"Version": "2012-10-17", "Statement": []},
        "RolePolicyList": [],
        "AttachedManagedPolicies": [],
        "Tags": [],
    }


# ---- records -------------------------------------------------------------------------------------------


def records(entry: dict[str, Any], number: int) -> list[dict[str, Any]]:
    """Return the records of an entry of a case: its assumption on each of its days, in one account or in both."""
    days = DAYS[: entry.get("days", 20)]
    return [one for day in days for one in _copies(entry, number, day)]


def _copies(entry: dict[str, Any], number: int, day: str) -> list[dict[str, Any]]:
    by = entry["by"]
    own, other = _own_record(entry, number, day), ""
    if by[:12].isdigit():
        other = by[:12]
    if not other:
        return [own]
    own |= {"sharedEventID": f"shared-{number}-{day}", "recipientAccountId": other}
    who = own["userIdentity"]
    copy = {
        **own,
        "eventID": f"copy-{number}-{day}",
        "recipientAccountId": ACCOUNT,
        "userIdentity": {
            "type": "AWSAccount",
            "principalId": who["principalId"],
            "accountId": other,
        },
    }
    return {"both": [own, copy], "caller": [own], "owner": [copy]}[entry.get("copies", "both")]


def _own_record(entry: dict[str, Any], number: int, day: str) -> dict[str, Any]:
    identity, parameters, answer, event = _caller(entry)
    session = entry.get("session", "s1")
    record = {
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": f"{day}T{9 + number // 60:02}:{number % 60:02}:00Z",
        "eventSource": "sts.amazonaws.com",
        "eventName": event,
        "awsRegion": "eu-west-1",
        "sourceIPAddress": identity.get("invokedBy") or entry.get("address", "203.0.113.7"),
        "userAgent": "aws-cli/2",
        "requestParameters": {
            "roleArn": TARGET,
            "roleSessionName": session,
            **parameters,
            **entry.get("parameters", {}),
        },
        "responseElements": {
            "assumedRoleUser": {"assumedRoleId": f"{entry.get('target_id', TARGET_ID)}:{session}"},
            **answer,
        },
        "eventID": f"event-{number}-{day}",
        "readOnly": True,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    }
    return record | entry.get("record", {})


def _caller(entry: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]:
    """Return userIdentity, parameters, answer and the name of the event."""
    by = entry["by"]
    if by.startswith("github:"):
        subject = by.removeprefix("github:")
        who = {
            "type": "WebIdentityUser",
            "principalId": f"{GITHUB}:sts.amazonaws.com:{subject}",
            "userName": subject,
            "identityProvider": GITHUB,
        }
        answer = {"subjectFromWebIdentityToken": subject, "audience": "sts.amazonaws.com", "provider": GITHUB}
        return who, {}, answer, "AssumeRoleWithWebIdentity"
    if by.startswith("oidc:"):
        url, audience, subject = token(by)
        provider = provider_of(url)
        who = {
            "type": "WebIdentityUser",
            "principalId": f"{provider}:{audience}:{subject}",
            "userName": subject,
            "identityProvider": provider,
        }
        answer = {"subjectFromWebIdentityToken": subject, "audience": audience, "provider": provider}
        return who, {}, answer, "AssumeRoleWithWebIdentity"
    if by.startswith("saml:"):
        user = by.removeprefix("saml:")
        who = {
            "type": "SAMLUser",
            "principalId": f"abc=:{user}",
            "userName": user,
            "identityProvider": "abc=",
        }
        answer = {"audience": "https://signin.aws.amazon.com/saml", "subject": user}
        return who, {"principalArn": SAML}, answer, "AssumeRoleWithSAML"
    if by.endswith(".amazonaws.com"):
        return {"type": "AWSService", "invokedBy": by}, {}, {}, "AssumeRole"
    return _iam_caller(entry, *party(by)), {}, {}, "AssumeRole"


def _iam_caller(entry: dict[str, Any], account: str, name: str, session: str) -> dict[str, Any]:
    arn, id_ = f"arn:aws:iam::{account}:{name}", entry.get("id", unique_id(name, account))
    if name == "root":
        return {"type": "Root", "principalId": account, "arn": arn, "accountId": account}
    attributes = {"mfaAuthenticated": str(entry.get("mfa", False)).lower()}
    if name.startswith("user/"):
        context = {"sessionContext": {"attributes": attributes}} if entry.get("mfa") else {}
        user = {"type": "IAMUser", "principalId": id_, "arn": arn, "accountId": account}
        return {**user, "userName": name.rpartition("/")[2], **context}
    context = {
        "sessionIssuer": {
            "type": "Role",
            "principalId": id_,
            "arn": arn,
            "accountId": account,
            "userName": name,
        },
        "attributes": attributes,
    }
    return {
        "type": "AssumedRole",
        "principalId": f"{id_}:{session}",
        "arn": f"arn:aws:sts::{account}:assumed-role/{name.rpartition('/')[2]}/{session}",
        "accountId": account,
        "sessionContext": context | entry.get("context", {}),
    }


_BUILT_IN = ("cognito-identity.amazonaws.com", "accounts.google.com")
"""Providers that IAM knows without an ARN."""


def provider_of(url: str) -> str:
    """Return the principal of an OIDC provider."""
    return url if url in _BUILT_IN else f"arn:aws:iam::{ACCOUNT}:oidc-provider/{url}"


def token(by: str) -> tuple[str, str, str]:
    """Return provider, audience and subject of ``oidc:gitlab.com|https://gitlab.com|project_path:a/b``."""
    url, audience, subject = by.removeprefix("oidc:").split("|", 2)
    return url, audience, subject


def party(by: str) -> tuple[str, str, str]:
    """Return account, name and session of ``444455556666:role/scanner@s1``."""
    account, _, rest = by.rpartition(":")
    name, _, session = rest.partition("@")
    return account or ACCOUNT, name, session or "s1"


def _uses(number: int, use: dict[str, Any]) -> list[dict[str, Any]]:
    """Return calls that a session of the role made, each day from one place."""
    session, role_id = use["session"], use.get("role_id", TARGET_ID)
    issuer = {
        "type": "Role",
        "principalId": role_id,
        "arn": TARGET,
        "accountId": ACCOUNT,
        "userName": "target",
    }
    who = {
        "type": "AssumedRole",
        "principalId": f"{role_id}:{session}",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/target/{session}",
        "accountId": ACCOUNT,
        "sessionContext": {"sessionIssuer": issuer, "attributes": {"mfaAuthenticated": "false"}},
    }
    endpoint = {"vpcEndpointId": use["endpoint"]} if "endpoint" in use else {}
    return [
        {
            **noise([day], ["eu-west-1"])[0],
            "userIdentity": who,
            "eventTime": f"{day}T12:{number:02}:00Z",
            "sourceIPAddress": use.get("address", "203.0.113.7"),
            "eventID": f"use-{number}-{day}",
            **endpoint,
        }
        for day in DAYS[: use.get("days", 2)]
    ]


def noise(days: list[str], regions: list[str], account: str = ACCOUNT) -> list[dict[str, Any]]:
    """Return someone's calls, so that days and regions count as read."""
    return [
        {
            "eventVersion": "1.11",
            "userIdentity": {
                "type": "IAMUser",
                "principalId": "AIDANOISE",
                "arn": "arn",
                "accountId": account,
            },
            "eventTime": f"{day}T06:00:00Z",
            "eventSource": "ec2.amazonaws.com",
            "eventName": "DescribeRegions",
            "awsRegion": region,
            "sourceIPAddress": "203.0.113.9",
            "eventID": f"noise-{day}-{region}",
            "readOnly": True,
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": account,
            "eventCategory": "Management",
        }
        for day in days
        for region in regions
    ]


# ---- running a case ------------------------------------------------------------------------------------


def accounts_of(case: dict[str, Any]) -> dict[str, Account]:
    """Return the accounts of a case: the role's, and the vendor's where the case knows it."""
    found = {ACCOUNT: to_account(placed(case, snapshot(case["today"], **case.get("snapshot", {}))))}
    if case.get("vendor_known"):
        found[VENDOR] = to_account(placed(case, snapshot([], VENDOR)))
    return found


def placed(case: dict[str, Any], value: Any) -> Any:
    """Return records or a snapshot in the partition of a case, about its role."""
    text = json.dumps(value).replace(TARGET, case.get("target", TARGET))
    name = case.get("target", TARGET).rpartition("/")[2]
    text = text.replace('"RoleName": "target"', f'"RoleName": "{name}"')
    partition = case.get("partition", "aws")
    return json.loads(text.replace("arn:aws:", f"arn:{partition}:").replace('"aws"', f'"{partition}"'))


def all_records(case: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every record of a case."""
    read = case.get("read", {})
    days, regions = DAYS[: read.get("days", 30)], read.get("regions", ["eu-west-1", "us-east-1"])
    found = [one for number, entry in enumerate(case["log"]) for one in records(entry, number)]
    found += [one for number, use in enumerate(case.get("uses", ())) for one in _uses(number, use)]
    return list(placed(case, [*found, *noise(days, regions, read.get("account", ACCOUNT))]))


def evidence_of(case: dict[str, Any], folder: Path) -> AssumptionEvidence:
    """Write the log of a case and read it."""
    path = folder / "trail.json"
    path.write_text(json.dumps({"Records": all_records(case)}))
    account = accounts_of(case)[ACCOUNT]
    options = ObserveOptions(days=30, until=DAYS[-1])
    target = case.get("target", TARGET).replace("arn:aws:", f"arn:{case.get('partition', 'aws')}:")
    return collect_assumptions([path], account.role(target), account, options)


def suggestion_of(case: dict[str, Any], folder: Path) -> TrustSuggestion:
    """Return what policygen suggests for a case."""
    accounts = accounts_of(case)
    options = PrincipalOptions(require=case.get("require", ()), keep=case.get("keep", ()))
    return suggest_trust(evidence_of(case, folder), accounts[ACCOUNT], accounts, options)


# ---- an evaluator of its own ------------------------------------------------------------------------------


def lets_in(
    document: dict[str, Any], by: str, context: dict[str, Any], action: str = "", silent: tuple[str, ...] = ()
) -> bool:
    """Return whether a trust policy lets a caller in; keys that are not given are absent.

    `silent` are policies on the caller's own side that do not allow it: without its "own policies" a caller of the
    role's account does not come in by its account, without its "boundary" neither by its role; by its session, or as
    everyone, it does.
    """
    kind, names, facts, event = identity(by)
    if kind == "AWS" and facts["aws:principalaccount"] == ACCOUNT:
        arn, id_ = facts["aws:principalarn"], facts["aws:userid"].partition(":")[0]
        by_role = {arn, id_} if ":role/" in arn else set()
        names -= {ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root"} if silent else set()
        names -= by_role if "boundary" in silent else set()
    facts = {key.lower(): value for key, value in {**facts, **context}.items()}
    allowed = False
    for one in document["Statement"]:
        wanted = listed(one.get("Action", one.get("NotAction")))
        hit = any(like(pattern.lower(), (action or event).lower()) for pattern in wanted)
        if hit != ("Action" in one) or not named(one, kind, names):
            continue
        if all(
            holds(operator, key, listed(values), facts)
            for operator, keys in one.get("Condition", {}).items()
            for key, values in keys.items()
        ):
            if one["Effect"] == "Deny":
                return False
            allowed = True
    return allowed


def identity(by: str) -> tuple[str, set[str], dict[str, Any], str]:
    """Return a caller's kind, names and condition keys, and the action of the assumption itself."""
    if by.startswith("github:"):
        prefix = GITHUB.partition("provider/")[2]
        claims = {f"{prefix}:sub": by.removeprefix("github:"), f"{prefix}:aud": "sts.amazonaws.com"}
        return "Federated", {GITHUB}, claims, "sts:AssumeRoleWithWebIdentity"
    if by.startswith("oidc:"):
        url, audience, subject = token(by)
        claims = {f"{url}:sub": subject, f"{url}:aud": audience}
        return "Federated", {provider_of(url)}, claims, "sts:AssumeRoleWithWebIdentity"
    if by.startswith("saml:"):
        claims = {"saml:aud": "https://signin.aws.amazon.com/saml"}
        return "Federated", {SAML}, claims, "sts:AssumeRoleWithSAML"
    if by.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return "Service", {by}, {}, "sts:AssumeRole"
    account, name, session = party(by)
    arn, id_ = f"arn:aws:iam::{account}:{name}", unique_id(name, account)
    names = {arn, id_, account, f"arn:aws:iam::{account}:root"}
    facts = {
        "aws:principalarn": arn,
        "aws:userid": id_,
        "aws:principalaccount": account,
        "sts:rolesessionname": "s1",
    }
    if name.startswith("role/"):
        names.add(f"arn:aws:sts::{account}:assumed-role/{name.rpartition('/')[2]}/{session}")
        facts["aws:userid"] = f"{id_}:{session}"
    else:
        facts["aws:username"] = name.rpartition("/")[2]
    return "AWS", names, facts, "sts:AssumeRole"
