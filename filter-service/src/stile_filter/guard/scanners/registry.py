"""Builds a scanner out of ``type`` and ``params``. Runs in child processes only."""

import copy
import importlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from stile_filter.guard.scanners import llm_guard
from stile_filter.guard.scanners.excepted import Scan, Scanned, with_exceptions
from stile_filter.guard.scanners.joiners import without_joiners
from stile_filter.guard.scanners.windows import cut

_OWN = {
    "Credentials": "stile_filter.guard.credentials:Credentials",
    "HiddenText": "stile_filter.guard.hidden:HiddenText",
    "TrainedHarm": "stile_filter.guard.trained.scanners:TrainedHarm",
    "TrainedInjection": "stile_filter.guard.trained.scanners:TrainedInjection",
}
"""Stile's own scanners, by their short names."""

_DEFAULT_MODELS = {
    "BanCode": ("ban_code", "MODEL_SM"),
    "BanCompetitors": ("ban_competitors", "MODEL_V1"),
    "BanTopics": ("ban_topics", "MODEL_DEBERTA_BASE_V2"),
    "Code": ("code", "DEFAULT_MODEL"),
    "Gibberish": ("gibberish", "DEFAULT_MODEL"),
    "Language": ("language", "DEFAULT_MODEL"),
    "PromptInjection": ("prompt_injection", "V2_MODEL"),
    "Toxicity": ("toxicity", "DEFAULT_MODEL"),
}
"""Each model-based scanner's own model, as LLM-Guard's API server chooses it."""

_MODEL_PARAMS = ("model_path", "model_batch_size", "model_max_length", "model_onnx_file_name")
"""What LLM-Guard's API server takes beside a scanner's own parameters."""

_DEFAULT_MAX_TOKENS = 512
_NO_LIMIT = 100_000
"""Tokenizers without a length report a number far above any model's."""


def build(kind: str, params: dict[str, Any], excepted: Sequence[str] = ()) -> Scan:
    """Build the scanner ``kind``.

    Args:
        kind: the name of a scanner of Stile or LLM-Guard, or ``package.module:Class`` with the same ``scan``.
        params: its arguments, ``model_path`` and its kin among them.
        excepted: patterns of what is no finding.

    Raises:
        Exception: whatever the scanner raises over its arguments or its model.
    """
    return with_exceptions(_scan(kind, params), excepted)


def _scan(kind: str, params: dict[str, Any]) -> Scan:
    kind = _OWN.get(kind, kind)
    if ":" in kind:
        module, _, name = kind.partition(":")
        scanner = getattr(importlib.import_module(module), name)(**params)
        limit = _DEFAULT_MAX_TOKENS
    else:
        scanner, limit = _llm_guard(kind, dict(params))
    tokenizer = _tokenizer(scanner)
    if kind == "InvisibleText":
        return lambda text: _scanned(scanner, without_joiners(text))
    if tokenizer is None:
        return lambda text: _scanned(scanner, text)
    limit = min(limit, tokenizer.model_max_length) if tokenizer.model_max_length < _NO_LIMIT else limit
    if kind == "BanTopics":
        # Each topic is put behind the text, and of the two the text is what gets cut.
        limit -= max(len(tokenizer(f"This example is {topic}.")["input_ids"]) for topic in params["topics"])
    return lambda text: _worst(_scanned(scanner, window) for window in cut(text, tokenizer, limit))


def _scanned(scanner: Any, text: str) -> Scanned:  # noqa: ANN401 -- llm_guard ships no types
    _, passes, *rest = scanner.scan(text)
    score = float(rest[0]) if rest and isinstance(rest[0], int | float) else None
    return Scanned(bool(passes), score)


def _worst(windows: Iterable[Scanned]) -> Scanned:
    """Return the first window that may not pass, or the one of the highest score."""
    worst = Scanned(passes=True, score=None)
    for window in windows:
        if not window.passes:
            return window
        worst = max(worst, window, key=lambda scanned: -2.0 if scanned.score is None else scanned.score)
    return worst


def _llm_guard(kind: str, params: dict[str, Any]) -> tuple[Any, int]:
    if kind == "Anonymize":
        return _anonymize(llm_guard.scanner(kind), params), _DEFAULT_MAX_TOKENS
    scanner = llm_guard.scanner(kind)
    model_params = {name: params.pop(name) for name in _MODEL_PARAMS if name in params}
    if kind not in _DEFAULT_MODELS:
        if model_params:
            raise ValueError(f"takes no {', '.join(model_params)}")
        return scanner(**params), _DEFAULT_MAX_TOKENS
    module, constant = _DEFAULT_MODELS[kind]
    own = getattr(llm_guard.module(f"input_scanners.{module}"), constant)
    model = _configured(own, model_params)
    folder = Path(model.onnx_path) if model_params.get("model_path") else None
    if folder is None or (folder / model.onnx_subfolder / model.onnx_filename).is_file():
        params.setdefault("use_onnx", True)
    return scanner(model=model, **params), int(model.pipeline_kwargs.get("max_length") or _DEFAULT_MAX_TOKENS)


def _anonymize(scanner: type, params: dict[str, Any]) -> Any:  # noqa: ANN401 -- llm_guard ships no types
    vault = llm_guard.module("vault").Vault
    model_params = {name: params.pop(name) for name in _MODEL_PARAMS if name in params}
    if model_params:
        helpers = llm_guard.module("input_scanners.anonymize_helpers")
        configuration = copy.deepcopy(helpers.DEBERTA_AI4PRIVACY_v2_CONF)
        configuration["DEFAULT_MODEL"] = _configured(configuration["DEFAULT_MODEL"], model_params)
        params["recognizer_conf"] = configuration
    params.setdefault("use_onnx", True)

    class Forgetful(scanner):  # type: ignore[misc]  # its base is known at run time only
        """Keeps nothing of a text: a vault that is shared between users leaks."""

        def scan(self, prompt: str) -> tuple[str, bool, float]:
            self._vault = vault()
            try:
                result: tuple[str, bool, float] = super().scan(prompt)
                return result
            finally:
                self._vault = vault()

    return Forgetful(vault(), **params)


def _configured(own: Any, model_params: dict[str, Any]) -> Any:  # noqa: ANN401 -- llm_guard ships no types
    """Return a copy of the scanner's own model with ``model_params``, its ``pipeline_kwargs`` kept."""
    model = copy.deepcopy(own)
    if path := model_params.get("model_path"):
        model.path = model.onnx_path = path
        model.subfolder = model.onnx_subfolder = ""
        model.revision = model.onnx_revision = None
        model.onnx_filename = "model.onnx"
        model.kwargs = {"local_files_only": True}
    if batch_size := model_params.get("model_batch_size"):
        model.pipeline_kwargs["batch_size"] = batch_size
    if max_length := model_params.get("model_max_length"):
        model.pipeline_kwargs["max_length"] = max_length
    if file_name := model_params.get("model_onnx_file_name"):
        model.onnx_filename = file_name
    return model


def _tokenizer(scanner: object) -> Any | None:  # noqa: ANN401 -- transformers ships no usable types
    """Return the tokenizer that the scanner's model reads with; None if it reads without one."""
    for held in _held(scanner):
        tokenizer = getattr(held, "tokenizer", None)
        if hasattr(tokenizer, "model_max_length") and callable(tokenizer):
            return tokenizer
    return None


def _held(scanner: object) -> Iterator[object]:
    for value in vars(scanner).values() if hasattr(scanner, "__dict__") else ():
        yield value
        # gorget's PromptInjection holds its pipeline in a function.
        for cell in getattr(value, "__closure__", None) or ():
            yield cell.cell_contents
