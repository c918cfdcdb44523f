"""The witnesses in the order in which they are asked: one module each."""

from __future__ import annotations

from policygen.rightsize.keep.witness import Witness
from policygen.rightsize.keep.witnesses.action_class import action_class_witness
from policygen.rightsize.keep.witnesses.code import code_witness
from policygen.rightsize.keep.witnesses.existence import nothing_exists, out_of_reach
from policygen.rightsize.keep.witnesses.tags import tags_at_creation

WITNESSES: tuple[Witness, ...] = (
    action_class_witness,
    nothing_exists,
    out_of_reach,
    tags_at_creation,
    code_witness,
)

OF_ASKERS: tuple[Witness, ...] = (action_class_witness,)
"""Witnesses that tell who can ask for an action at all. They are asked as well where IAM saw an attempt at the service
and does not tell at which action: what nobody can ask for with the role was not it,
as long as something else of the service may have been."""
