"""Findings as small as they can be."""

from attridex.client.demo.findings import DemoFindings, Detection, EditedProbability, Evidence, Found
from attridex.v1.answers import InstanceHit

HIT = InstanceHit(1, "t3", 3, 0.25, {"premise": "a dog ran", "hypothesis": "a dog", "label": "entailment", "flipped": True})
EVIDENCE = Evidence(
    premise="the dog by the cat ran",
    hypothesis="the cat ran",
    label="non-entailment",
    subcase="prepositional phrase",
    predicted="entailment",
    probability=0.875,
    found=(Found("by gradients", (HIT,)), Found("by neurons", (HIT, HIT))),
    edits=(EditedProbability("unedited", 0.875), EditedProbability("top 5 neurons suppressed", 0.5)),
)
FINDINGS = DemoFindings(
    wrong=3,
    challenge=4,
    suspicion=(3.0, 1.0, 2.0, 0.5),
    flipped=(True, False, True, False),
    detection={"IA self-influence": Detection(1.0, 1.0), "NA-Instances": Detection(0.75, 0.5), "random": Detection(0.5, 0.5)},
    overlaps={"whole corpus": 0.5, "IA": 0.9, "NA-Instances": 0.8},
    queries=(EVIDENCE,),
)
