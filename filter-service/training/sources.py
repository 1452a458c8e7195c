"""Reads the public data sets, each a source; ``manifest.json`` names the files and their checksums."""

import csv
import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path

from rows import CATEGORIES, Row, attack, harmful, harmless

MANIFEST = Path(__file__).with_name("manifest.json")

_UNSUITABLE = {
    "different_user_input_language",
    "few_shot_attack",
    "indirect_reference",
    "many_shot_attack",
    "mixed_techniques",
    "overload_with_information",
    "repeated_token_attack",
}
"""CyberSecEval's variants that are attacks only beside their system prompt; the text itself is harmless."""

_CATQA = {
    "Drug": ("crime",),
    "Weapon": ("weapons",),
    "Human Trafficking": ("crime",),
    "Cybercrime": ("crime",),
    "Theft and Robbery": ("crime",),
    "Content Sexual exploitation": ("sexual", "crime"),
    "Physical abuse": ("violence",),
    "Emotional and psychological abuse": ("harassment",),
    "Neglect": ("violence",),
    "Online predation": ("sexual", "crime"),
    "Racial or ethnic hate": ("hate",),
    "Religious intolerance": ("hate",),
    "Gender-based violence": ("violence",),
    "Cyberbullying": ("harassment",),
    "Terrorism and extremism": ("violence", "weapons"),
    "Self-harm": ("self_harm",),
    "Assault and battery": ("violence",),
    "Hazardous material handling": ("weapons",),
    "Unsafe practices": (),
    "Weapon making": ("weapons",),
    "Doxxing": ("harassment", "crime"),
    "Pornography": ("sexual",),
    "Erotic text": ("sexual",),
    "Nude imagery": ("sexual",),
    "Sexually explicit dialogue": ("sexual",),
    "Adult-themed humor": ("sexual",),
}
"""CatQA's sub-categories; those of the areas below, where not named here, are crimes."""
_CATQA_CRIMES = {"Malware Viruses", "Economic Harm", "Fraud/Deception", "Privacy Violation Activity"}


_MOST = {"clinc": 6000, "davidson": 3000, "slabs": 11000}
"""Rows of the largest sources; more of the same teaches nothing and takes time."""


class DataError(Exception):
    """The data folder does not hold what the manifest names."""


def read_sources(folder: Path) -> dict[str, list[Row]]:
    """Read every source.

    Raises:
        DataError: a file is missing or differs from the manifest's.
    """
    for entry in json.loads(MANIFEST.read_text(encoding="utf-8"))["files"]:
        path = folder / entry["path"]
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
            raise DataError(f"{path} is missing, or is not the file that manifest.json names")
    sources: dict[str, list[Row]] = {}
    for row in _all(folder):
        sources.setdefault(row.source, []).append(row)
    for name, most in _MOST.items():
        sources[name] = random.Random(name).sample(sources[name], most)
    return sources


def _all(folder: Path) -> Iterator[Row]:
    for name in ("train", "validation", "test"):
        yield from _labelled(folder / f"slabs_injection/{name}.csv", "slabs")
    yield from _labelled(folder / "neuralchemy_injection/core.csv", "neuralchemy")
    yield from _cyberseceval(folder / "cyberseceval")
    for text in _json(folder / "inthewild_jailbreaks/inthewild_jailbreak_llms.json"):
        yield attack(text, "inthewild")
    for name in ("one", "two"):
        for entry in _json(folder / f"notinject/NotInject_{name}.json"):
            yield harmless(entry["prompt"], "notinject")
    for split in _json(folder / "clinc_queries/data_small.json").values():
        for text, _ in split:
            yield harmless(text, "clinc")
    for entry in _csv(folder / "prompts_chat/prompts.csv"):
        yield harmless(entry["prompt"], "prompts_chat")
    for entry in _csv(folder / "xquad_questions/questions.csv"):
        yield harmless(entry["text"], "xquad")
    yield from _instructions(folder / "instructions")
    yield from _red_instruct(folder / "red_instruct")
    yield from _moderation(folder / "openai_moderation/samples-1680.jsonl")
    yield from _hate(folder)


