from attridex.client.figures.records import Records, Shown, as_text, shown_record


def test_a_record_is_texts_a_label_marks_and_the_rest() -> None:
    record = {"premise": "a dog", "label": 1, "flipped": True, "kept_back": False, "part": "x", "loss": 0.12345}
    shown = shown_record(record, ["premise"])
    assert (shown.label, shown.texts, shown.marks) == ("1", (("premise", "a dog"),), ("flipped",))
    assert shown.others == "part: x; loss: 0.123"
    assert as_text(["a", 0.5]) == "0 a | 1 0.5"


def test_a_record_whose_texts_were_not_passed_on_is_empty() -> None:
    records = Records({"t1": {"premise": "a dog"}}, ("premise",))
    assert records.of("t1").texts == (("premise", "a dog"),)
    assert records.of("t2") == Shown()


def test_a_column_is_shown_by_the_name_that_records_have_for_it() -> None:
    texts = {"t1": {"shown_tokens": "a dog", "shown_x": "b"}, "query q": {"tokens": "a cat", "shown_x": "c"}}
    records = Records(texts, ("shown_tokens", "shown_x"))
    assert records.of("t1").texts == (("tokens", "a dog"), ("shown_x", "b"))
    assert records.of("query q").texts == (("tokens", "a cat"), ("shown_x", "c"))
