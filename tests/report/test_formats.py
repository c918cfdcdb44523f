"""Every output format of the table, for every role of the samples."""

from __future__ import annotations

import pytest

from policygen.report.formats import FORMATS
from tests.support.golden import rendered as render
from tests.support.samples import EVERY_SAMPLE, sample


@EVERY_SAMPLE
@pytest.mark.parametrize("name", FORMATS)
def test_a_format_writes_every_sample_as_text_that_ends_its_last_line(
    name: str, role: str, today: bool
) -> None:
    made = render(name, sample(role, today))
    assert made.strip()
    assert made.endswith("\n")
