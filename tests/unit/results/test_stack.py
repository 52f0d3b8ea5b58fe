"""What a stack must avoid, from a run made by hand and from the shipped baseline."""

from __future__ import annotations

import fixture_interop
import pytest

from lakebench import phases
from lakebench.datasets.interop.features import all_features
from lakebench.model import EngineRef
from lakebench.outcomes import Outcome
from lakebench.results import baseline, matrix_cells
from lakebench.results.stack import Advice, Stack, stack

FEATURES = [one[0] for one in fixture_interop.FEATURES]
RUN = matrix_cells.merged(matrix_cells.of_run(fixture_interop.run()))
SHIPPED = matrix_cells.merged(matrix_cells.of_baseline(baseline.read(phases.baselines(["interop"])["interop"]), "rest"))


def ask(writers: str, readers: str, known: matrix_cells.Known = RUN) -> Stack:
    def refs(text: str) -> list[EngineRef]:
        return [matrix_cells.resolved(known, EngineRef(one)) for one in text.split(",")]

    features = FEATURES if known is RUN else [one.id for one in all_features()]
    return stack(known, refs(writers), refs(readers), features)


def advice(answer: Stack) -> dict[str, Advice]:
    return {one.feature: one.advice for one in answer.features}


def test_each_kind_of_advice() -> None:
    assert advice(ask("spark", "pyiceberg,polars")) == {
        "create-append": Advice.FINE,
        "decimal-38": Advice.FINE,
        "position-deletes": Advice.WRONG,
        "equality-deletes": Advice.WRONG,  # refused by one and wrong at the other
        "deletion-vectors": Advice.FINE,
        "variant": Advice.REFUSED,
    }
    assert advice(ask("pyiceberg", "duckdb"))["deletion-vectors"] is Advice.NOT_WRITTEN
    assert advice(ask("spark", "trino"))["variant"] is Advice.UNKNOWN


def test_what_is_avoided_is_counted_and_the_unknown_is_apart() -> None:
    answer = ask("spark", "trino")
    assert answer.counts == {
        Advice.WRONG: 0,
        Advice.REFUSED: 1,
        Advice.NOT_WRITTEN: 0,
        Advice.UNKNOWN: 1,
        Advice.FINE: 4,
    }
    assert answer.avoid == 1


def test_nothing_reads_a_table_that_was_not_written() -> None:
    (one,) = (one for one in ask("pyiceberg", "duckdb").features if one.feature == "variant")
    assert [(step.writer.name, step.reader, step.outcome) for step in one.steps] == [
        ("pyiceberg", None, Outcome.REFUSED)
    ]
    assert one.steps[0].reason == fixture_interop.HOSTILE


def test_a_wrong_table_is_to_be_avoided_even_if_a_reader_passes() -> None:
    known = matrix_cells.merged(matrix_cells.of_run(fixture_interop.blamed()))
    answer = stack(known, [EngineRef("trino", "476")], [EngineRef("pyiceberg", "0.12.0")], ["decimal-38"])
    assert [step.advice for step in answer.features[0].steps] == [Advice.WRONG, Advice.FINE]
    assert answer.features[0].advice is Advice.WRONG


def test_a_fault_of_ours_is_not_known() -> None:
    known = matrix_cells.merged(matrix_cells.of_run(fixture_interop.blamed()))
    answer = stack(known, [EngineRef("spark", "4.1.1")], [EngineRef("polars", "1.35.2")], ["create-append"])
    assert answer.features[0].advice is Advice.UNKNOWN


def test_what_no_source_has_is_named() -> None:
    spark, old = EngineRef("spark", "4.1.1"), EngineRef("duckdb", "0.9.0")
    answer = stack(RUN, [spark], [old], FEATURES)
    assert set(advice(answer).values()) == {Advice.UNKNOWN}
    assert answer.unmeasured == ((spark, old),)
    assert stack(RUN, [old], [], FEATURES).unmeasured == ((old, None),)


def test_a_way_that_an_engine_does_not_have_is_no_unknown() -> None:
    trino = EngineRef("trino", "476")
    answer = stack(RUN, [trino], [EngineRef("duckdb", "1.5.5")], ["variant"], {("variant", "trino"): "has no way"})
    assert [(one.advice, one.reason) for one in answer.features[0].steps] == [(Advice.NOT_WRITTEN, "has no way")]


@pytest.mark.parametrize(("writer", "readers"), [("spark", "trino,duckdb"), ("daft", "polars"), ("pg_lake", "spark")])
def test_the_shipped_baseline_answers(writer: str, readers: str) -> None:
    answer = ask(writer, readers, SHIPPED)
    assert answer.unmeasured == ()
    assert len(answer.features) == sum(answer.counts.values()) == len(all_features())
    assert answer.counts[Advice.FINE] > 20
    by_feature = advice(answer)
    for one in answer.features:
        outcomes = {step.outcome for step in one.steps}
        assert (by_feature[one.feature] is Advice.WRONG) == (Outcome.WRONG in outcomes)
        assert by_feature[one.feature] is not Advice.FINE or outcomes == {Outcome.PASS}
