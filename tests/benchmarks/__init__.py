"""The benchmarks of `attridex bench`: each path beside what the hardware must do for it, in one run."""
