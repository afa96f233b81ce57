"""The committed generated code is what the protos give."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROTOS = ["attridex/v1/attribution.proto", "attridex/v1/admin.proto"]


def test_generated_code_is_that_of_the_protos(tmp_path: Path) -> None:
    options = [f"--{kind}={tmp_path}" for kind in ("python_out", "pyi_out", "grpc_python_out")]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", "-I", str(ROOT / "protos"), *options, *PROTOS], check=True)
    made = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert len(made) >= 5
    for path in made:
        committed = ROOT / "protos" / path.relative_to(tmp_path)
        assert committed.read_text() == path.read_text(), f"{committed.name}: run `make protos`"
