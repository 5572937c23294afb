"""Pure decisions over values: no I/O, no clock, no randomness, no settings, no logging.

Whatever needs one of these takes its value as a parameter. Nothing below `daemon.core` imports from above it.
"""
