"""Opening compiled bundles, launching and simulating them, and keeping compiled programs on disk."""

from treadle.runtime.bundle import Bundle, LaunchInfo, Param, Prepared
from treadle.runtime.cache import Cache, CacheInfo, compile_key, default_cache
from treadle.runtime.report import Finding, LaunchReport, LineCounts, Place, Report
from treadle.runtime.sim import Simulator

__all__ = [
    "Bundle",
    "Cache",
    "CacheInfo",
    "Finding",
    "LaunchInfo",
    "LaunchReport",
    "LineCounts",
    "Param",
    "Place",
    "Prepared",
    "Report",
    "Simulator",
    "compile_key",
    "default_cache",
]
