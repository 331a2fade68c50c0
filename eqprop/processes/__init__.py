"""Processes of ours beside this one: how they are started, and what reaches them."""

from eqprop.processes.signals import heard as heard
from eqprop.processes.signals import interrupts_held as interrupts_held
from eqprop.processes.spawning import Spawned as Spawned
from eqprop.processes.spawning import spawned as spawned
