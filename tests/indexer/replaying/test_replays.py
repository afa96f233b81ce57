"""Room for batches of like shape."""

from attridex.indexer.replaying.replays import roomy


def test_room_is_a_bounded_number_of_sizes_that_waste_an_eighth_at_most() -> None:
    assert all(size <= roomy(size) <= max(size, size * 9 / 8) for size in range(1, 5000))
    assert len({roomy(size) for size in range(1, 4097)}) <= 8 * 12
