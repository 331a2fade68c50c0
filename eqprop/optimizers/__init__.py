"""An optimiser beside a transformation: what it is asked, and the table optimiser × group.

The properties themselves, and the adapter to optax's ``init`` and ``update``, are in ``eqprop.properties.optimizers``.
``zoo.py`` has the rows of the table with their predictions, ``pairs.py`` its columns.
"""

from eqprop.optimizers.table import run as run
