"""Declared generalisation: how an observed name is written in a policy.

Named infrastructure stays exact. Names that a workload makes up as it goes (object keys, log streams,
executions, task ids) become a pattern by a rule that the service file declares and that is printed beside
the grant. A learned pattern keeps the constant beginning of what was seen, so that next month's dates and
numbers are allowed and a neighbouring prefix is not.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, get_args

import msgspec

from policygen.catalog.mapping import action_rules
from policygen.catalog.rule_model import Generalisation
from policygen.iam import arn, reference
from policygen.iam.reference import ArnPattern
from policygen.iam.request import AccessRequest

MANY = 5
"""If one folder has more constant names than this, more are expected."""
MANY_AT_TOP = 20
"""The same for names outside any folder, where the pattern would match the whole bucket."""

_FIXED = re.compile(
    r"(?<![0-9A-Za-z])(?:"
    r"(?P<uuid>[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})"
    r"|(?P<digest>[0-9a-fA-F]{64}|[0-9a-fA-F]{40}|[0-9a-fA-F]{32})"
    r"|20(?:\d\d-[01]\d-[0-3]\d|\d\d[01]\d[0-3]\d|\d\d)"  # date, compact date, year of this century
    r")(?![0-9A-Za-z])"
)
# A number by itself, three digits in a row, or a long run with digits in it: a counter or a random part. One or two
# digits at the end of a word belong to its name: v1, s3, data2.
_VARYING = re.compile(
    r"(?<![0-9A-Za-z])\d+(?![0-9A-Za-z])|\d{3,}|(?<![0-9A-Za-z])(?=[a-zA-Z]*\d)[0-9a-zA-Z]{12,}"
)


Mode = Literal["auto", "exact", "pattern", "type"]
"""How to write resources: by the declared rules, but as seen where the evidence closes them (`names`); as seen; by the
declared rules; or as every resource of the type."""

MODES: tuple[Mode, ...] = get_args(Mode)

WHOLE_TYPE = "every resource of the type, as asked"


class Written(msgspec.Struct, frozen=True):
    """How one request's resource is written: an IAM pattern, and the rule that made it ("" = as seen)."""

    pattern: str
    rule: str


def generalise(
    requests: Iterable[AccessRequest],
    mode: Mode = "pattern",
    opened: Collection[str] = (),
    as_seen: Mapping[AccessRequest, str] = MappingProxyType({}),
) -> dict[AccessRequest, Written]:
    """Return how to write the resource of each request.

    Patterns are learned by action and by named parent (bucket, log group), so that reading one prefix never grants
    reading the prefix that is written to.

    Args:
        requests: the observed requests.
        mode: how to write resources.
        opened: types (``ec2:image``) of which every resource is granted, in any mode but `exact`.
        as_seen: requests whose names are written as seen, whatever is declared -> why.
    """
    result: dict[AccessRequest, Written] = {}
    learning: dict[tuple[str, str, str, str], list[tuple[AccessRequest, str]]] = defaultdict(list)
    for request in requests:
        how = declared_rule(request) if mode != "exact" else None
        if request.wild or request.resource == "*":
            result[request] = Written(request.resource, "as far as the record tells" if request.wild else "")
        elif (mode == "type" or (mode != "exact" and type_name(request) in opened)) and (
            whole := _whole_type(request)
        ):
            result[request] = Written(whole, WHOLE_TYPE)
        elif request in as_seen:
            rule = _unwritable(request.resource) or as_seen[request]
            result[request] = Written(arn.escape(request.resource), rule)
        elif how is None or how.ask or (found := parse_name(request, how)) is None:
            result[request] = Written(arn.escape(request.resource), _unwritable(request.resource))
        elif how.learn:
            _, values = found
            parent = _write(how, *found, {how.learn: "\0"})
            learning[request.action, request.resource_type, how.rule, parent].append(
                (request, values[how.learn])
            )
        else:
            result[request] = Written(_write(how, *found, {}), how.rule)
    for (_, _, rule, parent), members in learning.items():
        patterns = learn_patterns(name for _, name in members)
        for request, name in members:
            pattern = patterns[name]
            exact = pattern == arn.escape(name) and parent == _exact_parent(request, name)
            result[request] = Written(parent.replace("\0", pattern), _unwritable(name) if exact else rule)
    return result


def makes_up_names(action: str, resource_type: str) -> bool:
    """Return whether workloads make up the names of a type as they go, so that a pattern is learned of them."""
    rules = action_rules(action)
    how = rules.generalise.get(resource_type) if rules else None
    return how is not None and bool(how.learn)


def type_name(request: AccessRequest) -> str:
    """Return the resource type with its service, ``ec2:image``."""
    return f"{request.action.split(':', 1)[0].lower()}:{request.resource_type}"


def _whole_type(request: AccessRequest) -> str:
    """Return the pattern of all resources of a request's type in its account and region; "" where IAM has none."""
    service = reference.service(request.action.split(":", 1)[0].lower())
    kind = service.types.get(request.resource_type) if service else None
    for pattern in kind.patterns if kind else ():
        values = pattern.match(request.resource)
        if values is not None:
            return pattern.fill(
                {n: arn.escape(v) for n, v in values.items() if n not in pattern.name_placeholders}
            )
    return ""


