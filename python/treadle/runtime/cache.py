"""Compiled programs on disk, found by the content they were compiled from.

An entry is a folder of files. It is written aside and renamed into place, so a reader finds all of it or nothing; an
index with the files' hashes tells a damaged one, which counts as absent. Entries used longest ago go first when the
cache is full. Any number of processes may use one cache. One that cannot be written (a read-only home) stores nothing.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from treadle.errors import TreadleError

DEFAULT_LIMIT = 1 << 30

_INDEX = "index.json"
_KEY = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9_.+-]*")
_SCAN_EVERY = 64  # entries a process stores before it looks at what others stored
_STALE_SECONDS = 3600  # age at which a folder that was never renamed into place is a crashed process's


@dataclass(frozen=True)
class CacheInfo:
    """What a cache holds."""

    root: Path
    entries: int
    bytes: int
    limit: int


@dataclass(frozen=True)
class _Entry:
    path: Path
    bytes: int
    used: float


def compile_key(mlir: str, options: Mapping[str, Any], compiler: str) -> str:
    """The key of what this compiler makes of this program with these options."""
    text = json.dumps([mlir, options, compiler], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@functools.cache
def default_cache() -> Cache:
    """The cache of this process: in $TREADLE_CACHE_DIR or ~/.cache/treadle, of $TREADLE_CACHE_LIMIT bytes or 1 GiB."""
    return Cache()


class Cache:
    """A cache in a folder, holding at most about `limit` bytes."""

    def __init__(self, root: str | os.PathLike[str] | None = None, limit: int | None = None) -> None:
        self.root = Path(root) if root is not None else _default_root()
        self.limit = limit if limit is not None else _default_limit()
        # The layout's version: another layout lives beside it.
        self._entries = self.root / "v1"
        self._aside = self.root / "v1.tmp"
        self._bytes: int | None = None  # about what the cache holds; None: not looked yet
        self._puts = 0

    def get(self, key: str) -> dict[str, bytes] | None:
        """The files stored under a key, or None."""
        path = self._path(key)
        try:
            hashes = json.loads((path / _INDEX).read_bytes())["files"]
            files = {name: (path / name).read_bytes() for name in hashes if _FILE.fullmatch(name)}
            intact = len(files) == len(hashes) and all(_hash(files[name]) == hashes[name] for name in files)
        except FileNotFoundError:
            intact = False
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            intact = False
        if not intact:
            if path.exists():
                self._remove(path)
            return None
        with contextlib.suppress(OSError):
            os.utime(path / _INDEX)
        return files

    def put(self, key: str, files: Mapping[str, bytes]) -> bool:
        """Store files under a key; whether they are stored now."""
        path = self._path(key)
        for name in files:
            if not _FILE.fullmatch(name) or name == _INDEX:
                raise ValueError(f"expected a plain file name, found {name!r}")
        index = json.dumps({"files": {name: _hash(data) for name, data in files.items()}}).encode()
        size = len(index) + sum(map(len, files.values()))
        if size > self.limit:
            return False
        try:
            stored = self._store(path, {**files, _INDEX: index})
        except OSError:
            return False
        if stored:
            self._trim(size)
        return True

    def info(self) -> CacheInfo:
        """What the cache holds now."""
        entries = list(self._scan())
        return CacheInfo(self.root, len(entries), sum(entry.bytes for entry in entries), self.limit)

    def clear(self) -> None:
        """Remove every entry."""
        for entry in list(self._scan()):
            self._remove(entry.path)
        for folder in (self._entries, self._aside):
            shutil.rmtree(folder, ignore_errors=True)
        self._bytes = None

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"expected a key of 64 hexadecimal digits, found {key!r}")
        return self._entries / key[:2] / key

    def _store(self, path: Path, files: Mapping[str, bytes]) -> bool:
        """Write an entry; False if another process had stored it."""
        aside = self._new_aside()
        try:
            aside.mkdir(parents=True)
            for name, data in files.items():
                (aside / name).write_bytes(data)
            for _ in range(3):
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    os.rename(aside, path)
                    return True
                except FileNotFoundError:  # cleared meanwhile
                    if not aside.exists():
                        raise
                except OSError:
                    if not path.exists():
                        raise
                    if self.get(path.name) is not None:  # which removes a damaged one
                        return False
            raise OSError(f"{path}: cannot be replaced")
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _new_aside(self) -> Path:
        return self._aside / uuid.uuid4().hex

    def _remove(self, path: Path) -> None:
        """Take an entry away at once, then delete its files."""
        aside = self._new_aside()
        try:
            aside.parent.mkdir(parents=True, exist_ok=True)
            os.rename(path, aside)
        except OSError:
            return
        shutil.rmtree(aside, ignore_errors=True)

    def _scan(self) -> Iterator[_Entry]:
        try:
            paths = [Path(entry.path) for shard in os.scandir(self._entries) for entry in os.scandir(shard.path)]
        except OSError:
            return
        for path in paths:
            try:
                sizes = [entry.stat().st_size for entry in os.scandir(path)]
            except OSError:
                continue
            try:
                used = (path / _INDEX).stat().st_mtime
            except OSError:
                used = 0.0  # damaged: first to go
            yield _Entry(path, sum(sizes), used)

    def _trim(self, added: int) -> None:
        """Make room after storing so many bytes."""
        self._puts += 1
        if self._bytes is not None and self._puts % _SCAN_EVERY:
            self._bytes += added
        else:
            self._remove_stale()
            self._bytes = sum(entry.bytes for entry in self._scan())
        if self._bytes <= self.limit:
            return
        entries = sorted(self._scan(), key=lambda entry: entry.used)
        total = sum(entry.bytes for entry in entries)
        goal = self.limit - self.limit // 10 if total > self.limit else self.limit
        for entry in entries[:-1]:
            if total <= goal:
                break
            self._remove(entry.path)
            total -= entry.bytes
        self._bytes = total

    def _remove_stale(self) -> None:
        with contextlib.suppress(OSError):
            for folder in os.scandir(self._aside):
                if time.time() - folder.stat().st_mtime > _STALE_SECONDS:
                    shutil.rmtree(folder.path, ignore_errors=True)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _default_root() -> Path:
    if folder := os.environ.get("TREADLE_CACHE_DIR"):
        return Path(folder)
    try:
        return Path("~/.cache/treadle").expanduser()
    except RuntimeError:
        raise TreadleError("expected a home folder for the compile cache, found none: set TREADLE_CACHE_DIR") from None


def _default_limit() -> int:
    text = os.environ.get("TREADLE_CACHE_LIMIT")
    if not text:
        return DEFAULT_LIMIT
    try:
        limit = int(text)
    except ValueError:
        limit = -1
    if limit < 0:
        raise TreadleError(f"TREADLE_CACHE_LIMIT: expected a number of bytes, found {text!r}")
    return limit
