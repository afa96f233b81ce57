"""Engines: who runs the ranges of a build plan, and where."""
