"""Reads the policy files that a command names: documents, and templates that hold policies of a role."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from policygen.iam.locations import Location
    from policygen.iam.locations import Path as Place
    from policygen.rightsize.check.findings import PolicySource
    from policygen.rightsize.check.templates.context import TemplateContext

_YAML = (".yaml", ".yml")

_LARGEST = 100_000
"""Characters without white space of a document, ten times what IAM takes of a role: no more is compared."""


def policies_of(path: Path, context: TemplateContext | None = None) -> list[PolicySource]:
    """Read the policies of a file, or of the ``.json`` files of a folder by name; ``-`` is standard input.

    A file is one document, or ``{"policies": [{"name", "document"}]}``, as ``policygen suggest -f policy`` writes where
    one document is too small; or the JSON of ``terraform show``, or a template of CloudFormation or SAM. ``FILE#NAME``
    is the role of that address or logical name in a template.

    Args:
        path: the file.
        context: the role whose policies a template is read for; None to refuse templates.

    Raises:
        UsageError: PG-E219, a file cannot be read or a folder has none; PG-E210, a document is not a policy; PG-E250 to
            PG-E252, of a template.
    """
    file, mark, name = str(path).rpartition("#")
    if mark and context and not path.exists():
        from msgspec.structs import replace

        return policies_of(Path(file), replace(context, role=name))
    if path.is_dir():
        files = sorted(path.glob("*.json"))
        if not files:
            raise _unreadable(str(path), "the folder holds no .json file")
        return [source for file in files for source in policies_of(file, context)]
    return _sources(*policy_text(path), context)


def policy_text(path: Path) -> tuple[str, str]:
    """Return the name of a file, for people, and its text; ``-`` is standard input.

    Raises:
        UsageError: PG-E219, it cannot be read.
    """
    name = "standard input" if str(path) == "-" else str(path)
    try:
        text = sys.stdin.read().removeprefix("\ufeff") if str(path) == "-" else path.read_text("utf-8-sig")
    except OSError as error:
        raise _unreadable(name, error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise _unreadable(name, "it is not UTF-8") from None
    return name, text


def _sources(name: str, text: str, context: TemplateContext | None) -> list[PolicySource]:
    from policygen.iam.document import parse_policy
    from policygen.rightsize.check.findings import PolicySource, policy_source
    from policygen.text import escape_controls

    shown = escape_controls(name)
    places: dict[Place, Location] | None = None
    if name.lower().endswith(_YAML):
        from policygen.rightsize.check.templates.yaml_template import parse_yaml_template

        content, found = parse_yaml_template(text, shown)
        places = dict(found)
    else:
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            content = None
    if isinstance(content, dict) and isinstance(content.get("policies"), list):
        if not content["policies"]:
            raise _unreadable(name, "it holds no policy")
        members = content["policies"]
        documents = [one.get("document", one) if isinstance(one, dict) else one for one in members]
        return [
            PolicySource(
                shown, "", parse_policy(json.dumps(document), f"{name}, policy {number}", exact=True)
            )
            for number, document in enumerate(documents, 1)
        ]
    template = _of_template(shown, text, content, places, context) if isinstance(content, dict) else None
    if template is not None:
        return template
    if places is not None:
        raise _unreadable(name, "it is no template of CloudFormation or SAM")
    size = len(json.dumps(content, separators=(",", ":"))) if len(text) > _LARGEST else 0
    if size > _LARGEST:
        raise _unreadable(name, f"it has {size:,} characters, and IAM takes at most 10,240 of a role")
    return [policy_source(shown, text, parse_policy(text, name, exact=True))]


def _of_template(
    shown: str,
    text: str,
    content: dict[str, Any],
    places: dict[Place, Location] | None,
    context: TemplateContext | None,
) -> list[PolicySource] | None:
    """Return the policies of the role in a template; None for what is no template."""
    from policygen.iam.locations import locations
    from policygen.rightsize.check.templates.cloudformation import cloudformation_policies, is_cloudformation
    from policygen.rightsize.check.templates.context import template_sources
    from policygen.rightsize.check.templates.terraform import is_terraform, terraform_policies

    read = terraform_policies if is_terraform(content) else cloudformation_policies
    if not (is_terraform(content) or is_cloudformation(content)):
        return None
    if context is None:
        raise _unreadable(shown, "it is a template, and this command compares documents")
    found = read(content, shown, context)
    return template_sources(found, shown, locations(text) if places is None else places, context)


def _unreadable(name: str, reason: str) -> Exception:
    from policygen.errors import UsageError
    from policygen.text import escape_controls

    return UsageError(
        f"cannot read {escape_controls(name)!r}: {reason}",
        "give a policy document in JSON; suggest -f policy prints one",
        code="PG-E219",
    )
