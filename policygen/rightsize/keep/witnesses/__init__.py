"""The witnesses in the order in which they are asked: one module each."""

from __future__ import annotations

from policygen.rightsize.keep.witness import Witness
from policygen.rightsize.keep.witnesses.action_class import action_class_witness

WITNESSES: tuple[Witness, ...] = (action_class_witness,)
