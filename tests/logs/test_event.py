"""From record to event: what a denial says, what an error code proves, and that every record gives an answer."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policygen.logs.events.event import Event, SkippedRecord, parameters, read_event
from policygen.logs.events.outcome import TELLING_CODES, Denial, Outcome, denial_of, outcome_of
from policygen.logs.events.record import Record
from tests.support import ROOT, SHARED
from tests.support.records import record

DENIALS = json.loads((ROOT / "tests" / "cases" / "events" / "denials.json").read_text())


@pytest.mark.parametrize("case", DENIALS, ids=[case["name"] for case in DENIALS])
def test_a_denial_names_action_resource_and_policy(case: dict[str, Any]) -> None:
    source = case.get("source", "")
    said = denial_of(case["code"], case["message"], source)
    assert said == Denial(
        case["action"],
        case["resource"],
        case["policy_type"],
        case["explicit"],
        case.get("is_dependency", False),
    )
    assert outcome_of(case["code"], source) is Outcome.DENIED


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("", Outcome.USED),
        ("NoSuchKey", Outcome.USED),
        ("ConditionalCheckFailedException", Outcome.USED),
        ("DryRunOperation", Outcome.USED),
        ("EntityAlreadyExists", Outcome.USED),
        ("PermissionLimitExceeded", Outcome.USED),
        ("OptInRequired", Outcome.USED),
        ("ThrottlingException", Outcome.WEAK),
        ("RequestLimitExceeded", Outcome.WEAK),
        ("ValidationException", Outcome.WEAK),
        ("InvalidParameterValue", Outcome.WEAK),
        ("ExpiredToken", Outcome.UNAUTHENTICATED),
        ("InvalidClientTokenId", Outcome.UNAUTHENTICATED),
        ("AuthFailure", Outcome.UNAUTHENTICATED),
        ("AccessDenied", Outcome.DENIED),
        ("AuthorizationError", Outcome.DENIED),
        ("ForbiddenException", Outcome.DENIED),
    ],
)
def test_an_error_code_proves_what_it_can(code: str, outcome: Outcome) -> None:
    assert outcome_of(code) is outcome


@pytest.mark.parametrize(
    ("source", "outcome"), [("cognito-idp", Outcome.USED), ("cognito-identity", Outcome.DENIED)]
)
def test_a_user_pool_that_refuses_an_end_user_had_let_the_caller_in(source: str, outcome: Outcome) -> None:
    event = read_event(
        decode(record({"source": source, "name": "AdminInitiateAuth", "error": "NotAuthorizedException"}))
    )
    assert isinstance(event, Event)
    assert event.outcome is outcome


def test_the_client_prefix_of_ec2_is_no_part_of_the_code() -> None:
    event = read_event(
        decode(record({"source": "ec2", "name": "RunInstances", "error": "Client.UnauthorizedOperation"}))
    )
    assert isinstance(event, Event)
    assert (event.error, event.outcome) == ("UnauthorizedOperation", Outcome.DENIED)


@pytest.mark.parametrize(
    "code",
    [
        "com.example.carts.v20260101#AccessDeniedException",
        "AccessDeniedException:http://internal.example.com/coral/carts/",
        "carts#AccessDeniedException:http://internal.example.com/",
        " AccessDeniedException ",
        "Access Denied Exception",
        "ACCESS_DENIED_EXCEPTION",
        "accessDeniedException",
        "Client.AccessDeniedException",
    ],
)
def test_a_denial_is_one_however_its_code_is_written(code: str) -> None:
    event = read_event(decode(record({"source": "dynamodb", "name": "GetItem", "error": code})))
    assert isinstance(event, Event)
    assert event.outcome is Outcome.DENIED
    assert re.sub(r"[ _]", "", event.error).lower() == "accessdeniedexception"


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 5000])
def test_a_number_out_of_range_does_not_hide_the_names_beside_it(number: str) -> None:
    made = parameters(f'{{"limit": {number}, "tableName": "carts"}}'.encode())
    assert made == {"limit": number, "tableName": "carts"}


CODES = SHARED / "reference" / "authz_error_codes_botocore.json"


# Spoken by a resource's owner or a partner: the caller had been let in.
NOT_IAM = {"AccessToSnapshotDenied", "UnauthorizedPartnerIntegration"}
_SOURCES = {"socialmessaging": "social-messaging"}


@pytest.mark.skipif(not CODES.is_file(), reason="the shared reference is not here")
def test_every_authorisation_error_of_the_service_models_is_a_denial() -> None:
    codes = {
        code: [f"{_SOURCES.get(one, one)}.amazonaws.com" for one in services]
        for code, services in json.loads(CODES.read_text()).items()
        if "Permission" not in code and "OptIn" not in code
    }
    let_in = {
        code
        for code, sources in codes.items()
        for source in sources
        if outcome_of(code, source) is not Outcome.DENIED and source != "cognito-idp.amazonaws.com"
    }
    assert let_in == NOT_IAM
    assert len(codes) > 20


@pytest.mark.parametrize(
    ("source", "code", "outcome"),
    [
        ("swf", "OperationNotPermittedFault", Outcome.DENIED),
        ("elasticloadbalancing", "OperationNotPermittedFault", Outcome.USED),
        ("ram", "OperationNotPermittedException", Outcome.USED),
        ("elasticloadbalancing", "OperationNotPermitted", Outcome.USED),
        ("securityhub", "InvalidAccessException", Outcome.DENIED),
        ("lambda", "InvalidAccessException", Outcome.USED),
        ("sns", "InvalidSecurityException", Outcome.UNAUTHENTICATED),
        ("sqs", "InvalidSecurity", Outcome.UNAUTHENTICATED),
        ("elasticloadbalancing", "InvalidSecurityGroup", Outcome.USED),
        ("lightsail", "UnauthenticatedException", Outcome.UNAUTHENTICATED),
        ("social-messaging", "AccessDeniedByMetaException", Outcome.DENIED),
        ("redshift", "AccessToClusterDenied", Outcome.DENIED),
        ("redshift", "AccessToSnapshotDenied", Outcome.USED),
        ("redshift", "UnauthorizedPartnerIntegration", Outcome.USED),
    ],
)
def test_a_code_means_what_its_service_says_of_it(source: str, code: str, outcome: Outcome) -> None:
    assert outcome_of(code, f"{source}.amazonaws.com") is outcome


def test_the_code_of_every_denial_lets_sql_read_its_message() -> None:
    said = [case["code"] for case in DENIALS] + ["OperationNotPermittedFault", "InvalidAccessException"]
    assert [code for code in said if not re.search(f"(?i){TELLING_CODES}", code)] == []


def decode(raw: dict[str, Any]) -> Record:
    return msgspec.json.decode(json.dumps(raw), type=Record)


TEXTS = st.none() | st.text(max_size=40) | st.sampled_from(["AssumedRole", "Role", "AROAXXXXXXXXXXXXXXXXX:s"])


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "eventID": TEXTS,
            "eventSource": TEXTS,
            "eventName": TEXTS,
            "eventType": TEXTS,
            "eventTime": TEXTS,
            "awsRegion": TEXTS,
            "errorCode": TEXTS,
            "errorMessage": TEXTS,
            "requestParameters": st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(max_size=8),
                lambda inner: (
                    st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
                ),
                max_leaves=8,
            ),
            "userIdentity": st.none()
            | st.fixed_dictionaries(
                {},
                optional={
                    "type": TEXTS,
                    "arn": TEXTS,
                    "principalId": TEXTS,
                    "accountId": TEXTS,
                    "sessionContext": st.none()
                    | st.fixed_dictionaries(
                        {}, optional={"sessionIssuer": st.none() | st.dictionaries(st.just("arn"), TEXTS)}
                    ),
                },
            ),
        },
    )
)
def test_every_record_gives_an_event_or_a_reason(raw: dict[str, Any]) -> None:
    event = read_event(decode(raw))
    if isinstance(event, SkippedRecord):
        assert event.reason
    else:
        assert event.source
        assert isinstance(parameters(event.params), dict)
