"""The kit has teeth: every wrong layer, loss and optimiser that can be made systematically is caught."""

from tests.mutants.hunt import Verdict, hunt, table

SHARE = 20
"""One specimen in this many is tried here; `python -m tests.mutants` tries all."""


def test_mutants_are_caught_within_the_default_number_of_trials() -> None:
    verdicts = list(hunt(0, SHARE))
    kinds = {verdict.change.partition(":")[0] for verdict in verdicts}
    assert {"dx", "dy"} <= kinds
    assert [verdict for verdict in verdicts if verdict.law is None] == []


def test_the_report_counts_by_law_and_names_what_was_missed() -> None:
    caught, missed = Verdict("relu()", "sign flipped", "a law"), Verdict("relu()", "nothing", None)
    assert table([caught, missed, caught]).splitlines() == [
        "missed: nothing, in relu()",
        "     2  a law",
        "     2  of 3 mutants were caught",
    ]
