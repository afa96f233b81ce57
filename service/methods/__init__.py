"""The IA methods, each one object in one file, and the registry where those of others join them.

Imports scoring and what is below; nothing but the registry names a method.
"""
