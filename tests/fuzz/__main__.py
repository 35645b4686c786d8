"""Fuzz the core: python -m tests.fuzz --seconds 60 (docs/fuzzing.md)."""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .blind import mutations
from .corpus import DICTIONARY, MAX_LENGTH, load, replace, unpack

AGAIN = "--libfuzzer"


def parse_arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="how long (%(default)s)")
    parser.add_argument(
        "--found", type=Path, help="folder for what is found, read at the start (a temporary one)"
    )
    parser.add_argument(
        "--minimise",
        action="store_true",
        help="rewrite the corpus: the least that reaches what it and FOUND reach",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the mutations; 0: another one each time")
    parser.add_argument(
        "--unguided", action="store_true", help="mutate by the seed alone, as without atheris"
    )
    parser.add_argument("inputs", nargs="*", type=Path, help="files to play once, instead of fuzzing")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    if words[:1] == [AGAIN]:
        return guide(words[1:])
    arguments = parse_arguments(words)
    if arguments.inputs:
        for path in arguments.inputs:
            fuzz_one()(path.read_bytes())
        return 0
    found = arguments.found or Path(tempfile.mkdtemp(prefix="fuzz-"))
    found.mkdir(parents=True, exist_ok=True)
    code = fuzz(arguments, found)
    if arguments.found is None and code == 0:
        shutil.rmtree(found)
    return code


def fuzz(arguments: argparse.Namespace, found: Path) -> int:
    if arguments.unguided:
        return mutate_blindly(arguments.seconds, arguments.seed, found)
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed (pip install atheris): NOT GUIDED BY COVERAGE", file=sys.stderr)
        # There it must be, or nobody would notice.
        return 2 if "CI" in os.environ else mutate_blindly(arguments.seconds, arguments.seed, found)
    with tempfile.TemporaryDirectory() as known, tempfile.TemporaryDirectory() as least:
        unpack(Path(known))
        if arguments.minimise:
            code = start_guided("-merge=1", least, known, found)
            if code == 0:
                replace(path.read_bytes() for path in Path(least).iterdir())
            return code
        times = (f"-max_total_time={arguments.seconds}", f"-seed={arguments.seed}", "-print_final_stats=1")
        # The first folder takes what is new.
        return start_guided(*times, f"-artifact_prefix={found}/", found, known)


def start_guided(*options: str | Path) -> int:
    command = (sys.executable, "-m", "tests.fuzz", AGAIN, f"-max_len={MAX_LENGTH}", f"-dict={DICTIONARY}")
    return subprocess.run([*command, "-timeout=20", *map(str, options)]).returncode


def guide(options: Sequence[str]) -> int:
    """Hand over to libFuzzer, which ends the process."""
    import atheris  # type: ignore[import-untyped, import-not-found, unused-ignore]

    # Only what is imported in here is instrumented.
    with atheris.instrument_imports(include=["pop3core"]):
        import pop3core.sasl  # noqa: F401
    # By its first word libFuzzer starts itself again, to merge.
    atheris.Setup([f"{sys.executable} -m tests.fuzz {AGAIN}", *options], fuzz_one())
    atheris.Fuzz()
    return 0


def fuzz_one() -> Callable[[bytes], None]:
    # Imported late: what is to be instrumented must not be there before.
    from .target import fuzz_one

    return fuzz_one


def mutate_blindly(seconds: int, seed: int, found: Path) -> int:
    """Play the corpus, then mutations of it until the time is over."""
    play = fuzz_one()
    seed = seed or random.SystemRandom().randrange(1, 2**32)
    print(f"seed {seed}", file=sys.stderr)
    end = time.monotonic() + seconds
    for count, data in enumerate(mutations(list(load().values()), random.Random(seed))):
        if time.monotonic() > end:
            print(f"{count} inputs, no finding", file=sys.stderr)
            return 0
        try:
            play(data)
        except BaseException:
            path = found / "crash"
            path.write_bytes(data)
            print(f"the input is in {path}", file=sys.stderr)
            raise
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
