"""Takes the values of options as they are where that is enough.

typer converts every value, defaults as well, with pydantic. Importing it takes longer than most commands need for
their work. What is not plain goes to typer, whose words the errors are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, get_args


def take_plain_values(params: Iterable[Any]) -> None:
    """Let typer convert only the values of these parameters that are not plain.

    A typer without pydantic does not describe its parameters so, and is left alone.
    """
    for param in params:
        if hasattr(param, "type_descriptor"):
            param.process_value = partial(_process, param.process_value, param)


def _process(convert: Callable[[Any, Any], Any], param: Any, context: Any, value: Any) -> Any:
    """Return a parameter's value: None, its default, or what stands on the command line or in the environment."""
    if param.required and not value:
        return convert(context, value)
    if value is None or value == param.default:
        plain = value
    else:
        words = value if isinstance(value, list | tuple) else [value]
        found = [_plain(param.type_descriptor, word) for word in words]
        if None in found:
            return convert(context, value)
        plain = found if words is value else found[0]
    return param.callback(context, param, plain) if param.callback else plain


def _plain(described: Any, word: Any) -> Any:
    """Return a word of the command line as a value of the kind described; None where typer has to look at it."""
    kind = next(iter(get_args(described.annotation)), described.annotation)
    limits = described.parameter_info
    if not isinstance(word, str) or "\0" in word:
        return None
    if kind is str:
        return word
    if kind is Path and (os.access(word, os.R_OK) or not os.path.lexists(word)):
        return Path(word)
    if (
        kind is int
        and limits.min is limits.max is None
        and word.isdecimal()
        and word.isascii()
        and len(word) < 10
    ):
        return int(word)
    return None
