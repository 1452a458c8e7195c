"""What a GGUF file says of itself, in its header.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Only the part before the tokenizer is
read, so a file of any size takes a millisecond (docs/adr/0055).
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stile.errors import ModelError

MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""Of the types of fixed size, as `struct` writes them; 8 is a text and 9 an array."""
_TEXT, _ARRAY = 8, 9
_MAX_KEYS = 4096
_MAX_TEXT = 1 << 20
_MAX_ITEMS = 1 << 16
_KEY_BYTES = 2
"""Of one number of a key or a value at llama.cpp's default, 16 bits."""

Value = str | int | float | bool | list[int | float | bool]


@dataclass(frozen=True)
class Header:
    """What is known of a model; None if the file does not say it."""

    name: str | None = None
    licence: str | None = None
    context: int | None = None
    """Tokens that it was trained for."""
    kv_bytes: int | None = None
    """Memory of the keys and values of one token, at 16 bits a number."""


class _BrokenError(Exception):
    """The header is not as the format says."""


def read(path: Path) -> Header:
    """Read a file's header; one that is damaged after its first bytes says nothing.

    Raises:
        ModelError: it cannot be read, or is no GGUF file.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise ModelError(f"{path}: not a GGUF file")
            try:
                return _header(_values(file))
            except (_BrokenError, struct.error, UnicodeDecodeError):
                return Header()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error


def _header(values: Mapping[str, Value]) -> Header:
    architecture = values.get("general.architecture")
    return Header(
        name=_text(values.get("general.name")),
        licence=_text(values.get("general.license")),
        context=_whole(values.get(f"{architecture}.context_length")),
        kv_bytes=_kv_bytes(values, f"{architecture}."),
    )


def _kv_bytes(values: Mapping[str, Value], prefix: str) -> int | None:
    """Add up the sizes of all layers' keys and values; None if the model stores them in another way."""
    if f"{prefix}attention.kv_lora_rank" in values:
        return None
    layers = _whole(values.get(f"{prefix}block_count"))
    heads = _whole(values.get(f"{prefix}attention.head_count"))
    width = _whole(values.get(f"{prefix}embedding_length"))
    groups = values.get(f"{prefix}attention.head_count_kv", heads)
    of_heads = width // heads if width and heads else None
    key = _whole(values.get(f"{prefix}attention.key_length")) or of_heads
    value = _whole(values.get(f"{prefix}attention.value_length")) or of_heads
    if not layers or key is None or value is None:
        return None
    all_groups = (
        sum(int(each) for each in groups) if isinstance(groups, list) else (_whole(groups) or 0) * layers
    )
    return all_groups * (key + value) * _KEY_BYTES or None


def _text(value: Value | None) -> str | None:
    return (value.strip() or None) if isinstance(value, str) else None


def _whole(value: Value | None) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _values(file: BinaryIO) -> dict[str, Value]:
    """Read the keys and values before the tokenizer's, which are long and come last."""
    if _number(file, "I") not in _VERSIONS:
        raise _BrokenError
    _number(file, "Q")  # how many tensors
    found: dict[str, Value] = {}
    for _ in range(min(_number(file, "Q"), _MAX_KEYS)):
        key = _string(file)
        if key.startswith("tokenizer."):
            break
        kind = _number(file, "I")
        value = _array(file) if kind == _ARRAY else _scalar(file, kind)
        if value is not None:
            found[key] = value
    return found


def _scalar(file: BinaryIO, kind: int) -> str | int | float | bool:
    if kind == _TEXT:
        return _string(file)
    if kind not in _FORMATS:
        raise _BrokenError
    value: int | float | bool = _unpacked(file, _FORMATS[kind])
    return value


def _array(file: BinaryIO) -> list[int | float | bool] | None:
    """Read an array of numbers; pass over one of texts, such as the tags."""
    kind, count = _number(file, "I"), _number(file, "Q")
    if count > _MAX_ITEMS:
        raise _BrokenError
    items = [_scalar(file, kind) for _ in range(count)]
    return None if kind == _TEXT else [item for item in items if not isinstance(item, str)]


def _string(file: BinaryIO) -> str:
    length = _number(file, "Q")
    if length > _MAX_TEXT:
        raise _BrokenError
    raw = file.read(length)
    if len(raw) < length:
        raise _BrokenError
    return raw.decode()


def _number(file: BinaryIO, form: str) -> int:
    number: int = _unpacked(file, form)
    return number


def _unpacked(file: BinaryIO, form: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 -- as the file says
    return struct.unpack(f"<{form}", file.read(struct.calcsize(f"<{form}")))[0]
