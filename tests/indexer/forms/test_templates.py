"""Segments: texts and plain field names."""

import pytest

from attridex.indexer.errors import InputError
from attridex.indexer.forms.templates import parse_template


def test_segments_split_into_texts_and_fields() -> None:
    segment = parse_template("Premise {{1}} : {premise} / {hypothesis}.", "corpus.segments")
    assert segment.fields == ("premise", "hypothesis")
    assert segment.text({"premise": "{p}", "hypothesis": "h"}) == "Premise {1} : {p} / h."


@pytest.mark.parametrize("template", ["{a!r}", "{a:3}", "{a.b}", "{0}", "{", "{}"])
def test_anything_but_a_plain_field_name_is_refused(template: str) -> None:
    with pytest.raises(InputError, match=r"corpus\.segments: .*write fields as"):
        parse_template(template, "corpus.segments")
