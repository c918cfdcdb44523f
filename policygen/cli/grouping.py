"""The decorator that lets a command take groups of options, and puts their options in place of the group."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints


def with_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command as typer reads it: each group replaced by its options, in place.

    The command itself gets the groups, filled with the values of their options.

    Raises:
        TypeError: two parameters or options of the command have the same name.
    """
    groups: dict[str, tuple[type[Any], list[str]]] = {}
    parameters: list[Parameter] = []
    hints = get_type_hints(command, include_extras=True)
    for name, parameter in signature(command).parameters.items():
        if is_dataclass(hints[name]):
            options = [*_options(hints[name])]
            groups[name] = hints[name], [option.name for option in options]
            parameters += options
        else:
            parameters.append(parameter.replace(annotation=hints[name], kind=Parameter.KEYWORD_ONLY))
    names = [parameter.name for parameter in parameters]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise TypeError(f"{command.__module__} declares an option twice: {', '.join(twice)}")

    @wraps(command)
    def run(**values: Any) -> None:
        filled = {
            name: group(**{option: values.pop(option) for option in options})
            for name, (group, options) in groups.items()
        }
        command(**values, **filled)

    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # typer reads this one first
    return run


def _options(group: type[Any]) -> Iterator[Parameter]:
    """Yield the options of a group as parameters of a function, in the order of its fields."""
    hints = get_type_hints(group, include_extras=True)
    for field in fields(group):
        if field.init:
            for told in hints[field.name].__metadata__:
                told.rich_help_panel = told.rich_help_panel or getattr(group, "PANEL", None)
            default = Parameter.empty if field.default is MISSING else field.default
            yield Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=hints[field.name])
