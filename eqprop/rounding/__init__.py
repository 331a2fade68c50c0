"""Rounding floors and outcomes: the only place that knows a tolerance."""

from eqprop.rounding.by_leaf import of_leaf as of_leaf
from eqprop.rounding.copies import perturbed as perturbed
from eqprop.rounding.copies import random_signs as random_signs
from eqprop.rounding.floors import CONFIRMING_COPIES as CONFIRMING_COPIES
from eqprop.rounding.floors import COPIES as COPIES
from eqprop.rounding.floors import COPIES_LARGE as COPIES_LARGE
from eqprop.rounding.floors import MARGIN as MARGIN
from eqprop.rounding.floors import RECOGNISED as RECOGNISED
from eqprop.rounding.floors import UNSETTLED as UNSETTLED
from eqprop.rounding.floors import Judgement as Judgement
from eqprop.rounding.floors import Measured as Measured
from eqprop.rounding.floors import bar_of as bar_of
from eqprop.rounding.floors import judge as judge
from eqprop.rounding.floors import judgement as judgement
from eqprop.rounding.floors import measure as measure
from eqprop.rounding.in_program import Sides as Sides
from eqprop.rounding.in_program import combined as combined
from eqprop.rounding.in_program import groups as groups
from eqprop.rounding.in_program import measuring as measuring
from eqprop.rounding.in_program import merged as merged
