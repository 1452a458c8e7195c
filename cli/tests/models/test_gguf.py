"""What is read of a GGUF file's header."""

import struct

import pytest

from harness.models.gguf import write
from harness.models.llama import MODEL
from stile.errors import ModelError
from stile.home import find_root
from stile.models import gguf
from stile.models.catalogue import Catalogue
from stile.models.gguf import Header
from stile.settings import EMBEDDED_MODEL, Settings

LLAMA = {
    "general.architecture": "llama",
    "general.name": " Somebody's Model ",
    "general.license": "mit",
    "llama.context_length": 2048,
    "llama.block_count": 4,
    "llama.embedding_length": 256,
    "llama.attention.head_count": 8,
    "llama.attention.head_count_kv": 2,
}


def test_the_real_model_says_what_the_list_says():
    """Name, context, and the memory of a token."""
    listed = Catalogue(find_root(Settings())).find(EMBEDDED_MODEL)
    header = gguf.read(MODEL)
    assert (header.context, header.kv_bytes) == (listed.context, listed.kv_bytes)
    assert header.name is not None
    assert "smollm2" in header.name.lower().replace(" ", "")


@pytest.mark.parametrize(
    ("changed", "kv_bytes"),
    [
        ({}, 4 * 2 * (32 + 32) * 2),
        ({"llama.attention.key_length": 64, "llama.attention.value_length": 16}, 4 * 2 * (64 + 16) * 2),
        ({"llama.attention.head_count_kv": [2, 0, 2, 0]}, 4 * (32 + 32) * 2),
        ({"llama.attention.head_count_kv": None}, 4 * 8 * (32 + 32) * 2),
        ({"llama.block_count": None}, None),
        ({"llama.attention.kv_lora_rank": 512}, None),
        ({"llama.attention.head_count": 0}, None),
    ],
    ids=["heads", "lengths", "each layer", "no groups", "no layers", "another way", "no heads"],
)
def test_the_memory_of_a_token(tmp_path, changed, kv_bytes):
    """Keys and values of all layers, at two bytes a number; None if the header does not tell."""
    path = write(
        tmp_path / "x.gguf", {key: value for key, value in (LLAMA | changed).items() if value is not None}
    )
    assert gguf.read(path).kv_bytes == kv_bytes


def test_what_the_tokenizer_says_is_not_read(tmp_path):
    """It comes last; a broken one is not seen."""
    path = write(
        tmp_path / "x.gguf", {**LLAMA, "general.tags": ["chat", "small"], "tokenizer.ggml.tokens": ["a"]}
    )
    path.write_bytes(path.read_bytes()[:-20])
    assert gguf.read(path) == Header("Somebody's Model", "mit", 2048, 4 * 2 * 64 * 2)


@pytest.mark.parametrize(
    "content",
    [
        b"GGUF",
        b"GGUF" + struct.pack("<I", 99),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 2**63),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**62),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"\xff" + struct.pack("<I", 4),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<I", 77),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 4, 2**60),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<IIQIQ", 9, 9, 1, 9, 1),
    ],
    ids=["short", "version", "many keys", "long key", "no text", "no type", "long array", "arrays"],
)
def test_a_broken_header_says_nothing(tmp_path, content):
    """It takes no memory and no time, and the file may still be llama.cpp's to refuse."""
    path = tmp_path / "x.gguf"
    path.write_bytes(content)
    assert gguf.read(path) == Header()


def test_what_is_no_gguf_file_is_said(tmp_path):
    """Or cannot be read."""
    (tmp_path / "x.gguf").write_bytes(b"PK\x03\x04")
    with pytest.raises(ModelError, match="not a GGUF file"):
        gguf.read(tmp_path / "x.gguf")
    with pytest.raises(ModelError, match="No such file"):
        gguf.read(tmp_path / "y.gguf")
