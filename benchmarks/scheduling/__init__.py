"""Problems, baselines and measurements for the scheduler's benchmark (`python -m benchmarks.scheduler`)."""
