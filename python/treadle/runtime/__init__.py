"""Opening compiled bundles, launching them, and keeping compiled programs on disk."""

from treadle.runtime.bundle import Bundle, LaunchInfo, Param, Prepared
from treadle.runtime.cache import Cache, CacheInfo, compile_key, default_cache

__all__ = ["Bundle", "Cache", "CacheInfo", "LaunchInfo", "Param", "Prepared", "compile_key", "default_cache"]