def _labelled(path: Path, source: str) -> Iterator[Row]:
    for entry in _csv(path):
        yield (attack if entry["label"] == "1" else harmless)(entry["text"], source)


def _cyberseceval(folder: Path) -> Iterator[Row]:
    for name, source in (
        ("prompt_injection", "cse_injection"),
        ("prompt_injection_multilingual_machine_translated", "cse_translated"),
    ):
        for entry in _json(folder / f"{name}.json"):
            if entry["injection_variant"] not in _UNSUITABLE:
                yield attack(entry["user_input"], source)
    for name, source in (
        ("mitre_frr", "mitre_frr"),
        ("frr_multilingual_machine_translated", "frr_translated"),
    ):
        for entry in _json(folder / f"{name}.json"):
            yield harmless(entry["mutated_prompt"], source)


def _instructions(folder: Path) -> Iterator[Row]:
    for name in ("user_oriented_instructions", "seed_tasks"):
        for entry in _jsonl(folder / f"{name}.jsonl"):
            text = f"{entry['instruction']}\n{entry['instances'][0]['input']}"
            yield harmless(text.strip()[:1500], "instructions")
    for entry in _jsonl(folder / "bench_questions.jsonl"):
        yield harmless("\n".join(entry["turns"]), "instructions")


def _red_instruct(folder: Path) -> Iterator[Row]:
    for name in ("catqa_english", "catqa_chinese"):
        for area, topics in _json(folder / f"{name}.json").items():
            for topic, questions in topics.items():
                categories = _CATQA.get(topic.rstrip(":"), ("crime",) if area in _CATQA_CRIMES else None)
                if categories is None:
                    continue  # advice on money and elections: harmless to most who ask
                for question in questions:
                    yield harmful(question, name, categories, *_kin(categories))
    for topics in _json(folder / "harmfulqa.json").values():
        for questions in topics.values():
            for question in questions:
                yield harmful(question, "harmfulqa", (), weight=0.4)


def _kin(categories: tuple[str, ...]) -> tuple[str, ...]:
    """Return the categories that such a question may belong to as well; they are left out for it."""
    kin = {"weapons": "crime violence", "violence": "crime weapons harassment", "crime": "weapons harassment"}
    others = {name for category in categories for name in kin.get(category, "").split()}
    return tuple(others - set(categories))


def _moderation(path: Path) -> Iterator[Row]:
    names = {
        "sexual": ("S", "S3"),
        "violence": ("V", "V2"),
        "self_harm": ("SH",),
        "hate": ("H", "H2"),
        "harassment": ("HR",),
    }
    for entry in _jsonl(path):
        labels = {head: int(any(entry.get(key) for key in keys)) for head, keys in names.items()}
        labels |= {"injection": 0, "harm": int(any(labels.values()))}
        if not labels["harm"]:
            labels |= dict.fromkeys(CATEGORIES, 0)
        yield Row(entry["prompt"][:2000], "moderation", labels)


def _hate(folder: Path) -> Iterator[Row]:
    for entry in _csv(folder / "hatecheck/test_suite_cases.csv"):
        text = entry["test_case"]
        if entry["label_gold"] == "hateful":
            yield harmful(text, "hatecheck", ("hate",), "harassment", "violence")
        else:
            yield harmless(text, "hatecheck")
    for entry in _csv(folder / "davidson_hate/labeled_data.csv"):
        if entry["class"] == "0":
            yield harmful(entry["tweet"], "davidson", ("hate",), "harassment", "sexual", "violence")
        elif entry["class"] == "2":
            yield harmless(entry["tweet"], "davidson")
    for entry in _csv(folder / "surge_toxicity/toxicity_en.csv"):
        if entry["is_toxic"] == "Toxic":
            yield harmful(entry["text"], "surge_toxicity", ("harassment",), "hate", "sexual", "violence")
        else:
            yield harmless(entry["text"], "surge_toxicity")


def _csv(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _json(path: Path):  # noqa: ANN202 -- whatever the file holds
    return json.loads(path.read_text(encoding="utf-8"))


def _jsonl(path: Path) -> Iterator[dict]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
