"""From a configuration to a served version: survey, plan, ranges, commit; every step may be repeated.

Imports every room above; only training and commands import it.
"""
