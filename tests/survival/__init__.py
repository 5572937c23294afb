"""Whether the service lives on: killed at random, with servers and disks that fail, and for a simulated week.

Short forms run with the other tests. SURVIVAL=full and SOAK=full run the long ones; SURVIVAL_SEED chooses another life.
"""
