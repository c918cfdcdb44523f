"""Code for infrastructure that lies beside the checked policies and is not read: only what it makes has its values."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from policygen.gate.repository.files import SHOW, files_of, is_arn
from policygen.text import escape_controls

_LISTED = 6
"""Files that a sentence names; the rest is counted."""
_SMALL = 1 << 12
"""Bytes of a file in which a plan of Terraform says that it is one."""


class _Code(NamedTuple):
    """One kind of code."""

    names: tuple[str, ...]
    """How its files are called; those with a dot first end so."""
    words: tuple[str, ...]
    """What a file has that makes policies; () where every file may."""
    is_made: Callable[[Path], bool]
    """Returns whether a checked file, which may be missing, is what such code makes: then its result is checked."""
    instead: str
    """What to check in its place."""
    makes: str = ""
    """The command that makes ``{file}``; "" where no file is known to be made."""


def _is_terraform_plan(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return b'"format_version"' in opened.read(_SMALL)
    except OSError:
        return "tfplan" in file.as_posix().casefold() or file.stem == "plan" or any(file.parent.glob("*.tf"))


_KINDS = (
    _Code(
        (".tf", ".tofu", ".tf.json", ".tofu.json", "terragrunt.hcl"),
        ("aws_iam_", "awscc_iam_", 'module "', "include "),
        _is_terraform_plan,
        SHOW,
        "terraform show -json PLAN > {file}, of what terraform plan -out=PLAN wrote",
    ),
    _Code(
        ("cdk.json",),
        (),
        lambda file: file.name.endswith(".template.json"),
        "cdk synth, and check cdk.out/STACK.template.json",
        "cdk synth",
    ),
    _Code(
        ("serverless.yml", "serverless.yaml", "serverless.json"),
        (),
        lambda file: ".serverless" in file.parts,
        "serverless package, and check .serverless/cloudformation-template-update-stack.json",
        "serverless package",
    ),
    _Code(
        ("Pulumi.yaml", "Pulumi.yml"),
        (),
        lambda _: False,
        "check the documents of the policies that it makes",
    ),
)


def how_to_make(file: Path) -> str:
    """Return the command that makes a missing policy file; "" for one that a person wrote, as far as its name tells."""
    found = (kind.makes for kind in _KINDS if kind.makes and kind.is_made(file))
    return next(found, "").format(file=escape_controls(shlex.quote(str(file))))


def unread_code(named: Iterable[Path], root: Path) -> list[str]:
    """Return a sentence for each kind of code beside the checked files whose result is not checked.

    Args:
        named: policy files and folders, also ``FILE#NAME``, and ARNs.
        root: the folder of the configuration, of which only its own files are looked at; of others, all below too.
    """
    checked = [file for one in named if not is_arn(one) for file in files_of(one)]
    return _sentences(_beside(checked, root), checked)


def unread_code_below(places: Iterable[Path], checked: Sequence[Path]) -> list[str]:
    """Return a sentence for each kind of code below some folders, without hidden ones, whose result is not checked.

    Args:
        places: the folders.
        checked: the files that are checked.
    """
    return _sentences((file for place in places for file in _below(place)), checked)


def _sentences(beside: Iterable[Path], checked: Sequence[Path]) -> list[str]:
    found = sorted(set(beside) - set(checked))
    sentences = []
    for kind in _KINDS:
        files = [str(one) for one in found if _is_called(one.name, kind.names) and _has_one(one, kind.words)]
        if files and not any(map(kind.is_made, checked)):
            more = f" and {len(files) - _LISTED:,} more" if len(files) > _LISTED else ""
            listed = ", ".join(map(escape_controls, files[:_LISTED]))
            sentences.append(f"not read: {listed}{more}; it may grant more: {kind.instead}")
    return sentences


def _beside(checked: Iterable[Path], root: Path) -> Iterator[Path]:
    """Yield the files in the folders of checked files, and those of the configuration's own folder."""
    top = Path(os.path.normpath(root))
    for folder in {top, *(Path(os.path.normpath(one.parent)) for one in checked)}:
        for place, folders, files in os.walk(folder):
            folders[:] = [] if folder == top else [one for one in folders if not one.startswith(".")]
            yield from (Path(place, one) for one in files)


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = [one for one in folders if not one.startswith(".") and one != "node_modules"]
        yield from (Path(place, one) for one in files)


def _is_called(name: str, names: Iterable[str]) -> bool:
    return any(name.endswith(one) if one.startswith(".") else name == one for one in names)


def _has_one(file: Path, words: tuple[str, ...]) -> bool:
    if not words:
        return True
    try:
        text = file.read_text("utf-8", "replace")
    except OSError:
        return True
    return any(one in text for one in words)
