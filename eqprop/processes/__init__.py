"""Processes of ours beside this one: how they are started, and what reaches them."""

from eqprop.processes.ending import end_with_this as end_with_this
from eqprop.processes.ending import ends_with_this as ends_with_this
from eqprop.processes.signals import heard as heard
from eqprop.processes.signals import interrupts_held as interrupts_held
from eqprop.processes.spawning import Spawned as Spawned
from eqprop.processes.spawning import spawned as spawned
