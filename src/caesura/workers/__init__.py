"""Execution of engine jobs: a scheduler, a pool, and workers that each hold one loaded engine."""
