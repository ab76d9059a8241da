"""What the tools share: how they fail."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

from treadle.errors import KernelError, SimulationError, TreadleError

OK, FAILED, USAGE = 0, 1, 2


class UsageError(TreadleError):
    """The command line asks for something that is not there."""


def guarded(tool: str, body: Callable[[], int]) -> int:
    """Run a tool's body; every error becomes a message on stderr and an exit code, never a traceback."""
    try:
        code = body()
        sys.stdout.flush()
        return code
    except UsageError as error:
        print(f"{tool}: error: {error}", file=sys.stderr)
        return USAGE
    except (KernelError, SimulationError) as error:
        print(error, file=sys.stderr)
        return FAILED
    except TreadleError as error:
        print(f"{tool}: error: {error}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        print(f"{tool}: error: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        return FAILED
    except Exception as error:
        if os.environ.get("TREADLE_DEBUG"):
            traceback.print_exc()
        print(f"{tool}: internal error: {type(error).__name__}: {error}", file=sys.stderr)
        print("help: this is a bug in Treadle; TREADLE_DEBUG=1 shows where", file=sys.stderr)
        return FAILED
