"""Fills the templates of pages; each page is one self-contained HTML file.

Nothing is fetched and nothing is sent: the policy in the page's head forbids all but the style and the script that
the page carries, named by their hashes. Names from logs are escaped by the template engine, after control and
direction marks have been written out. Without scripts a page is complete; the script filters, sorts and copies.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from policygen.files import package_folder
from policygen.plan.fast_json import indented
from policygen.report.suspects import result_in_words, results_in_words
from policygen.report.wording import answer_of, percent
from policygen.text import escape_controls, pluralize, visible_json
from policygen.version import VERSION

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

    from policygen.plan.model_evidence import Seen

_CSS_SPACE = re.compile(r'("[^"]*")|\s*([{};])\s*|([:,])\s+')
"""Space that means nothing; that of a quoted text stays."""

_TAG = re.compile(r"<[a-z][^<>]*>")

_QUOTED = re.compile(r'(?<==)"([\w%.#/-]+)"(?=[ >])')
"""A value that HTML takes without its quotes: https://html.spec.whatwg.org/#unquoted."""

_IMPLIED = re.compile(r"</(?:li|t[dhr]|d[dt]|option)>")
"""An end that HTML implies: https://html.spec.whatwg.org/#optional-tags."""

LONGEST = 600
"""Characters of a name that are shown; a longer one is cut, with its length."""


def fill_template(template: str, *, extra: Sequence[str] = (), **values: Any) -> str:
    """Return a page from a template of this folder.

    Args:
        template: its file.
        extra: styles and scripts that the page carries after those of every page.
        values: what the template shows.
    """
    return _environment().get_template(template).render(values | _assets(("page.css", "page.js", *extra)))


def display_text(text: str) -> str:
    """Return a text in one line, without invisible marks; a very long one is cut, with its length."""
    text = escape_controls(text)
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]}… ({len(text):,} characters) …{text[-LONGEST // 4 :]}"


def fair_share(sizes: Iterable[int], budget: int) -> int:
    """Return how many entries each list may show so that all lists together stay within the budget.

    Shorter lists leave their rest to the others; one entry of each is always shown.
    """
    left, ordered = budget, sorted(sizes)
    for i, size in enumerate(ordered):
        share = left // (len(ordered) - i)
        if size > share:
            return max(1, share)
        left -= size
    return max([1, *ordered])


def document_text(document: Mapping[str, Any], *, dense: bool = False) -> Markup:
    """Return a policy as IAM takes it, for a ``pre``, so that it can be copied from the page.

    Args:
        document: the policy.
        dense: put each statement on one line; else each entry.
    """
    from markupsafe import Markup

    if not (dense and isinstance(document.get("Statement"), list)):
        text = indented(document, 1)
    else:
        lines = ",\n".join(_dense(one) for one in document["Statement"])
        head = _dense({key: value for key, value in document.items() if key != "Statement"})
        text = f'{head[:-1]},"Statement":[\n{lines}\n]}}'
    return Markup(html.escape(visible_json(text), quote=False))  # noqa: S704 escaped


def _dense(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: display_text(value) if type(value) is str else value,
    )
    environment.globals["version"] = VERSION
    environment.filters |= {
        "answer": answer_of,
        "n": _number,
        "count": pluralize,
        "percent": percent,
        "minute": _minute,
        "event_ids": _event_ids,
        "lines": _lines,
        "names": names_text,
        "permissions": _permissions,
        "policy": document_text,
        "words": _words,
        "result": result_in_words,
        "results": results_in_words,
        "seen": _seen,
    }
    return environment


def _template(name: str) -> str:
    """Return the text of a template without quotes, ends and lines that say nothing: hundreds of pages repeat it."""
    text = (package_folder("policygen.report.html") / "templates" / name).read_text("utf-8")
    text = _IMPLIED.sub("", text).replace(">\n\n<", ">\n<")
    return _TAG.sub(lambda tag: _QUOTED.sub(r"\1", tag[0]), text)


@cache
def _assets(names: tuple[str, ...]) -> dict[str, Any]:
    """Return the style and the script of a page, and the security policy that allows these alone."""
    from markupsafe import Markup

    style, script = (
        "".join(_asset(name) for name in names if name.endswith(kind)) for kind in (".css", ".js")
    )
    return {
        "style": Markup(style),  # noqa: S704 ours
        "script": Markup(script),  # noqa: S704 ours
        "security": Markup(  # noqa: S704 ours
            f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
            "base-uri 'none'; form-action 'none'"
        ),
    }


def _asset(name: str) -> str:
    """Return a style or a script without indentation and notes to its authors: hundreds of pages carry it."""
    text = (package_folder("policygen.report.html") / "templates" / name).read_text("utf-8")
    if name.endswith(".css"):
        text = _CSS_SPACE.sub(r"\1\2\3", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL))
        return text.replace(";}", "}")
    return re.sub(r"\n\s+", "\n", re.sub(r"^//.*\n", "", text, flags=re.MULTILINE))


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _number(value: int) -> str:
    return f"{value:,}"


def _words(names: Iterable[str]) -> Markup:
    """Return names as a page shows them, with spaces between: thousands of them in one call."""
    from markupsafe import escape

    return escape(" ".join(map(display_text, names)))


# What stands in hundreds of cells of a page is written here: a macro takes three times as long.


def names_text(names: Sequence[str], limit: int, of: str = "") -> Markup:
    """Return the first names, and how many more there are; `of` says where."""
    return _code(" ".join(map(display_text, names[:limit])), len(names) - limit, of)


def _permissions(actions: Sequence[str], limit: int, of: str = "") -> Markup:
    """Return the first actions by service, and how many more there are; `of` says where."""
    groups: dict[str, list[str]] = {}
    for action in actions[:limit]:
        service, _, name = action.partition(":")
        groups.setdefault(service, []).append(display_text(name))
    text = "; ".join(f"{display_text(service)}: {' '.join(names)}" for service, names in groups.items())
    return _code(text, len(actions) - limit, of)


def _code(text: str, more: int, of: str) -> Markup:
    from markupsafe import Markup, escape

    rest = f" <span class=dim>and {more:,} more{escape(of)}</span>" if more > 0 else ""
    return Markup(f"<code>{escape(text)}</code>{rest}")  # noqa: S704 escaped


def _event_ids(event_ids: Sequence[str]) -> Markup | str:
    from markupsafe import Markup

    if not event_ids:
        return ""
    head = f"<details class=ids><summary>{pluralize(len(event_ids), 'eventID')}</summary>"
    return Markup(f"{head}<code>{_words(event_ids)}</code></details>")  # noqa: S704 escaped


def _seen(one: Seen) -> Markup:
    """Return how often something was seen, and when last."""
    from markupsafe import Markup, escape

    last = f", last <time>{escape(display_text(_minute(one.last)))}</time>" if one.last else ""
    return Markup(f"{one.count:,}×{last}")  # noqa: S704 escaped


def _lines(text: str) -> Markup:
    """Return a text of several lines, for a ``pre``."""
    from markupsafe import Markup

    lines = [html.escape(escape_controls(line), quote=False) for line in text.splitlines()]
    return Markup("\n".join(lines))  # noqa: S704 escaped


def _minute(time: str) -> str:
    """Return an ISO time to the minute, without the T."""
    return time[:16].replace("T", " ")
