"""Studies: the comparison of instance and neuron attribution, one study a file."""
