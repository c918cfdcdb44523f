"""Make the pages that come from the code, and the site.

``python -m docs.make`` writes ``docs/reference/python.md`` and builds the site into ``build/site`` with zensical; it
needs no network. A link that leads nowhere is an error.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path

import policygen

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PYTHON_PAGE = DOCS / "reference" / "python.md"
CONFIG = ROOT / "zensical.toml"

_INTRODUCTION = """\
# Python

`import policygen` has these names; everything else is private and may change. This page is made from the docstrings.

```python
import policygen as pg

found = pg.suggest("orders-api", "samples/trail", days=30, snapshot="samples/account.json")
print(found.policy.to_json(2))
pg.requests_frame(found).groupby("action")["n"].sum()
```
"""
_SECTION = re.compile(r"^(Args|Raises|Returns|Columns):(.*)$")
_ITEM = re.compile(r"^    (\w[\w, ]*): (.*)$")
_WITH_ITEMS = frozenset({"Args", "Raises"})
_REFERENCE = re.compile(r"(?<!`)`(pg\.|policygen\.)?([\w.]+)`(?!`)")
_PAGE = re.compile(r"\bdocs/([\w/-]+)\.md")
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")


def python_page() -> str:
    """Return the page of the public names, functions first."""
    names = sorted(policygen.__all__, key=lambda name: (inspect.isclass(getattr(policygen, name)), name))
    return "\n".join([_INTRODUCTION, *(_entry(name, getattr(policygen, name)) for name in names)])


def _entry(name: str, thing: object) -> str:
    text = _markdown(inspect.getdoc(thing) or "", name)
    if not inspect.isclass(thing):
        return f"## {name}\n\n```python\n{_signature(name, thing)}\n```\n\n{text}"
    members = _members(thing)
    whole = [member for member, value in members.items() if _is_whole(value)]
    short = [f"- `{one}`: {_first_sentence(value)}" for one, value in members.items() if one not in whole]
    fields = "\n".join(_fields(thing))
    parts = [
        text,
        f"**Fields**:\n\n{fields}\n" if fields else "",
        "\n".join(short) + "\n" if short else "",
        *(_member(name, one, members[one]) for one in whole),
    ]
    return f"## {name}\n\n" + "\n".join(part for part in parts if part)


def _members(thing: type) -> dict[str, object]:
    """Return the public methods and properties of a class by name."""
    return {
        member: value
        for member, value in sorted(vars(thing).items())
        if not member.startswith("_")
        and (inspect.isfunction(value) or isinstance(value, property | cached_property))
    }


def _is_whole(member: object) -> bool:
    """Return whether a member has an entry of its own, and not a line: its docstring has an example."""
    return "\nExample:\n" in (inspect.getdoc(member) or "")


@cache
def _anchors() -> dict[str, str]:
    """Return each public name and member that has an entry, with the anchor of that; of two alike, the first."""
    things = {name: getattr(policygen, name) for name in policygen.__all__}
    classes = {name: _members(thing) for name, thing in things.items() if inspect.isclass(thing)}
    entries = [*sorted(things, key=lambda name: name in classes)]
    entries += [
        f"{of}.{name}" for of, members in classes.items() for name in members if _is_whole(members[name])
    ]
    first: dict[str, str] = {}
    for entry in entries:
        first.setdefault(entry.replace(".", "").lower(), entry)
    return {entry: anchor for anchor, entry in first.items()}


def _linked(text: str, of: str) -> str:
    """Link what a docstring names in single backticks, a member of its class first, and the pages that it names."""

    def link(found: re.Match[str]) -> str:
        member = "" if found[1] else f"{of}.{found[2]}"
        anchor = _anchors().get(member) or _anchors().get(found[2])
        return f"[{found[0]}](#{anchor})" if anchor else found[0]

    def page(found: re.Match[str]) -> str:
        return f"[{Path(found[1]).name}](../{found[1]}.md)"

    return _PAGE.sub(page, _REFERENCE.sub(link, text))


def _member(of: str, name: str, thing: object) -> str:
    """Return the entry of a method, or of a frame that is made when it is first looked at."""
    text = _markdown(inspect.getdoc(thing) or "", of)
    head = f"### `{of}.{name}`\n\n"
    return (
        f"{head}{text}"
        if not inspect.isfunction(thing)
        else f"{head}```python\n{_signature(name, thing)}\n```\n\n{text}"
    )


def _fields(thing: type) -> Iterator[str]:
    """Yield a line for each field of a class: its name, its type, and what is written below it."""
    (body,) = (one.body for one in ast.parse(inspect.getsource(thing)).body if isinstance(one, ast.ClassDef))
    for field, below in pairwise([*body, ast.Pass()]):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            said = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
            text = " ".join(str(below.value.value).split()).replace("``", "`") if said else ""  # type: ignore[attr-defined]
            kind = ast.unparse(field.annotation)
            yield f"- `{field.target.id}` (`{kind}`){f': {text}' if text else ''}"


def _signature(name: str, function: object) -> str:
    """Return a function's signature, a parameter a line where it is long."""
    signature = inspect.signature(function)  # type: ignore[arg-type]
    found = [one for one in signature.parameters.values() if one.name != "self"]
    parameters = [
        f"{'**' * (one.kind is one.VAR_KEYWORD)}{one.name}: {one.annotation}"
        + ("" if one.default is one.empty else f" = {one.default!r}")
        for one in found
    ]
    keyword_only = [one.kind is one.KEYWORD_ONLY for one in found]
    if True in keyword_only:
        parameters.insert(keyword_only.index(True), "*")
    short = f"{name}({', '.join(parameters)}) -> {signature.return_annotation}"
    separator = ",\n    "
    return (
        short
        if len(short) <= 100
        else (f"{name}(\n    {separator.join(parameters)},\n) -> {signature.return_annotation}")
    )


