"""What happens to an index after it was built, as far as no model is needed: deletes, versions, migration.

Imports what writes and reads an index; never a model.
"""
