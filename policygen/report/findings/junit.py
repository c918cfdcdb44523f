"""Renders findings as JUnit XML: a test case for each finding; a note is skipped, not failed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from policygen.report.findings.report import FindingsReport
from policygen.text import escape_controls

# Characters that XML 1.0 cannot hold (section 2.2).
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(reports: Sequence[FindingsReport]) -> str:
    """Return a suite for each report; a finding below its level is a passed case with its text in ``system-out``."""
    root = Xml.Element("testsuites")
    root.extend(_suite(report) for report in reports)
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _suite(report: FindingsReport) -> Xml.Element:
    from policygen.rightsize.check.check import failing

    failed = {id(finding) for finding in (failing(report.findings, report.fail_on) if report.fail_on else ())}
    suite = Xml.Element("testsuite", name=_text(f"policygen {report.role}"))
    about = [("plan", report.plan)] * bool(report.plan) + [("newly accepted", one) for one in report.newly]
    if about:
        properties = Xml.SubElement(suite, "properties")
        for name, text in about:
            Xml.SubElement(properties, "property", name=name, value=_text(text))
    if report.error:
        case = Xml.SubElement(suite, "testcase", classname="policygen", name=_text(f"{report.role}: checked"))
        Xml.SubElement(case, "error", message=_text(report.error))
    skipped = 0
    for finding in report.findings:
        case = Xml.SubElement(
            suite,
            "testcase",
            classname=_text(f"{finding.file}.{finding.rule.id}"),
            name=_text(f"{finding.subject} {finding.resource}".strip()),
            file=_text(finding.file),
            line=str(finding.place.line),
        )
        place = f"{finding.file}:{finding.place.line}:{finding.place.column}"
        text = "\n".join(map(_text, (finding.message, f"fix: {finding.fix}", place)))
        if id(finding) in failed:
            Xml.SubElement(
                case, "failure", message=_text(finding.rule.title), type=finding.rule.id
            ).text = text
        elif finding.level == "note":
            Xml.SubElement(case, "skipped", message=_text(f"{finding.rule.title}: {finding.message}"))
            skipped += 1
        else:
            Xml.SubElement(case, "system-out").text = text
    if not (report.findings or report.error):
        Xml.SubElement(suite, "testcase", classname="policygen", name=_text(f"{report.role}: nothing found"))
    for key, value in (
        ("tests", len(suite.findall("testcase"))),
        ("failures", len(failed)),
        ("errors", int(bool(report.error))),
        ("skipped", skipped),
    ):
        suite.set(key, str(value))
    return suite


def _text(text: str) -> str:
    """Return foreign text in one line."""
    return _FORBIDDEN.sub("\ufffd", escape_controls(text))
