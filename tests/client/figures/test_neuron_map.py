from attridex.client.figures.neuron_map import LEFT, RIGHT, WIDTH, Frame, neuron_map
from attridex.v1.answers import NeuronScore
from attridex.v1.neurons import NeuronLayout


def test_neurons_lie_at_their_layer_and_unit() -> None:
    frame = Frame(NeuronLayout(layers=3, units=101))
    assert (frame.x(0), frame.x(100)) == (LEFT, WIDTH - RIGHT)
    assert frame.x(50) == (LEFT + WIDTH - RIGHT) / 2
    assert frame.y(2) - frame.y(1) == frame.y(1) - frame.y(0) == frame.step
    drawn = neuron_map([NeuronScore(2, 50, 0.0123), NeuronScore(0, 0, -0.003)], NeuronLayout(3, 101), "a <map>")
    assert f'cx="{frame.x(50)}" cy="{frame.y(2)}" r="8.0"' in drawn
    assert "<title>layer 2, unit 50: 0.0123</title>" in drawn
    assert 'class="hollow"' in drawn
    assert 'aria-label="a &lt;map&gt;"' in drawn


def test_units_of_experts_lie_expert_by_expert() -> None:
    layout = NeuronLayout(2, 13, experts=4, expert_units=3)
    frame = Frame(layout)
    drawn = neuron_map([NeuronScore(1, 2, 0.5, expert=1), NeuronScore(0, 0, 0.25)], layout, "map")
    assert f'cx="{frame.x(5)}" cy="{frame.y(1)}"' in drawn
    assert f'cx="{frame.x(12)}" cy="{frame.y(0)}"' in drawn
    assert "<title>layer 1, expert 1, unit 2: 0.5</title>" in drawn
    assert "units, expert by expert (4 of 3)" in drawn
