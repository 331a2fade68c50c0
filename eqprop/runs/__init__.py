"""From names to tasks to a report: in this process, in workers, and again from a file."""

from eqprop.runs.asking import make_options as make_options
from eqprop.runs.beside import help_with as help_with
from eqprop.runs.beside import helper_of as helper_of
from eqprop.runs.gone import Empty as Empty
from eqprop.runs.gone import Gone as Gone
from eqprop.runs.optimizer_targets import found as found
from eqprop.runs.peak import peak_memory as peak_memory
from eqprop.runs.places import place_of as place_of
from eqprop.runs.replaying import again as again
from eqprop.runs.replaying import check as check
from eqprop.runs.replaying import load as load
from eqprop.runs.replaying import replay as replay
from eqprop.runs.runner import Interrupted as Interrupted
from eqprop.runs.runner import run_tasks as run_tasks
from eqprop.runs.scripting import script as script
from eqprop.runs.single import searched as searched
from eqprop.runs.targets import as_tasks as as_tasks
from eqprop.runs.targets import model_of as model_of
from eqprop.runs.targets import resolve_all as resolve_all
from eqprop.runs.unchanged import Told as Told
from eqprop.runs.unchanged import as_kept as as_kept
from eqprop.runs.unchanged import digest as digest
