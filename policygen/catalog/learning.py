"""Learn from records what other records leave out.

The ``[learn]`` tables of the service files say what an event tells. Apart from them, a role that a call passes is named
by its ARN, which has its path.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from policygen.catalog.call import Call
from policygen.catalog.knowledge import Fact, fact_key, facts_of_arns
from policygen.catalog.known_event import known_event
from policygen.catalog.resources import role_arns
from policygen.catalog.rule_model import LearnRule
from policygen.catalog.rules import learn_rules_of
from policygen.catalog.service_names import strip_version
from policygen.catalog.template import FieldScope, Template

RESPONSE = "response"
"""The member of a call's parameters that holds the record's responseElements."""


@lru_cache(maxsize=8192)
def learn_rules(source: str, name: str) -> tuple[LearnRule, ...]:
    """Return what the records of an event tell of names."""
    rules = learn_rules_of(source)
    return (*rules.get(strip_version(name).lower(), ()), *rules.get("*", ()))


def facts_of(call: Call) -> Iterator[Fact]:
    """Yield what a call that succeeded tells of names.

    Args:
        call: with its parameters, and among them as `RESPONSE` what the record has of the answer.
    """
    scope = FieldScope(call)
    if passed := known_event(call.source, call.name).roles:
        yield from facts_of_arns(role_arns(call.params, passed))
    for rule in learn_rules(call.source, call.name):
        for key in _first(rule.key, scope):
            for value in _first(rule.value, scope):
                yield Fact(rule.relation, fact_key(call.account, key), value)


def _first(templates: Iterable[Template], scope: FieldScope) -> list[str]:
    """Return the values of the first template that has any."""
    for template in templates:
        if texts := template.render(scope):
            return [text.text for text in texts]
    return []
