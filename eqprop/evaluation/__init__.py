"""All properties of a pair as one program, for batches of probes."""

from eqprop.evaluation.evaluator import CHOICES as CHOICES
from eqprop.evaluation.evaluator import Choice as Choice
from eqprop.evaluation.fog import Fog as Fog
from eqprop.evaluation.fog import fog_of as fog_of
from eqprop.evaluation.ladder import Climbed as Climbed
from eqprop.evaluation.ladder import climbed as climbed
from eqprop.evaluation.ladder import last_word as last_word
from eqprop.evaluation.looks import LADDER as LADDER
from eqprop.evaluation.looks import REPORTED as REPORTED
from eqprop.evaluation.looks import WITHOUT_COMPILING as WITHOUT_COMPILING
from eqprop.evaluation.looks import Look as Look
from eqprop.evaluation.looks import as_compiled as as_compiled
from eqprop.evaluation.looks import fresh_perturbations as fresh_perturbations
from eqprop.evaluation.looks import rounding_inside as rounding_inside
from eqprop.evaluation.program import Program as Program
from eqprop.evaluation.program import applicable as applicable
from eqprop.evaluation.row import Row as Row
from eqprop.evaluation.traced_programs import Slot as Slot
from eqprop.evaluation.traced_programs import surroundings as surroundings
from eqprop.evaluation.twofold import NotCompared as NotCompared
