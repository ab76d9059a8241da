"""The compile cache: what is stored, what is found again, and many processes at once."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import time
from pathlib import Path

import pytest
from treadle.errors import TreadleError
from treadle.runtime.cache import Cache, compile_key

KEY = compile_key("module {}", {"arch": "sm_90a"}, "0.1.0")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def entry(cache: Cache, key: str = KEY) -> Path:
    return cache.root / "v1" / key[:2] / key


def key_of(i: int) -> str:
    return compile_key(str(i), {}, "c")


def test_keys_depend_on_content_alone() -> None:
    assert compile_key("m", {"a": 1, "b": 2}, "c") == compile_key("m", {"b": 2, "a": 1}, "c")
    keys = {
        compile_key("m", {"a": 1}, "c"),
        compile_key("n", {"a": 1}, "c"),
        compile_key("m", {"a": 2}, "c"),
        compile_key("m", {"a": 1}, "d"),
        compile_key("m", {"a": True}, "c"),
        compile_key("m", {"a": "1"}, "c"),
    }
    assert len(keys) == 6


def test_put_then_get(cache: Cache) -> None:
    files = {"k.ptx": b".version 8.0\n", "k.cubin": bytes(range(256)), "k.json": b""}
    assert cache.get(KEY) is None
    assert cache.put(KEY, files)
    assert cache.get(KEY) == files
    assert Cache(cache.root).get(KEY) == files
    assert cache.info().entries == 1
    assert cache.info().bytes > 256


def test_first_put_stays(cache: Cache) -> None:
    assert cache.put(KEY, {"a": b"first"})
    assert cache.put(KEY, {"a": b"second"})
    assert cache.get(KEY) == {"a": b"first"}


def test_clear(cache: Cache) -> None:
    for i in range(5):
        cache.put(key_of(i), {"a": b"x"})
    cache.clear()
    assert cache.info().entries == 0
    assert cache.get(key_of(0)) is None
    assert cache.put(KEY, {"a": b"x"})
    assert cache.get(KEY) is not None


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: (path / "a").write_bytes(b"other"),
        lambda path: (path / "a").unlink(),
        lambda path: (path / "index.json").write_bytes(b"{"),
        lambda path: (path / "index.json").write_bytes(b"[]"),
        lambda path: (path / "index.json").write_bytes(b'{"files": {"../../a": "0"}}'),
        lambda path: (path / "index.json").write_bytes(b"\xff\xfe"),
        lambda path: (path / "index.json").unlink(),
    ],
)
def test_damaged_entries_count_as_absent(cache: Cache, damage) -> None:
    cache.put(KEY, {"a": b"data"})
    damage(entry(cache))
    assert cache.get(KEY) is None
    assert cache.put(KEY, {"a": b"again"})
    assert cache.get(KEY) == {"a": b"again"}


def test_put_replaces_a_damaged_entry(cache: Cache) -> None:
    cache.put(KEY, {"a": b"data"})
    (entry(cache) / "a").write_bytes(b"")
    assert cache.put(KEY, {"a": b"data"})
    assert cache.get(KEY) == {"a": b"data"}


def test_longest_unused_go_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit=10_000)
    for i in range(4):
        cache.put(key_of(i), {"a": bytes(2000)})
        os.utime(entry(cache, key_of(i)) / "index.json", (1000 + i, 1000 + i))
    assert cache.get(key_of(0)) is not None  # used now
    cache.put(key_of(4), {"a": bytes(2000)})
    assert [cache.get(key_of(i)) is not None for i in range(5)] == [True, False, True, True, True]
    assert cache.info().bytes <= 10_000


def test_entries_larger_than_the_cache_are_not_stored(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit=1000)
    assert not cache.put(KEY, {"a": bytes(2000)})
    assert cache.get(KEY) is None


def test_names_are_checked(cache: Cache) -> None:
    for name in ("", ".", "..", "a/b", "../a", ".hidden", "index.json"):
        with pytest.raises(ValueError, match="expected a plain file name"):
            cache.put(KEY, {name: b""})
    for key in ("", "../x", KEY[:-1], KEY.upper()):
        with pytest.raises(ValueError, match="expected a key"):
            cache.get(key)


def test_unwritable_folders_store_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "cache")
    assert not cache.put(KEY, {"a": b""})
    assert cache.get(KEY) is None
    assert cache.info().entries == 0
    cache.clear()


def test_leftovers_of_crashed_processes_go(cache: Cache) -> None:
    stale, fresh = cache.root / "v1.tmp" / "stale", cache.root / "v1.tmp" / "fresh"
    for folder in (stale, fresh):
        folder.mkdir(parents=True)
    old = time.time() - 100_000
    os.utime(stale, (old, old))
    cache.put(KEY, {"a": b""})
    assert not stale.exists()
    assert fresh.exists()


def test_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREADLE_CACHE_DIR", str(tmp_path / "here"))
    monkeypatch.setenv("TREADLE_CACHE_LIMIT", "12345")
    assert Cache().root == tmp_path / "here"
    assert Cache().limit == 12345
    monkeypatch.setenv("TREADLE_CACHE_LIMIT", "lots")
    with pytest.raises(TreadleError, match="TREADLE_CACHE_LIMIT: expected a number of bytes, found 'lots'"):
        Cache()
    monkeypatch.delenv("TREADLE_CACHE_DIR")
    monkeypatch.delenv("TREADLE_CACHE_LIMIT")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Cache().root == tmp_path / ".cache" / "treadle"
    assert Cache().limit == 1 << 30


def content(i: int) -> dict[str, bytes]:
    return {"manifest.json": json.dumps(i).encode(), "code": bytes([i % 256]) * (1000 + i)}


def work(root: str, seed: int, rounds: int, limit: int, failures) -> None:
    """Store, read, damage and clear at random; a result of any but the right content is a failure."""
    import random

    choice = random.Random(seed)
    cache = Cache(root, limit=limit)
    for _ in range(rounds):
        i = choice.randrange(12)
        key = key_of(i)
        found = cache.get(key)
        if found is not None and found != content(i):
            failures.put((seed, i))
        if found is None:
            cache.put(key, content(i))
        if choice.random() < 0.02:
            cache.clear()
        if choice.random() < 0.02:
            with contextlib.suppress(OSError):
                (entry(cache, key) / "code").write_bytes(b"torn")


@pytest.mark.parametrize("limit", [1 << 30, 6000])
def test_many_processes(tmp_path: Path, limit: int) -> None:
    context = multiprocessing.get_context("spawn")
    failures = context.Queue()
    processes = [context.Process(target=work, args=(str(tmp_path), seed, 150, limit, failures)) for seed in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert failures.empty()
    cache = Cache(tmp_path, limit=limit)
    for i in range(12):
        assert cache.put(key_of(i), content(i))
        assert cache.get(key_of(i)) == content(i)
