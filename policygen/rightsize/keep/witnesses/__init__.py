"""The witnesses in the order in which they are asked: one module each."""

from __future__ import annotations

from policygen.rightsize.keep.witness import Witness
from policygen.rightsize.keep.witnesses.action_class import action_class_witness
from policygen.rightsize.keep.witnesses.code import code_witness
from policygen.rightsize.keep.witnesses.existence import nothing_exists, out_of_reach

WITNESSES: tuple[Witness, ...] = (action_class_witness, nothing_exists, out_of_reach, code_witness)
