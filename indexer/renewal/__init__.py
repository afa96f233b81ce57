"""An index made whole again: what is damaged is mended from what is whole, or signed again, and what is deleted leaves the disk.

Imports what builds an index.
"""
