"""Reads the policy files that a command names: documents, and templates that hold policies of a role."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from policygen.errors import PolicygenError

if TYPE_CHECKING:
    from policygen.gate.sources import PolicySource
    from policygen.gate.templates.model import TemplateContext
    from policygen.iam.locations import Location
    from policygen.iam.locations import Path as Place

_YAML = (".yaml", ".yml")
SUFFIXES = (".json", *_YAML)
"""How the files of a folder end that are read, in any case."""

_TERRAFORM = (".tf", ".tofu")
_ZIP = b"PK\x03\x04"
SHOW = "terraform plan -out=tfplan && terraform show -json tfplan > tfplan.json, and check tfplan.json"
"""How Terraform's code is checked: by its plan."""

_LARGEST = 100_000
"""Characters without white space of a document, ten times what IAM takes of a role: no more is compared."""


def policies_of(path: Path, context: TemplateContext | None = None) -> list[PolicySource]:
    """Read the policies of a file, or of all JSON and YAML files below a folder; ``-`` is standard input.

    A file is one document, or ``{"policies": [{"name", "document"}]}``, as ``policygen suggest -f policy`` writes where
    one document is too small; or the JSON of ``terraform show``, or a template of CloudFormation or SAM. ``FILE#NAME``
    is the role of that address or logical name in a template.

    Args:
        path: the file.
        context: the role whose policies a template is read for; None to refuse templates.

    Raises:
        UsageError: PG-E219, a file cannot be read, or a folder has none or leads elsewhere; PG-E210, a document is not
            a policy; PG-E250 to PG-E252, of a template.
    """
    file, mark, name = str(path).rpartition("#")
    if mark and context and not path.exists():
        from msgspec.structs import replace

        return policies_of(Path(file), replace(context, part=name))
    if path.is_dir():
        return _policies_below(path, context)
    try:
        return sources_of(parse_file(*policy_text(path)), context)
    except PolicygenError as error:
        if path.is_file() and not error.place[0]:
            error.place = str(path), 1
        raise


def _policies_below(folder: Path, context: TemplateContext | None) -> list[PolicySource]:
    """Read the policies of a folder: of a template of other roles what it holds beside, if something is the role's.

    Raises:
        UsageError: as `policies_of`; PG-E250, no file has policies of the role.
    """
    found: list[PolicySource] = []
    others: list[PolicySource] = []
    without: PolicygenError | None = None
    for file in sorted(_files_below(folder)):
        try:
            found += policies_of(file, context)
        except PolicygenError as error:
            if error.code != "PG-E250" or context is None:
                raise
            without = error
            others += [seen for seen in [template_of(file, context)] if seen]
    if without and not found:
        raise without
    if not found:
        raise _unreadable(str(folder), "the folder holds no .json and no .yaml file")
    return [*found, *others]


