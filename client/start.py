"""What must be installed before a command can start, said in plain words."""

from importlib.util import find_spec

from attridex.client.errors import MissingPackageError
from attridex.indexer.packages import installed_versions

FAISS = ("faiss-cpu", "faiss-gpu", "faiss-gpu-cuvs", "faiss-gpu-cu12", "faiss-gpu-cu11")
BROUGHT = {
    "indexer": ("torch", "transformers", "tokenizers", "datasets", "accelerate", "pydantic", "pyarrow", "safetensors"),
    "service": ("duckdb", "threadpoolctl", "grpc_health", "grpc_reflection"),
    "cpu": ("faiss",),
    "studies": ("jinja2", "matplotlib", "scipy", "pandas"),
    "ray": ("ray",),
    "storage": ("obstore",),
}
EXTRAS = {module: extra for extra, modules in BROUGHT.items() for module in modules}
"""Which extra brings a module."""


def missing(module: str) -> MissingPackageError:
    """The error for a module that is not installed."""
    extra = EXTRAS.get(module.partition(".")[0])
    if extra is None:
        return MissingPackageError(f"the package '{module}' is not installed")
    return MissingPackageError(f"this needs '{module}': pip install 'attridex[{extra}]'")


def check_local() -> None:
    """Check that indices can be opened in this process.

    Raises:
        MissingPackageError: an extra is missing, or two FAISS packages overwrite each other's files.
    """
    found = installed_versions(FAISS)
    if len(found) > 1:
        raise MissingPackageError(
            f"{' and '.join(found)} are both installed and break each other: "
            f"pip uninstall {' '.join(found)}, then install one of them"
        )
    absent = [module for module in ("faiss", "duckdb", "pyarrow", "safetensors", "threadpoolctl") if find_spec(module) is None]
    if absent:
        extras = sorted({"indexer", "service", *(EXTRAS[module] for module in absent)})
        raise MissingPackageError(f"this needs {', '.join(absent)}: pip install 'attridex[{','.join(extras)}]'")
