from attridex.client.studies import artefacts


def test_a_list_of_choices_stands_for_the_right_one() -> None:
    config = artefacts.ArtefactsSettings(first="question", second="choices")
    values = {"question": "where do cats sleep", "choices": '["in a box", "where cats sleep"]', "label": "1"}
    assert artefacts.markers_of(values, config)["word overlap"] == 1.0
    assert artefacts.markers_of({**values, "label": "0"}, config)["word overlap"] == 0.0
