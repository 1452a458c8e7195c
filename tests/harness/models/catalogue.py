"""A folder of Stile's own files with a small model in its list."""

import hashlib

CONTENT = b"GGUF" + bytes(range(256)) * 80_000  # 20 MB: the hub's client writes pieces of 10 MiB
SIZE = len(CONTENT)
FILE = "Small-Q4.gguf"


def make_root(folder, *, sha256=None, size=SIZE, file=FILE):
    """Make a folder of Stile's own files, with one model in its list."""
    (folder / "nats").mkdir()
    (folder / "nats" / "nats-server.conf").touch()
    (folder / "models").mkdir()
    (folder / "models" / "models.toml").write_text(f"""
[[model]]
name = "Small-Q4"
repository = "somebody/Small-GGUF"
file = "{file}"
size = {size}
sha256 = "{sha256 or hashlib.sha256(CONTENT).hexdigest()}"
licence = "Apache-2.0"
context = 2048
""")
    return folder
