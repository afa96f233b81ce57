"""What a reader of an index holds: versions that must not leave the disk, and files that were opened once.

Knows files, their checksums and locks; nothing of what they mean.
"""
