"""``python -m eqprop``: the command line, where the console script is not at hand."""

from eqprop.cli import main

main()