def _first_sentence(value: object) -> str:
    return " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split()).replace("``", "`")


def _markdown(docstring: str, of: str) -> str:
    """Turn a docstring's sections into lists; a line that continues an item is joined to it."""
    text, example, code = docstring.partition("\nExample:\n")
    text = _linked(text, of).replace("``", "`")
    lines: list[str] = []
    within = ""
    for line in text.splitlines():
        if section := _SECTION.match(line):
            within = section[1]
            lines += [f"**{within}**:{section[2]}", ""] if not section[2] else [f"**{within}**:{section[2]}"]
        elif within in _WITH_ITEMS and (item := _ITEM.match(line)):
            lines.append(f"- `{item[1]}`: {item[2]}")
        elif within and line.startswith("     "):
            lines[-1] += " " + line.strip()
        else:
            within = within if line else ""
            lines.append(line.strip())
    if example:
        lines += ["", "**Example**:", "", "```pycon", *inspect.cleandoc(code).splitlines(), "```"]
    return "\n".join(lines) + "\n"


def prepare(target: Path) -> None:
    """Copy the pages into a folder for the site. A link out of ``docs/`` becomes one to the repository."""
    repository = tomllib.loads(CONFIG.read_text("utf-8"))["project"]["repo_url"]
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(DOCS, target, ignore=shutil.ignore_patterns("*.py", "__pycache__", "examples"))
    for page in target.rglob("*.md"):
        original = DOCS / page.relative_to(target)

        def outside(link: re.Match[str], original: Path = original) -> str:
            linked = Path(os.path.normpath(original.parent / link[1]))
            copied = target / linked.relative_to(DOCS) if linked.is_relative_to(DOCS) else None
            return (
                link[1]
                if copied and copied.exists()
                else f"{repository}/blob/main/{linked.relative_to(ROOT)}"
            )

        page.write_text(_LINK.sub(outside, page.read_text("utf-8")), "utf-8")


def build() -> int:
    """Build the site; the exit code of zensical, 0 if every link leads somewhere."""
    prepare(ROOT / "build" / "docs")
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "--config-file", str(CONFIG)]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    PYTHON_PAGE.write_text(python_page(), "utf-8")
    sys.exit(build())
