"""Traced programs of one row, walked in NumPy for many rows."""

from eqprop.engine.walk.inexact import error_of, no_rounding, one_rounding
from eqprop.engine.walk.kept import read as kept_program
from eqprop.engine.walk.noise import STRIDE, TABLE
from eqprop.engine.walk.readings import Reading
from eqprop.engine.walk.rerun import Rerun
from eqprop.engine.walk.unsupported import Unsupported
from eqprop.engine.walk.walker import Opened, Walk, Watcher
from eqprop.engine.walk.writing import NotKept, written

__all__ = [
    "STRIDE",
    "TABLE",
    "NotKept",
    "Opened",
    "Reading",
    "Rerun",
    "Unsupported",
    "Walk",
    "Watcher",
    "error_of",
    "kept_program",
    "no_rounding",
    "one_rounding",
    "written",
]
