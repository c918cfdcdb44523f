"""Errors of botocore become errors of policygen."""

from __future__ import annotations

import inspect
from typing import Any

import botocore.exceptions
import pytest

from policygen.account.aws_errors import is_aws_error, translate, translated
from policygen.errors import AwsError
from tests.support.aws_stubs import cases, client_error, told


@cases("translate.json")
def test_translate(case: dict[str, Any]) -> None:
    if "raise" in case:
        error: Exception = getattr(botocore.exceptions, case["raise"])(**case.get("with", {}))
    else:
        error = client_error(*case["service"])
    answer = translate(error, service="iam", principal="reader", profile="prod")
    assert (answer.code, answer.exit_code) == (case["code"], 5)
    assert [part for part in case["says"] if part not in told(answer)] == []
    assert "\x1b" not in told(answer)


class Anything(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return f"<{key}>"


def botocore_errors() -> list[type[Exception]]:
    found = [
        cls
        for _, cls in inspect.getmembers(botocore.exceptions, inspect.isclass)
        if issubclass(cls, Exception)
    ]
    return [cls for cls in found if cls.__module__ == "botocore.exceptions" and not issubclass(cls, Warning)]


def test_no_class_of_botocore_escapes() -> None:
    walked = botocore_errors()
    assert len(walked) > 90
    for cls in walked:
        error = cls.__new__(cls)
        Exception.__init__(error, getattr(cls, "fmt", "").format_map(Anything()))
        answer = translate(error)
        assert isinstance(answer, AwsError)
        assert answer.hints, cls
        if is_aws_error(error):
            with pytest.raises(AwsError), translated():
                raise error
        else:  # errors of botocore's own data, which no call of ours can bring about
            assert "UndefinedModelAttributeError" in [base.__name__ for base in cls.__mro__]


def test_other_exceptions_are_bugs_and_pass() -> None:
    with pytest.raises(KeyError), translated():
        raise KeyError("x")
