"""The members of a request in botocore's API models, however deep they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def member_paths(
    shapes: dict[str, Any],
    shape: str,
    wanted: Callable[[str, str], bool],
    path: str = "",
    above: tuple[str, ...] = (),
) -> Iterator[str]:
    """Yield the paths of wanted members, ``Targets[].RoleArn``; not what is in them. Maps are skipped as free text.

    Args:
        shapes: the shapes of a service, as in its ``service-2.json``.
        shape: the name of the shape to begin with.
        wanted: whether a member of a name and a type, ``string``, is wanted.
        path: where the shape stands; "" for the request itself.
        above: the shapes that hold it.
    """
    body = shapes[shape]
    if path and wanted(path.rsplit(".", 1)[-1].removesuffix("[]"), body["type"]):
        yield path
        return
    if shape in above:  # some shapes hold themselves
        return
    if body["type"] == "structure":
        for member, inner in body["members"].items():
            here = f"{path}.{member}" if path else member
            yield from member_paths(shapes, inner["shape"], wanted, here, (*above, shape))
    elif body["type"] == "list":
        yield from member_paths(shapes, body["member"]["shape"], wanted, f"{path}[]", (*above, shape))
