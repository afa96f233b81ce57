"""Only what is installed has a version."""

from importlib.metadata import version

from attridex.indexer.packages import installed_versions


def test_a_package_that_is_not_installed_is_left_out() -> None:
    assert installed_versions(["numpy", "no-such-package"]) == {"numpy": version("numpy")}
