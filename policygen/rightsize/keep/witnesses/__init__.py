"""The witnesses in the order in which they are asked: one module each."""

from __future__ import annotations

from policygen.rightsize.keep.witness import Witness
from policygen.rightsize.keep.witnesses.code import code_is_silent

WITNESSES: tuple[Witness, ...] = (code_is_silent,)
