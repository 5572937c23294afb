"""What things cost, as ratios where machines differ. Each prints what it measured; `make bench` runs the short forms.

Here and not in tests: a busy machine would make them fail. Run one by `python -m benchmarks.queue`.
"""