def open_names(requests: Iterable[AccessRequest], opened: Collection[str] = ()) -> dict[str, tuple[int, str]]:
    """Return resource types whose names only a person can predict -> (number of names seen, the reason)."""
    names: dict[str, set[str]] = defaultdict(set)
    reasons: dict[str, str] = {}
    for request in requests:
        how = declared_rule(request)
        if how and how.ask and not request.wild and (kind := type_name(request)) not in opened:
            names[kind].add(request.resource)
            reasons[kind] = how.ask
    return {kind: (len(seen), reasons[kind]) for kind, seen in sorted(names.items())}


def _exact_parent(request: AccessRequest, name: str) -> str:
    return arn.escape(request.resource.removesuffix(name)) + "\0"


def _unwritable(name: str) -> str:
    return "characters that IAM cannot store" if arn.needs_wildcard(name) else ""


def declared_rule(request: AccessRequest) -> Generalisation | None:
    """Return what the service file declares of the names of a request's type; None where it declares nothing."""
    rules = action_rules(request.action)
    return rules.generalise.get(request.resource_type) if rules and request.resource_type else None


def parse_name(request: AccessRequest, how: Generalisation) -> tuple[ArnPattern, dict[str, str]] | None:
    """Return the pattern that a request's ARN matches, and the parts of its name; None where a rule is not about it."""
    if how.match:
        patterns: tuple[ArnPattern, ...] = (reference.compile_pattern(how.match),)
    else:
        service = reference.service(request.action.split(":", 1)[0])
        kind = service.types.get(request.resource_type) if service else None
        patterns = kind.patterns if kind else ()
    for pattern in patterns:
        values = pattern.match(request.resource)
        if values is not None and all(re.fullmatch(how.only or ".*", values[n], re.S) for n in how.open):
            return pattern, values
    return None


def _write(
    how: Generalisation, pattern: ArnPattern, values: Mapping[str, str], own: Mapping[str, str]
) -> str:
    target = reference.compile_pattern(how.write) if how.write else pattern
    written = {name: "*" if name in how.open else arn.escape(value) for name, value in values.items()}
    return target.fill({**written, **own})


def learn_patterns(names: Iterable[str]) -> dict[str, str]:
    """Map path-like names to IAM patterns that keep their constant beginning.

    A name with a varying part keeps what comes before that part; parts of fixed width (a year, a date, a UUID, a
    digest) become as many ``?``, and the name goes on after them. A name without such parts stays exact, unless its
    folder has more than `MANY` such names. A name that begins with a varying part stays exact as well, unless more than
    `MANY` have the same end: the pattern would match names in every folder.
    """
    distinct = sorted(set(names))
    patterns: dict[str, str] = {}
    constant: dict[str, list[str]] = defaultdict(list)
    headless: dict[str, list[str]] = defaultdict(list)
    for name in distinct:
        shape = _shape(name)
        if shape is None:
            constant[name.rpartition("/")[0]].append(name)
        elif shape == "*":
            headless[_ending(name)].append(name)
        else:
            patterns[name] = shape
    for folder, members in constant.items():
        opened = f"{arn.escape(folder)}/*" if folder else "*"
        patterns |= _opened(members, opened, MANY if folder else MANY_AT_TOP)
    for ending, members in headless.items():
        patterns |= _opened(members, f"*{arn.escape(ending)}", MANY if ending else MANY_AT_TOP)
    return patterns


def _opened(names: Sequence[str], pattern: str, limit: int) -> dict[str, str]:
    """Return one pattern for more than `limit` names, else each name by itself."""
    return {name: pattern if len(names) > limit else arn.escape(name) for name in names}


def _shape(name: str) -> str | None:
    """Return the pattern of a name with varying parts; None without such parts, ``*`` if it begins with one."""
    written: list[str] = []
    at = 0
    while at < len(name):
        fixed = _FIXED.search(name, at)
        varying = _VARYING.search(name, at)
        if fixed and (not varying or fixed.start() <= varying.start()):
            written.append(arn.escape(name[at : fixed.start()]) + _masked(fixed))
            at = fixed.end()
        elif varying:
            return "".join(written) + arn.escape(name[at : varying.start()]) + "*"
        else:
            break
    return "".join(written) + arn.escape(name[at:]) if written else None


def _masked(found: re.Match[str]) -> str:
    """Mask a part of fixed width; a year keeps its century, so that no word of four letters matches."""
    text = found.group()
    kept = "" if found["uuid"] or found["digest"] else text[:2]
    return kept + re.sub("[0-9A-Za-z]", "?", text[len(kept) :])


def _ending(name: str) -> str:
    """Return the constant end of a name: its last constant folder or file name, or the suffix."""
    found = re.search(r"/[A-Za-z_-]+(?:\.[A-Za-z]+[0-9]?)?$|\.[A-Za-z]+[0-9]?$", name)
    return found.group() if found else ""
