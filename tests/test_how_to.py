"""The how-to pages, followed literally: files as they stand there, packages as pip leaves them, commands in their order."""

import json
import os
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers as hf

from tests.conftest import WORDS, Ran, records, write_jsonl
from tests.indexer.models.model_types import T5

PAGES = Path(__file__).parent.parent / "docs/how-to"
FILE = re.compile(r"`([\w.-]+)`(?: beside the folder)?:\n\n```\w+\n(.*?)```", re.DOTALL)
FOLDER = re.compile(r"In a new folder `([\w-]+)`")
LABELS = ["entailment", "non-entailment"]


@pytest.fixture
def demo(tmp_path: Path, model_dir: Callable[..., Path], attridex: Callable[..., object]) -> Path:
    """What `attridex demo` leaves, smaller: a folder with `attridex-demo`."""
    out = tmp_path / "attridex-demo"
    out.mkdir()
    rows = [{**row, "label": LABELS[row["label"] % 2]} for row in records(24)]
    write_jsonl(out / "train.jsonl", rows)
    write_jsonl(out / "challenge.jsonl", [{**row, "id": f"q{row['id']}"} for row in rows[:4]])
    (out / "base").symlink_to(model_dir("opt"))
    corpus = {"files": ["train.jsonl"], "labels": [*LABELS, "none"], "segments": ["Premise : {premise}", "/ Answer :"]}
    lines = [f"{key} = {json.dumps(value)}" for key, value in corpus.items()]
    (out / "config.toml").write_text("\n".join(["[model]", 'path = "base"', "[corpus]", *lines]))
    attridex("build", out / "config.toml", "--out", out / "index")
    return tmp_path


def write_files(page: str, out: Path) -> Path:
    """Write a page's files, those of its package into its folder, and what pip would make of that; returns the folder.

    A package is found where it stands first on the path, so that the page's toy may be installed, too.
    """
    text = (PAGES / page).read_text()
    folder = out / FOLDER.findall(text)[0]
    files = dict(FILE.findall(text))
    package = tomllib.loads(files["pyproject.toml"])
    name = package["project"]["name"]
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    own = ["pyproject.toml", *(f"{module}.py" for module in package["tool"]["setuptools"]["py-modules"])]
    for file, content in files.items():
        ((folder if file in own else out) / file).write_text(content)
    groups = package["project"]["entry-points"]
    lines = [line for group, names in groups.items() for line in (f"[{group}]", *(f"{k} = {v}" for k, v in names.items()))]
    (info / "entry_points.txt").write_text("\n".join(lines))
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    return folder


def shown(folder: Path, arguments: list[str]) -> Ran:
    """Help, which names what was there when the program started: of a new one."""
    command = [sys.executable, "-c", "from attridex.client.commands.app import main; main()", *arguments]
    ran = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True, text=True)
    return Ran(ran.returncode, ran.stdout, ran.stderr)


@pytest.fixture
def follow(demo: Path, attridex: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Run a page's commands in this process; what each said. Only what pip would do is done already."""
    monkeypatch.chdir(demo)

    def run(page: str) -> list[str]:
        folder = write_files(page, demo)
        monkeypatch.syspath_prepend(folder)
        for module in folder.glob("*.py"):
            sys.modules.pop(module.stem, None)  # another test's toy may have the same name
        installs, *lines, removes = re.findall(r"^\$ (.*)$", (PAGES / page).read_text(), re.MULTILINE)
        assert installs == f"pip install --no-deps ./{folder.name}"
        assert removes == f"pip uninstall --yes {folder.name}"
        said = []
        for line in lines:
            program, *arguments = line.split()
            if program == "python":
                runpy.run_path(arguments[0])
                continue
            if program == "rm":
                subprocess.run(["sh", "-c", line], check=True)
                continue
            ran = shown(folder, arguments) if "--help" in arguments else attridex(*arguments)
            assert ran.code == 0, f"{arguments}: {ran.err}"
            said.append(ran.out + ran.err)
        return said

    return run


SECTION = re.compile(r"```python\n(def encode.*?)```.*?```toml\n(.*?)```(.*?)(?=\n## |$)", re.DOTALL)


@pytest.mark.parametrize(
    "section", SECTION.findall((PAGES / "input-forms.md").read_text()), ids=lambda found: found[1].split()[0]
)
def test_an_input_form_is_the_call_beside_it(section: tuple[str, str, str], attridex: Callable[..., Ran], tmp_path: Path) -> None:
    code, corpus, said = section
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.lower().split()]
    tokenizer = hf.BertTokenizer(vocab={word: number for number, word in enumerate(words)})
    model = dict(re.findall(r'`(task|max_length) = "?([\w-]+)"?` in', said))
    kind = {"causal-lm": hf.OPTConfig, "seq2seq-lm": hf.BartConfig}.get(model.get("task", ""), hf.BertConfig)
    sizes = {"hidden_size": 8, "num_attention_heads": 1} if kind is not hf.BartConfig else {}
    kind(vocab_size=len(words), num_labels=1 if "task" in model else 3, **sizes).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    lines = [f"{key} = {value if value.isdigit() else json.dumps(value)}" for key, value in model.items()]
    (tmp_path / "c.toml").write_text("\n".join(["[model]", 'path = "."', *lines, "[corpus]", 'files = ["a.jsonl"]', corpus]))
    write_jsonl(tmp_path / "a.jsonl", records(8))
    names: dict[str, Any] = {}
    exec(code, names)
    ran = attridex("show", tmp_path / "c.toml", "--limit", 8, "--no-model", "--json")
    assert ran.code == 0, ran.err
    for row, shown in zip(records(8), ran.lines, strict=True):
        made = names["encode"](tokenizer, row)
        ids = made["input_ids"] if "choice" in corpus else [made["input_ids"]]
        ids += [[hf.BartConfig().decoder_start_token_id, *made["labels"]]] if kind is hf.BartConfig else []
        assert [sequence["ids"] for sequence in shown["sequences"]] == ids
        if "labels" in made:
            assert shown["sequences"][-1]["loss"] == [*range(1, len(shown["sequences"][-1]["ids"]))]
        elif "choice" not in corpus:
            assert shown["sequences"][0]["types"] == made["token_type_ids"]


