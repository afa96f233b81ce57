"""Engines: who does a build's tasks, beside this process. Tasks are given out, and given again when one who had them is lost."""
