"""Traced programs of one row, walked in NumPy for many rows."""

from eqprop.engine.walk.noise import STRIDE, TABLE
from eqprop.engine.walk.readings import Reading
from eqprop.engine.walk.unsupported import Unsupported
from eqprop.engine.walk.walker import Walk

__all__ = ["STRIDE", "TABLE", "Reading", "Unsupported", "Walk"]
