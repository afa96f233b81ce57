"""Stored vectors on a torch device, a GPU above all: searched there, scored on the CPU.

Imports groups and search, and torch, so that it is loaded only where a device is asked for; knows neither methods nor texts.
"""
