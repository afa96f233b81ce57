"""Names and numbers of neurons."""

import pickle
from typing import Any

import pytest

from attridex.v1 import attribution_pb2 as pb
from attridex.v1.errors import UsageError
from attridex.v1.neurons import Neuron, NeuronLayout, as_neurons
from attridex.v1.requests import Intervention, Query
from attridex.v1.wire_values import neurons_from_wire, neurons_to_wire

LAYOUTS = [NeuronLayout(2, 5), NeuronLayout(2, 12, 4, 3), NeuronLayout(3, 17, 4, 3, (0, 5, 2), (1,))]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_number_is_one_neuron_and_every_neuron_one_number(layout: NeuronLayout) -> None:
    found = [layout.neuron(number) for number in layout.numbers]
    assert [layout.number(each) for each in found] == list(layout.numbers)
    assert len(set(found)) == layout.size == len({each.name for each in found})
    assert all(map(layout.has, found))
    assert layout.size in (2 * 5, 2 * 12, 2 * 12 + 5 + 2)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_neurons_that_the_model_has_not_are_known(layout: NeuronLayout) -> None:
    inside = set(map(layout.neuron, layout.numbers))
    for neuron in (Neuron(layer, unit, expert) for layer in range(4) for unit in range(18) for expert in (None, 0, 3, 4)):
        assert layout.has(neuron) == (neuron in inside)


def test_experts_stand_first_in_a_layer_and_units_without_one_behind_them() -> None:
    layout = LAYOUTS[2]
    assert layout.neuron(17) == Neuron(1, 0, expert=0)
    assert layout.neuron(17 + 11) == Neuron(1, 2, expert=3)
    assert layout.neuron(17 + 12) == Neuron(1, 0)
    wanted = "3 layers of 4 experts of 3 units, none in layer 1; of units without an expert layer 1 has 5, layer 2 has 2"
    assert layout.words == wanted
    assert LAYOUTS[0].words == "2 layers of 5 units"


@pytest.mark.parametrize(("text", "neuron"), [("3-17", Neuron(3, 17)), ("3-2.17", Neuron(3, 17, 2)), (" 0-0.0", Neuron(0, 0, 0))])
def test_a_neuron_is_read_as_it_is_written(text: str, neuron: Neuron) -> None:
    assert Neuron.parse(text) == neuron
    assert neuron.name == text.strip()
    assert Neuron(*neuron.numbers) == neuron


@pytest.mark.parametrize("text", ["3", "3-", "-3", "3-2.", "3-.2", "3-1.2.3", "a-1", "3--1", "3-1.-2", "3-²"])
def test_what_is_no_neuron_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no neuron; write LAYER-UNIT, or LAYER-EXPERT\.UNIT"):
        Neuron.parse(text)


def test_interventions_name_neurons_of_experts() -> None:
    assert Intervention.parse("keep", "3-2.17,5-2").neurons == (Neuron(3, 17, 2), Neuron(5, 2))
    with pytest.raises(UsageError, match=r"LAYER-EXPERT\.UNIT of an expert"):
        Intervention.parse("keep", "3.2-17")


@pytest.mark.parametrize("neurons", [[(1, 2, 3)], [(1,)], [(-1, 2)], [(1, 2.5)], [Neuron(1, 2, -1)]])
def test_three_numbers_are_no_neuron_since_their_order_would_be_guessed(neurons: Any) -> None:
    with pytest.raises(UsageError, match=r"neurons are pairs \(layer, unit\)"):
        as_neurons(neurons)


def test_an_expert_travels_and_so_does_its_absence() -> None:
    neurons = (Neuron(1, 2, 0), Neuron(1, 2), Neuron(1, 2, 7))
    assert neurons_from_wire(neurons_to_wire(neurons)) == neurons
    assert not pb.Neuron.FromString(neurons_to_wire(neurons)[1].SerializeToString()).HasField("expert")
    assert Query.neurons([(1, 2), neurons[0]]).source.neurons == (neurons[1], neurons[0])  # type: ignore[union-attr]


def test_a_neuron_without_an_expert_is_the_pair_that_it_always_was() -> None:
    neuron, own = Neuron(3, 17), Neuron(3, 17, expert=0)
    assert neuron == (3, 17) != own
    assert {neuron: 1} == {(3, 17): 1}
    assert [pickle.loads(pickle.dumps(each)) for each in (neuron, own)] == [neuron, own]
    layer, unit = neuron
    assert (layer, unit, own.expert, neuron.expert) == (3, 17, 0, None)
    assert repr(neuron) == "Neuron(layer=3, unit=17)"
    assert repr(own) == "Neuron(layer=3, unit=17, expert=0)"
