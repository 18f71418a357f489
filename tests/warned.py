"""Options of Python for programs that must warn of nothing."""

WARNINGS_ARE_ERRORS = (
    "-W",
    "error",
    *("-W", "ignore::DeprecationWarning"),
    *("-W", "ignore::PendingDeprecationWarning"),
    *("-W", "ignore::FutureWarning"),
)
"""What a library says of its next release is not ours; of all other warnings we know none that may stand."""
