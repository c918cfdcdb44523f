"""How help is printed: options and commands in panels, examples as they can be pasted, no text cut."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup

from policygen.cli.console import log_line
from policygen.cli.plain_values import take_plain_values
from policygen.configuration import defaults_of, read_configuration, text_of

PANELS = ("Arguments", "Input", "Window", "AWS", "Decisions", "Output", "Performance")
"""Panels in the order of the help; others follow, in the order of their options."""

_NAMES = 30
"""The widest column of names: the text of a longer one begins on the next line."""


class PanelCommand(TyperCommand):
    """A command whose help has a panel for each group of options."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Parse the command line; what it and the environment leave open, the configuration file says."""
        if any(param.envvar for param in self.params) and not {"-h", "--help"} & {*args}:
            extra["default_map"] = defaults_of(self.params, read_configuration())
        return super().make_context(info_name, args, parent, **extra)

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Parse the words of the command."""
        take_plain_values(self.get_params(ctx))
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Name the settings that the configuration file decides, and run the command."""
        decided = [
            f"{param.opts[0].lstrip('-')} {text_of(ctx.params[param.name])}"
            for param in self.params
            if getattr(ctx.get_parameter_source(param.name), "name", "") == "DEFAULT_MAP"
        ]
        if decided:
            log_line(f"settings of {read_configuration().name} apply: {', '.join(decided)}")
        return super().invoke(ctx)

    def format_help_text(self, _: Any, formatter: Any) -> None:
        """Write the paragraphs of the help; examples, which begin with the program's name, stay whole."""
        _write_text(self.help or "", formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and options, panel by panel."""
        _write_panels(_records(self.get_params(ctx), ctx), formatter)


class PanelGroup(TyperGroup):
    """The program: its commands in panels, each with its whole first sentence."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Parse the options that come before a command."""
        take_plain_values(self.get_params(ctx))
        return super().parse_args(ctx, args)

    def format_help_text(self, _: Any, formatter: Any) -> None:
        """Write the paragraphs of the help."""
        _write_text(self.help or "", formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, panel by panel, and then the options."""
        commands: Iterable[tuple[str, Any]] = self.commands.items()
        rows = [
            (command.rich_help_panel, (name, command.help.split("\n\n")[0].strip()))
            for name, command in commands
        ]
        _write_panels(rows, formatter)
        _write_panels(_records(self.get_params(ctx), ctx), formatter)


def _records(params: Iterable[Any], ctx: Any) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the panel of each argument and option, with its name and its text."""
    for param in params:
        record = param.get_help_record(ctx)
        if record and param.param_type_name == "argument":
            yield "Arguments", (param.metavar, record[1])  # typer would add braces and a type to the word
        elif record:
            yield param.rich_help_panel or "Options", record


def _write_panels(rows: Iterable[tuple[str, tuple[str, str]]], formatter: Any) -> None:
    panels: dict[str, list[tuple[str, str]]] = {}
    for panel, row in rows:
        panels.setdefault(panel, []).append(row)
    known = [panel for panel in PANELS if panel in panels]
    for panel in [*known, *(panel for panel in panels if panel not in known)]:
        with formatter.section(panel):
            _write_rows(panels[panel], formatter)


def _write_rows(rows: Sequence[tuple[str, str]], formatter: Any) -> None:
    """Write names and texts in two columns. A word with a hyphen stays whole, so that it can be pasted: ``aws-cli``."""
    indent = " " * formatter.current_indent
    column = min(max(len(name) for name, _ in rows), _NAMES)
    width = max(formatter.width - column - 4, 10)
    for name, text in rows:
        lines = textwrap.wrap(text, width, break_on_hyphens=False)
        beside = lines.pop(0) if lines and len(name) <= column else ""
        formatter.write(f"{indent}{name:<{column}}  {beside}".rstrip() + "\n")
        formatter.write("".join(f"{indent}{'':{column}}  {line}\n" for line in lines))


def _write_text(text: str, formatter: Any) -> None:
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    examples = [part for part in paragraphs if part.startswith("policygen ")]
    for part in paragraphs:
        if part not in examples:
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(part)
    if examples:
        with formatter.section("Examples"):
            for example in examples:
                formatter.write(f"  {example}\n")
