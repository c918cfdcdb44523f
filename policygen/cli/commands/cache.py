"""policygen cache: shows or removes what earlier runs kept of the logs."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    clear: Annotated[bool, typer.Option("--clear", help="Remove the counts; saved plans stay.")] = False,
) -> None:
    """Show or clear what is cached of the logs.

    The cache holds counts, not records: which calls were made, how often, when and by which sessions.

    policygen cache

    policygen cache --clear
    """
    from policygen.cli.output import write_stdout
    from policygen.errors import UsageError
    from policygen.files import cache_folder
    from policygen.logs.cache import clear as remove
    from policygen.logs.cache import size_of
    from policygen.text import escape_controls, pluralize

    root = cache_folder()
    try:
        size = remove(root) if clear else size_of(root)
    except OSError as error:
        raise UsageError(
            f"the cache in {escape_controls(str(root))!r} cannot be {'removed' if clear else 'read'}: {error.strerror}",
            "check who owns it, or set POLICYGEN_CACHE to another folder",
            code="PG-E223",
        ) from error
    contents = (
        f"{pluralize(size.requests, 'role')}, {pluralize(size.packs, 'pack')}, {size.bytes / 1e6:,.1f} MB"
    )
    write_stdout(f"{'removed' if clear else 'kept'}: {contents} in {escape_controls(str(root))}\n")
