# lit's configuration: `lit test/lit`, or `lit build/test/lit` for the build folder that was configured there.
import os
import shutil
import sys

import lit.formats

source = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(source))
build = getattr(config, "treadle_build", None) or os.environ.get("TREADLE_BUILD_DIR") or os.path.join(root, "build")
llvm = getattr(config, "llvm_tools", None) or os.environ.get("TREADLE_LLVM_TOOLS") or "/usr/lib/llvm-22/bin"
python = getattr(config, "python", None) or sys.executable

config.name = "treadle"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["CMakeLists.txt"]
config.test_source_root = source
config.test_exec_root = os.path.join(build, "test", "lit")

config.environment["PATH"] = os.pathsep.join([os.path.join(build, "bin"), llvm, os.environ.get("PATH", "")])
# Tests compare files with `cmp`: lit's own `diff` replaces PYTHONPATH for the rest of a test.
config.environment["PYTHONPATH"] = os.path.join(root, "python")
config.environment["TREADLE_LIB_DIR"] = os.path.join(build, "lib")
config.environment["TREADLE_CACHE_DIR"] = os.path.join(config.test_exec_root, "cache")
for name in ("TREADLE_PTXAS", "ASAN_OPTIONS", "UBSAN_OPTIONS"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

ptxas = os.environ.get("TREADLE_PTXAS") or shutil.which("ptxas") or shutil.which("ptxas", path="/usr/local/cuda/bin")
if ptxas:
    config.available_features.add("ptxas")
    config.substitutions.append(("%ptxas", ptxas))
config.substitutions.append((r"\btreadlec\b", f"'{python}' -m treadle.cli.treadlec"))
config.substitutions.append((r"\btreadle-run\b", f"'{python}' -m treadle.cli.treadle_run"))
config.substitutions.append(("%python", f"'{python}'"))

for folder in (os.environ.get("CUDA_HOME", "/usr/local/cuda"), "/usr"):
    include = os.path.join(folder, "include")
    if os.path.isfile(os.path.join(include, "cuda.h")):
        config.available_features.add("cuda-header")
        config.substitutions.append(("%cuda_include", include))
        break
