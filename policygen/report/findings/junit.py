"""Renders findings as JUnit XML: a test case for each rule and line of a gate, for each finding of a plan.

A note is skipped, not failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as Xml

from policygen.gate.findings import Finding
from policygen.gate.report import UNNAMED, FindingsReport
from policygen.report.findings.places import by_place, more_here
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
    from policygen.gate.findings import failing

    failed = {id(finding) for finding in (failing(report.findings, report.fail_on) if report.fail_on else ())}
    suite = Xml.Element("testsuite", name=_text(f"policygen {report.name}"))
    about = [("plan", report.plan)] * bool(report.plan) + [("newly accepted", one) for one in report.newly]
    about += [(UNNAMED, one) for one in report.unnamed]
    about += [("not checked", one) for one in report.unchecked]
    if about:
        properties = Xml.SubElement(suite, "properties")
        for name, text in about:
            Xml.SubElement(properties, "property", name=name, value=_text(text))
    if report.error:
        case = Xml.SubElement(suite, "testcase", classname="policygen", name=_text(f"{report.name}: checked"))
        Xml.SubElement(case, "skipped" if report.unplanned else "error", message=_text(report.error))
    failures, skipped = 0, int(report.unplanned)
    for members in by_place(report, report.findings):
        finding = members[0]
        case = Xml.SubElement(
            suite,
            "testcase",
            classname=_text(f"{finding.file}.{finding.rule.id}"),
            name=_text(_name(members)),
            file=_text(finding.file),
            line=str(finding.place.line),
        )
        text = "\n".join(map(_text, _lines(members)))
        if id(finding) in failed:
            failures += 1
            Xml.SubElement(
                case, "failure", message=_text(finding.rule.title), type=finding.rule.id
            ).text = text
        elif finding.level == "note":
            message = " ".join(filter(None, (finding.message, more_here(members))))
            Xml.SubElement(case, "skipped", message=_text(f"{finding.rule.title}: {message}"))
            skipped += 1
        else:
            Xml.SubElement(case, "system-out").text = text
    if not (report.findings or report.error):
        Xml.SubElement(suite, "testcase", classname="policygen", name=_text(f"{report.name}: nothing found"))
    for key, value in (
        ("tests", len(suite.findall("testcase"))),
        ("failures", failures),
        ("errors", int(bool(report.error) and not report.unplanned)),
        ("skipped", skipped),
    ):
        suite.set(key, str(value))
    return suite


def _name(members: Sequence[Finding]) -> str:
    more = f" and {len(members) - 1:,} more" if len(members) > 1 else ""
    return f"{members[0].subject} {members[0].resource}".strip() + more


def _lines(members: Sequence[Finding]) -> Iterator[str]:
    """Yield what was found, then where."""
    for one in members:
        if len(members) > 1:
            yield one.subject
        yield from (one.message, f"fix: {one.fix}")
    yield f"{members[0].file}:{members[0].place.line}:{members[0].place.column}"


def _text(text: str) -> str:
    """Return foreign text in one line."""
    return _FORBIDDEN.sub("\ufffd", escape_controls(text))
