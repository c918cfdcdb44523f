"""Values of conditions: those of today that came, and blocks of addresses."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence

from policygen.iam import arn
from policygen.iam.conditions import ConditionOperator, ContextFacts, Truth, parse_operator

_NARROWED = ("string", "arn", "ipaddress")
"""Beginnings of the operators whose lists of values are narrowed."""


def always_had(key: str, facts: Iterable[ContextFacts]) -> list[str]:
    """Return the values of a key, sorted; none where one request did not have it or it is not known."""
    told = [one.look_up(key) for one in facts]
    return sorted({value for found in told for value in found or ()}) if all(told) else []


def is_narrowed(name: ConditionOperator) -> bool:
    """Return whether the list of values of an operator can be narrowed to those that came, negation aside."""
    base = name.base.replace("not", "", 1) if name.operator.negated else name.base
    return base.startswith(_NARROWED)


def values_that_came(
    operator: str, key: str, values: tuple[str, ...], facts: Sequence[ContextFacts]
) -> tuple[str, ...]:
    """Return the values of a condition that requests may have matched; all where it is not known.

    Args:
        operator: of the condition; a negated one is matched as if it were not.
        key: of the condition.
        values: of the condition.
        facts: what is known of each request.
    """
    name = parse_operator(operator)
    told = [one.look_up(key) for one in facts]
    if name is None or not is_narrowed(name) or not any(told) or None in told:
        return values
    return tuple(one for one in values if _may_match(name, key, one, facts)) or values


def _may_match(name: ConditionOperator, key: str, value: str, facts: Iterable[ContextFacts]) -> bool:
    return any(
        name.operator.test(value, requested, one) is not Truth.FALSE
        for one in facts
        for requested in one.look_up(key) or ()
    )


def string_condition(key: str, patterns: Sequence[str]) -> tuple[str, str, list[str]]:
    """Return operator, key and values that match patterns of StringLike, by StringEquals where it can."""
    plain = [arn.unescape(one) for one in patterns]
    exact = [one for one in plain if one is not None and "${" not in one]
    if len(exact) == len(patterns):
        return "StringEquals", key, exact
    return "StringLike", key, list(patterns)


# ---- addresses ----------------------------------------------------------------------------------------

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ONE_NETWORK = {4: 24, 6: 48}
"""Bits of the network of one client, by the version of IP."""


def address_blocks(
    addresses: Iterable[str], most: int, largest: Mapping[int, int] = ONE_NETWORK
) -> list[str]:
    """Return blocks that hold addresses, at most so many; none where larger ones would be needed.

    The neighbours are put together first whose block is the smallest, so that few others are let in.

    Args:
        addresses: IPv4 and IPv6, which never share a block.
        most: how many blocks there may be.
        largest: bits of the largest block, by the version of IP.
    """
    found = sorted({ipaddress.ip_network(one) for one in addresses}, key=_order)
    if len({_start_of(one, largest[one.version]) for one in found}) > most:
        return []
    blocks = _collapsed(found)
    for bits in range(_BITS[6]):
        if len(blocks) <= most:
            break
        blocks = _joined(blocks, bits, most, largest)
    return sorted(map(str, blocks))


_BITS = {4: 32, 6: 128}


def _order(block: Network) -> tuple[int, int, int]:
    return block.version, int(block.network_address), block.prefixlen


def _start_of(block: Network, prefix: int) -> tuple[int, int]:
    return block.version, int(block.network_address) >> (_BITS[block.version] - prefix)


def _collapsed(blocks: Iterable[Network]) -> list[Network]:
    listed = list(blocks)
    four = [one for one in listed if isinstance(one, ipaddress.IPv4Network)]
    six = [one for one in listed if isinstance(one, ipaddress.IPv6Network)]
    return [*ipaddress.collapse_addresses(four), *ipaddress.collapse_addresses(six)]


def _joined(blocks: Sequence[Network], bits: int, most: int, largest: Mapping[int, int]) -> list[Network]:
    """Put neighbours together that fit into a block of so many bits, until there are few enough.

    No block is larger than one network: that of IPv6 has more bits than all of IPv4.
    """
    found: list[Network] = []
    for number, one in enumerate(blocks):
        last = found[-1] if found else None
        left = len(found) + len(blocks) - number
        if last is not None and left > most and last.version == one.version:
            differing = (int(last.network_address) ^ int(one.broadcast_address)).bit_length()
            if differing <= min(bits, last.max_prefixlen - largest[last.version]):
                found[-1] = last.supernet(new_prefix=last.max_prefixlen - differing)
                continue
        found.append(one)
    return found
