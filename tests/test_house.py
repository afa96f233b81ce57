"""What is shipped is whole: the wheel holds every subpackage, and works without the checkout."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = """
import importlib, pkgutil, sys
sys.path.insert(0, sys.argv[1])
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
for part in ("client", "indexer", "service", "v1"):
    package = importlib.import_module(f"attridex.{part}")
    assert sys.argv[1] in package.__file__, package.__file__
    for module in pkgutil.walk_packages(package.__path__, f"attridex.{part}."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:  # what only an option of `serve` asks for
            assert error.name.split(".")[0] in ("prometheus_client", "opentelemetry"), error
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    source = tmp_path_factory.mktemp("source") / "attridex"
    for name in ("client", "indexer", "service", "protos"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(out), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_the_wheel_holds_every_source_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    packages = {"client": "client", "indexer": "indexer", "service": "service", "protos/attridex/v1": "v1"}
    for package, target in packages.items():
        for path in (ROOT / package).rglob("*"):
            if path.suffix in (".py", ".pyi", ".proto", ".html", ".typed"):
                assert f"attridex/{target}/{path.relative_to(ROOT / package)}" in names
    assert any(name.endswith("entry_points.txt") for name in names)


def test_every_module_imports_from_the_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    # -P and an explicit path: the checkout, installed editable in this environment, must not answer for the wheel.
    ran = subprocess.run([sys.executable, "-P", "-c", CODE, str(target)], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
