"""Findings as JUnit XML: a test case a finding; what no evidence can decide is skipped, not failed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from policygen.report.findings.report import FindingsReport
from policygen.text import escape_controls

# What XML 1.0 cannot hold at all (section 2.2).
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(reports: Sequence[FindingsReport]) -> str:
    """A suite a report; what is below the report's level is a passed case with its text in ``system-out``."""
    root = Xml.Element("testsuites")
    root.extend(_suite(report) for report in reports)
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _suite(report: FindingsReport) -> Xml.Element:
    from policygen.rightsize.check.check import failing

    failed = {id(one) for one in (failing(report.findings, report.fail_on) if report.fail_on else ())}
    suite = Xml.Element("testsuite", name=_text(f"policygen {report.role}"))
    skipped = 0
    for one in report.findings:
        case = Xml.SubElement(
            suite,
            "testcase",
            classname=_text(f"{one.file}.{one.rule.id}"),
            name=_text(f"{one.subject} {one.resource}".strip()),
            file=_text(one.file),
            line=str(one.place.line),
        )
        place = f"{one.file}:{one.place.line}:{one.place.column}"
        text = "\n".join(map(_text, (one.message, f"fix: {one.fix}", place)))
        if id(one) in failed:
            Xml.SubElement(case, "failure", message=_text(one.rule.title), type=one.rule.id).text = text
        elif one.level == "note":
            Xml.SubElement(case, "skipped", message=_text(f"{one.rule.title}: {one.message}"))
            skipped += 1
        else:
            Xml.SubElement(case, "system-out").text = text
    if not report.findings:
        Xml.SubElement(suite, "testcase", classname="policygen", name=_text(f"{report.role}: nothing found"))
    for key, value in (
        ("tests", len(suite)),
        ("failures", len(failed)),
        ("errors", 0),
        ("skipped", skipped),
    ):
        suite.set(key, str(value))
    return suite


def _text(text: str) -> str:
    """Text of anybody in one line."""
    return _FORBIDDEN.sub("\ufffd", escape_controls(text))