def policy_text(path: Path) -> tuple[str, str]:
    """Return the name of a file, for people, and its text; ``-`` is standard input.

    Raises:
        UsageError: PG-E219, it cannot be read.
    """
    if str(path) == "-":
        return "standard input", _standard_input()
    name = str(path)
    if name.lower().endswith(_TERRAFORM):
        raise _unreadable(name, "it is Terraform's code, and only a plan has its values", SHOW)
    try:
        data = path.read_bytes()
        if data.startswith(_ZIP):
            raise _unreadable(name, "it is a plan of Terraform as it saves it, or another archive", SHOW)
        return name, data.decode("utf-8-sig")
    except OSError as error:
        raise _unreadable(name, error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise _unreadable(name, "it is not UTF-8") from None


def _standard_input() -> str:
    try:
        return sys.stdin.read().removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise _unreadable("standard input", "it is not UTF-8") from None


def is_arn(policy: Path | str) -> bool:
    """Return whether a policy is named by its ARN: one that is attached, and in no file."""
    return str(policy).startswith("arn:")


def attached_policy(arn: str, file: str, place: Location, context: TemplateContext) -> list[PolicySource]:
    """Return an attached policy as the role has it today; one that the role does not have is unread.

    Args:
        arn: its ARN.
        file: where it is named.
        place: the place in this file.
        context: the role, with its policies of today.
    """
    from policygen.gate.templates.model import RolePolicies, template_sources

    path: Place = ("attached",)
    return template_sources(RolePolicies((), ((arn, path),)), file, {path: place}, context)


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield the JSON and YAML files of a folder and its subfolders.

    Raises:
        UsageError: PG-E219, a subfolder cannot be read, or is a link: nobody would see what it holds in a review.
    """

    def fail(error: OSError) -> None:
        raise _unreadable(str(error.filename), error.strerror or str(error))

    for place, folders, files in os.walk(folder, onerror=fail):
        if links := [str(Path(place, one)) for one in folders if Path(place, one).is_symlink()]:
            raise _unreadable(links[0], "it is a link to another folder")
        yield from (Path(place, one) for one in files if one.lower().endswith(SUFFIXES))


def files_of(policy: Path) -> list[Path]:
    """Return the files that a policy of a ``[[role]]`` means: also of ``FILE#NAME``, and of a folder those read."""
    if policy.is_dir():
        found = (Path(place, one) for place, _, files in os.walk(policy) for one in files)
        return [one for one in found if one.name.lower().endswith(SUFFIXES)]
    return [policy if policy.exists() else without_name(policy)]


def template_of(file: Path, context: TemplateContext) -> PolicySource | None:
    """Return what a template holds, seen from no role, without statements; None of a file that is none.

    Raises:
        UsageError: it cannot be read.
    """
    from policygen.gate.templates.cloudformation import rest_of_cloudformation
    from policygen.gate.templates.model import template_sources
    from policygen.gate.templates.terraform import is_terraform, rest_of_terraform
    from policygen.iam.locations import locations
    from policygen.text import escape_controls

    read = parse_file(*policy_text(file))
    if not read.is_template:
        return None
    shown = escape_controls(read.name)
    rest_of = rest_of_terraform if is_terraform(read.content) else rest_of_cloudformation
    places = locations(read.text) if read.places is None else read.places
    (source,) = template_sources(rest_of(read.content, shown, context), shown, places, context)
    return source


def roles_of_template(file: Path) -> frozenset[str]:
    """Return the names of the roles that a template tells, as IAM compares them; none of what cannot be read.

    Of a role whose name is not known it is the address or logical name. Who names the file is told why it cannot be
    read.
    """
    from policygen.gate.templates.model import TemplateContext

    found = None
    if file.name.lower().endswith(SUFFIXES):
        with suppress(PolicygenError):
            found = template_of(file, TemplateContext(""))
    return frozenset(found.rest.roles) if found and found.rest else frozenset()


def unnamed_files(named: Iterable[Path], root: Path) -> list[Path]:
    """Return the files beside named ones that seem to hold policies of roles, and that nobody names.

    Args:
        named: policy files and folders, also ``FILE#NAME``.
        root: the folder of the configuration, of which only its own files are looked at; of others, all below too.
    """
    known = {Path(os.path.normpath(file)) for one in named for file in (one, without_name(one))}
    top = Path(os.path.normpath(root))
    found = set[Path]()
    for folder in {one.parent for one in known}:
        for place, folders, files in os.walk(folder):
            folders[:] = [] if folder == top else folders
            found |= {Path(place, one) for one in files if one.lower().endswith(SUFFIXES)}
    others = sorted(one for one in found if known.isdisjoint((one, *one.parents)))
    return [one for one in others if holds_policies(one)]


def without_name(path: Path) -> Path:
    """Return the file of ``FILE#NAME``."""
    return Path(str(path).rpartition("#")[0] or path)


def holds_policies(path: Path) -> bool:
    """Return whether a file seems to hold policies of roles: in doubt it does."""
    from policygen.gate.templates.cloudformation import is_cloudformation
    from policygen.gate.templates.terraform import is_terraform

    try:
        text = path.read_text("utf-8-sig", "replace")
    except OSError:
        return True
    by_its_words = "AWS::IAM::" in text or "AWS::Serverless::" in text
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return by_its_words or ("Statement" in text and "Effect" in text)
    if not isinstance(content, dict):
        return False
    if is_cloudformation(content) or is_terraform(content):
        return by_its_words or "aws_iam_" in text
    members = content.get("policies")
    documents = [content] if "Statement" in content else members if isinstance(members, list) else []
    return "policygen" not in content and any(map(_is_of_a_role, documents))


def _is_of_a_role(document: Any) -> bool:
    """Return whether a document is an identity policy: with a principal it is a resource's, or a trust policy."""
    inner = document.get("document", document) if isinstance(document, dict) else {}
    statements = inner.get("Statement") if isinstance(inner, dict) else None
    listed = statements if isinstance(statements, list) else [statements]
    return any(isinstance(one, dict) and {"Principal", "NotPrincipal"}.isdisjoint(one) for one in listed)


class PolicyFile(NamedTuple):
    """A file that holds policies, as the language says in which it is written."""

    name: str
    text: str
    content: Any
    """Its value; None for a document that is URL-encoded."""
    places: dict[Place, Location] | None
    """Of the parts of a file in YAML; None for one in JSON, whose places are found where they are wanted."""

    @property
    def is_template(self) -> bool:
        """Whether it is a template: which policies it holds depends on the role."""
        from policygen.gate.templates.cloudformation import is_cloudformation
        from policygen.gate.templates.terraform import is_terraform

        return isinstance(self.content, dict) and (
            is_terraform(self.content) or is_cloudformation(self.content)
        )


def parse_file(name: str, text: str) -> PolicyFile:
    """Parse the text of a policy file.

    Raises:
        UsageError: PG-E210 and PG-E219, it is no JSON or YAML, or has a key twice; PG-E252, PyYAML is not installed.
    """
    from policygen.text import escape_controls

    if not name.lower().endswith(_YAML):
        return PolicyFile(name, text, _json_of(name, text), None)
    from policygen.gate.templates.yaml_template import parse_yaml_template

    content, found = parse_yaml_template(text, escape_controls(name))
    return PolicyFile(name, text, content, dict(found))


def sources_of(file: PolicyFile, context: TemplateContext | None) -> list[PolicySource]:
    """Return the policies of a file, of a template those of one role; arguments and errors as `policies_of`."""
    from policygen.gate.sources import PolicySource, policy_source
    from policygen.iam.document import parse_policy
    from policygen.text import escape_controls

    name, text, content, places = file
    shown = escape_controls(name)
    if isinstance(content, dict) and isinstance(content.get("policies"), list):
        if not content["policies"]:
            raise _unreadable(name, "it holds no policy")
        members = content["policies"]
        if any(map(_is_more_than_policies, (content, *members))):
            raise _unreadable(name, "it has policies, and is a policy or a template too: one of them counts")
        documents = [one.get("document", one) if isinstance(one, dict) else one for one in members]
        return [
            PolicySource(
                shown, "", parse_policy(json.dumps(document), f"{name}, policy {number}", exact=True)
            )
            for number, document in enumerate(documents, 1)
        ]
    if file.is_template:
        return _of_template(file, shown, context)
    if places is not None:
        raise _unreadable(name, "it is no template of CloudFormation or SAM")
    size = len(json.dumps(content, separators=(",", ":"))) if len(text) > _LARGEST else 0
    if size > _LARGEST:
        raise _unreadable(name, f"it has {size:,} characters, and IAM takes at most 10,240 of a role")
    return [policy_source(shown, text, parse_policy(text, name, exact=True))]


def _is_more_than_policies(part: Any) -> bool:
    """Return whether what holds documents could be read as something else too, which nobody would check."""
    from policygen.gate.templates.cloudformation import is_cloudformation
    from policygen.gate.templates.terraform import is_terraform

    if not isinstance(part, dict) or not {"policies", "document"} & part.keys():
        return False
    return "Statement" in part or is_cloudformation(part) or is_terraform(part)


def _json_of(name: str, text: str) -> Any:
    """Return the value of a JSON text; None where it may be a document that is URL-encoded.

    Raises:
        UsageError: PG-E210, it is no JSON, or has a key twice.
    """
    from policygen.iam.document import load_document, with_unique_keys

    try:
        return json.loads(text, object_pairs_hook=with_unique_keys)
    except (ValueError, RecursionError) as error:
        try:
            load_document(text, name)
        except PolicygenError as wrong:
            wrong.place = name, getattr(error, "lineno", 1)
            raise
    return None


def _of_template(file: PolicyFile, shown: str, context: TemplateContext | None) -> list[PolicySource]:
    """Return the policies of the role in a template."""
    from policygen.gate.templates.cloudformation import cloudformation_policies
    from policygen.gate.templates.model import template_sources
    from policygen.gate.templates.terraform import is_terraform, terraform_policies
    from policygen.iam.locations import locations

    if context is None:
        raise _unreadable(shown, "it is a template, and this command compares documents")
    read = terraform_policies if is_terraform(file.content) else cloudformation_policies
    found = read(file.content, shown, context)
    places = locations(file.text) if file.places is None else file.places
    return template_sources(found, shown, places, context)


def _unreadable(
    name: str, reason: str, hint: str = "give a policy document in JSON; suggest -f policy prints one"
) -> Exception:
    from policygen.errors import UsageError
    from policygen.text import escape_controls

    return UsageError(
        f"cannot read {escape_controls(name)!r}: {reason}",
        hint,
        code="PG-E219",
    )
