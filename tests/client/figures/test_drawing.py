import matplotlib as mpl

from attridex.client.figures.drawing import data_uri, new_figure, picture, styled


def test_a_picture_has_the_same_bytes_whatever_the_user_s_own_style_is() -> None:
    def drawn() -> bytes:
        with styled():
            figure = new_figure(2.0)
            figure.subplots().plot([1, 2])
        return picture("p", figure, "A line.", "Below.").svg()

    with mpl.rc_context({"font.size": 30}):
        other = drawn()
    assert drawn() == other
    assert data_uri(other).startswith("data:image/svg+xml;base64,")


def test_a_picture_says_that_its_values_stand_in_tables_and_how_narrow_it_may_be() -> None:
    found = picture("p", new_figure(2.0, 5.0), "A line.", "Below.")
    assert found.alt == "A line. All values are in the tables below."
    assert (found.width, found.height) == (480, 192)
    assert 0 < found.least < found.width
    assert found.png().startswith(b"\x89PNG")
