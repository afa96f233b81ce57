"""Input forms: the ways that a record becomes what the model reads, and the settings that only some of them have."""

FORMS = ("segments", "text", "pair", "messages", "documents", "encoded")
"""Input forms: settings of the corpus that say how a record becomes what the model reads; a corpus has exactly one."""
ENCODED_FORMS = ("messages", "documents", "encoded")
"""Those whose instances an index's columns do not tell: it stores their encodings."""
LONG_FORMS = ("messages", "documents")
"""Those of language models where many tokens of an instance have a loss."""
PAIRED_FORMS = ("text", "pair", "encoded")
"""Those of encoder-decoder models: a source, and what is to follow from it."""
FORM_SETTINGS = {
    "truncate": ("segments",),
    "truncation": ("text", "pair", "messages"),
    "truncation_side": ("text", "pair"),
    "chat_template": ("messages",),
    "tools": ("messages",),
    "loss_on": ("messages",),
    "stride": ("documents",),
}
"""Settings of the corpus that only some input forms have."""
