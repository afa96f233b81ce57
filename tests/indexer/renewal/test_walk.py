"""A random walk through commands, kills and damage, beside an oracle; `make soak` takes many more steps."""

from tests.soak.walk import walked


def test_whatever_is_done_in_whichever_order_the_index_holds_what_an_oracle_in_plain_python_says() -> None:
    done, fault = walked(0, 6, every=6)
    assert fault is None, fault
    assert done["answers compared"] == 1
