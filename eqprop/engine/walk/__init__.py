"""Traced programs of one row, walked in NumPy for many rows."""

from eqprop.engine.walk.noise import TABLE
from eqprop.engine.walk.readings import Reading
from eqprop.engine.walk.unsupported import Unsupported
from eqprop.engine.walk.walker import Walk

__all__ = ["TABLE", "Reading", "Unsupported", "Walk"]
