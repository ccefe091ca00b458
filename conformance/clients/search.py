"""Looks for things that must not be there: in every file below a folder, raw bytes, whatever their format."""

import base64
import hashlib
import mmap
from pathlib import Path


def spellings(name: str, secret: bytes) -> dict:
    """A value as it may appear: raw, in hex of both cases, in base64 at each of three alignments."""
    found = {f"{name} raw": secret, f"{name} hex": secret.hex().encode(), f"{name} HEX": secret.hex().upper().encode()}
    for shift in range(3):
        # The base64 of a value inside a longer text: leave out the characters that its neighbours also decide.
        text = base64.b64encode(bytes(shift) + secret).rstrip(b"=")
        core = text[(0, 2, 3)[shift]:len(text) - 1]
        found[f"{name} base64 at {shift}"] = core
        found[f"{name} base64url at {shift}"] = core.translate(bytes.maketrans(b"+/", b"-_"))
    return found


def digests(name: str, data: bytes) -> dict:
    """The digests of a plaintext, which let a store guess it."""
    return (spellings(f"MD5 of {name}", hashlib.md5(data).digest())
            | spellings(f"SHA-256 of {name}", hashlib.sha256(data).digest()))


def search(folders: list, needles: dict) -> list:
    """Every (needle, file) that occurs."""
    assert all(len(needle) >= 8 for needle in needles.values()), "a shorter needle would be found by chance"
    found = []
    for folder in folders:
        paths = [folder] if folder.is_file() else sorted(p for p in Path(folder).rglob("*") if p.is_file())
        for path in paths:
            # File names too: a store that calls its files after keys or digests would show them.
            found += [(name, f"name of {path}") for name, needle in needles.items() if needle in str(path).encode()]
            if path.stat().st_size == 0:
                continue
            with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                found += [(name, str(path)) for name, needle in needles.items() if data.find(needle) >= 0]
    return found
