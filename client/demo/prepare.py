"""What the demo needs before it can ask: corpus, configuration, model and index."""

import json
from importlib.resources import files
from pathlib import Path

from rich.console import Console

from attridex.client.demo.corpus import LABELS, Pairs, generate, vocabulary
from attridex.client.errors import ClientError


def prepare(out: Path, seed: int, console: Console) -> Pairs:
    """Write corpus, queries, configuration and a base model; what another seed made is refused."""
    config = files("attridex.client").joinpath("templates/demo.toml").read_text(encoding="utf-8").replace("SEED", str(seed))
    path = out / "config.toml"
    if path.exists() and path.read_text() != config:
        raise ClientError(f"{out}: holds a demo with another seed or version; choose another --out or remove it")
    out.mkdir(parents=True, exist_ok=True)
    pairs = generate(seed)
    for name, rows in (("train.jsonl", pairs.train), ("challenge.jsonl", pairs.challenge)):
        (out / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    if not (out / "base" / "config.json").exists():
        base_model(out / "base", vocabulary([*pairs.train, *pairs.challenge]), seed)
    path.write_text(config)
    flipped = sum(row["flipped"] for row in pairs.train)
    console.print(
        f"[bold]Corpus[/bold] {len(pairs.train)} HANS-style pairs; shared words go with entailment, {flipped} labels are flipped."
    )
    return pairs


def base_model(out: Path, words: list[str], seed: int) -> None:
    """A small OPT-style classifier with random weights, and a tokenizer of whole words."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    torch.manual_seed(seed)
    specials = ["<pad>", "<s>", "<unk>"]
    raw = Tokenizer(models.WordLevel({word: number for number, word in enumerate(specials + words)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    raw.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", specials.index("<s>"))])
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<s>", eos_token="<s>", pad_token="<pad>", unk_token="<unk>"
    )
    config = transformers.OPTConfig(
        vocab_size=len(specials) + len(words), hidden_size=96, word_embed_proj_dim=96, ffn_dim=384, num_hidden_layers=4,
        num_attention_heads=4, max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=1, num_labels=len(LABELS),
    )  # fmt: skip
    transformers.OPTForSequenceClassification(config).save_pretrained(out)
    tokenizer.save_pretrained(out)
    from attridex.indexer.files import by_umask

    for path in out.iterdir():
        by_umask(path)


def model_and_index(out: Path, console: Console) -> None:
    """Fine-tune and build, through the same functions as the commands; what is there is used again."""
    from attridex.indexer.building.build import build
    from attridex.indexer.config import load_config
    from attridex.indexer.training.finetuning import finetune

    config = load_config(out / "config.toml")
    if not (out / "model" / "config.json").exists():
        figures = finetune(config, out / "model")
        console.print(
            f"[bold]Model[/bold] 4-layer OPT, {figures['steps']:.0f} steps, mean training loss {figures['train_loss']:.3f}"
        )
    config = load_config(out / "config.toml")
    built = build(config, out / "index")
    console.print(f"[bold]Index[/bold] {built.manifest.instances} instances, {built.signed} signed now")
