"""Hypothesis driven over drawn pairs, until the evidence of each cell is in."""

from eqprop.search.budget import COSTLY_EVERY as COSTLY_EVERY
from eqprop.search.culprits import Failure as Failure
from eqprop.search.drawing import LARGEST_SEED as LARGEST_SEED
from eqprop.search.drawing import Drawn as Drawn
from eqprop.search.drawing import drive as drive
from eqprop.search.drawing import rebuilt as rebuilt
from eqprop.search.drawing import simplest as simplest
from eqprop.search.driver import Search as Search
from eqprop.search.known_failures import check_known_names as check_known_names
from eqprop.search.outcomes import DISPUTED as DISPUTED
from eqprop.search.outcomes import Evidence as Evidence
from eqprop.search.outcomes import outcome_of as outcome_of
from eqprop.search.outcomes import unseen_rounding as unseen_rounding
from eqprop.search.outcomes import verdict_of as verdict_of
from eqprop.search.outcomes import why_empty as why_empty
from eqprop.search.pool import SMALL as SMALL
from eqprop.search.pool import Violation as Violation
from eqprop.search.searching import search as search
from eqprop.search.tally import Tally as Tally
from eqprop.search.task import Options as Options
from eqprop.search.task import SearchTask as SearchTask
from eqprop.search.task import ignore as ignore
