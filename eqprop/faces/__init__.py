"""What people meet: functions, decorators, the command line, the plugin.

This door imports nothing, and so does each face until it is used: a pytest run that verifies nothing, and
``eqprop --help``, get by without JAX. A face is entered by its own name (``eqprop.faces.cli``).
"""
