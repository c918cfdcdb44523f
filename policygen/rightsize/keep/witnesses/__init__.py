"""The witnesses in the order in which they are asked: one module each."""

from __future__ import annotations

from policygen.rightsize.keep.witness import Witness

WITNESSES: tuple[Witness, ...] = ()