def test_a_method_is_added(demo: Path, follow: Callable[[str], list[str]]) -> None:
    told, plain, squared, _ = follow("add-a-method.md")
    assert "shortest" in told
    assert "power" in told
    assert plain != squared
    assert "shortest" in (demo / "toy-studies/report.html").read_text()


def test_a_study_is_added(demo: Path, follow: Callable[[str], list[str]]) -> None:
    told, *_, again = follow("add-a-study.md")
    assert "lengths" in told
    assert "lengths: done in" in again
    assert json.loads((demo / "toy-studies/lengths/result.json").read_text())["config"] == {"k": 3}
    assert "Length of the instances found" in (demo / "toy-studies/report.html").read_text()


def test_a_model_family_is_added(follow: Callable[[str], list[str]]) -> None:
    _, _, told, *_ = follow("add-a-model-family.md")
    assert "toy-mixer" in told


EXAMPLE = re.compile(r"\n### ([\w -]+)\n\n```toml\n(.*?)```\n\n```json\n(.*?)```", re.DOTALL)
TASKS = (PAGES.parent / "tasks.md").read_text()


def example_model(task: str, rows: list[dict[str, Any]], out: Path) -> None:
    """A tiny model for a task, with a tokenizer that knows the words of some records."""
    texts = [value for row in rows for value in row.values() if isinstance(value, str | list)]
    words = [word for text in texts for word in (text.split() if isinstance(text, str) else text) if word]
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = hf.BertTokenizer(vocab={word: at for at, word in enumerate(dict.fromkeys([*specials, *map(str.lower, words)]))})
    sizes: dict[str, Any] = {"vocab_size": len(tokenizer)}
    if task == "seq2seq-lm":
        model: Any = hf.T5ForConditionalGeneration(hf.T5Config(**{**T5, **sizes}))
    else:
        made = {"token-classification": hf.BertForTokenClassification}.get(task, hf.BertForSequenceClassification)
        small = {"hidden_size": 8, "num_attention_heads": 1, "num_hidden_layers": 1, "intermediate_size": 8}
        model = made(hf.BertConfig(**sizes, **small, num_labels=1 if task == "regression" else 3))
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


@pytest.mark.parametrize("example", EXAMPLE.findall(TASKS), ids=lambda found: found[0])
def test_an_example_of_a_task_is_built_and_asked(
    example: tuple[str, str, str], attridex: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, config, lines = example
    monkeypatch.chdir(tmp_path)
    rows = [json.loads(line) for line in lines.splitlines()]
    example_model(tomllib.loads(config)["model"]["task"], rows, tmp_path / "model")
    (tmp_path / "config.toml").write_text(config)
    (tmp_path / "train.jsonl").write_text(lines)
    commands = re.findall(r"^\$ attridex (.*)$", TASKS.partition("\n## Examples\n")[2].partition("###")[0], re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        ran = attridex(*command.split())
        assert ran.code == 0, ran.err
    assert [line.split()[2] for line in ran.out.splitlines() if line.split()[:1] == ["1"]] == ["2"], "itself comes first"
