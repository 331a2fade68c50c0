"""All properties of a pair as one program, for batches of probes."""

from eqprop.evaluation.program import Program as Program
from eqprop.evaluation.program import applicable as applicable
from eqprop.evaluation.traced_programs import Slot as Slot
