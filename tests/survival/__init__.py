"""Whether the service lives on: killed at random, with servers and disks that fail, and for a simulated week.

They run when asked for: SURVIVAL=short some minutes, SURVIVAL=full an hour; SURVIVAL_SEED chooses another life. Everything is
waited for with patience: a slow machine makes them slower, and nothing else.
"""
