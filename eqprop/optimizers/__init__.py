"""An optimiser beside a transformation: what it is asked, and the table optimiser × group.

Start with ``adapter.py``, which runs anything with optax's ``init`` and ``update``; the properties themselves are in
``eqprop.properties.optimizers``. ``zoo.py`` has the rows of the table with their predictions, ``pairs.py`` its columns.
"""
