"""Which Feast the plugin works with; checked when the plugin is imported.

Feast's plugin interfaces change between minor versions, so another one is refused by name here rather than
failing somewhere inside a job.
"""

from importlib.metadata import PackageNotFoundError, version

SUPPORTED = "0.67"


def check_feast() -> None:
    """Raise ImportError, saying what to install, unless a supported Feast is there."""
    try:
        found = version("feast")
    except PackageNotFoundError:
        raise ImportError("frazil.feast needs Feast; run: pip install 'frazil[feast]'") from None
    if found.split(".")[:2] != SUPPORTED.split("."):
        raise ImportError(
            f"frazil.feast works with Feast {SUPPORTED}, and {found} is installed; "
            f"run: pip install 'feast=={SUPPORTED}.*'"
        )
