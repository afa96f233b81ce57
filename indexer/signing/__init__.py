"""The one code path that turns texts into gradients and neuron scores, for the build and for queries alike.

Imports models, gradients and neurons; knows nothing of files.
"""
