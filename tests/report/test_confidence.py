"""A reader of a review sees how sure it is that a permission goes."""

from __future__ import annotations

import pytest

from policygen.report.formats import render
from tests.support.reviews import plan


@pytest.mark.parametrize("name", ["markdown", "html"])
def test_a_review_says_how_sure_each_reason_is(name: str) -> None:
    text = " ".join(render(name, plan("deploy-ci")).split())
    assert "(confidence: high)" in text
    assert "(confidence: medium)" in text
