"""Loops: fetch, ask core or planner, carry out, record. Each offers `run_once() -> bool` (True: there was work)."""
