"""What watching a run costs, measured: ``python -m benchmarks``."""
