"""Writes GGUF files that have a header and no weights."""

import struct

_TEXT, _ARRAY, _WHOLE = 8, 9, 4


def write(path, values):
    """Write a header; return the path.

    Args:
        path: of the file.
        values: texts, whole numbers, and lists of either, by their keys.
    """
    content = b"GGUF" + struct.pack("<IQQ", 3, 0, len(values))
    for key, value in values.items():
        content += _text(key) + struct.pack("<I", _kind(value)) + _value(value)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _kind(value):
    return _ARRAY if isinstance(value, list) else _TEXT if isinstance(value, str) else _WHOLE


def _value(value):
    if isinstance(value, list):
        return struct.pack("<IQ", _kind(value[0]), len(value)) + b"".join(map(_value, value))
    return _text(value) if isinstance(value, str) else struct.pack("<I", value)


def _text(text):
    return struct.pack("<Q", len(text.encode())) + text.encode()
