"""A model's symmetries, found from the callable alone."""

from eqprop.finding.asking import find as find
from eqprop.finding.covering import covered as covered
from eqprop.finding.near import Near as Near
from eqprop.finding.proof import Proven as Proven
from eqprop.finding.symmetries import Row as Row
from eqprop.finding.symmetries import Symmetries as Symmetries
