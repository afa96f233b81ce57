"""Client: asks an attribution index, remote or in process, and runs studies against it."""
