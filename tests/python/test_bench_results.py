"""What tells results of the bench's engines apart: a digest that cannot be fooled by order, nulls or swapped values."""

import pathlib
import sys

import pyarrow as pa
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

import check_rows  # noqa: E402
import harness  # noqa: E402

NAMES = ["id", "t", "f", "g"]
ROWS = pa.table({
    "id": [1, 2, 3, 3],
    "t": pa.array([10, 20, 30, 30], pa.timestamp("us", "UTC")),
    "f": pa.array([0.5, None, 0.0, 0.0]),
    "g": pa.array([1.5, 2.5, None, None], pa.float32()),
})


def digest(table):
    return check_rows.digest(table.to_batches(), NAMES)


@pytest.mark.parametrize("same", [
    ROWS.take([3, 1, 0, 2]),
    pa.concat_tables([ROWS.slice(2), ROWS.slice(0, 2)]),
    ROWS.set_column(1, "t", ROWS["t"].cast(pa.timestamp("ns", "UTC"))),
    ROWS.set_column(0, "id", ROWS["id"].cast(pa.int32())),
    ROWS.select(["g", "f", "t", "id"]),
])
def test_order_and_representation_do_not_matter(same):
    assert digest(same) == digest(ROWS)


def with_values(name, values):
    return ROWS.set_column(NAMES.index(name), name, pa.array(values, ROWS.schema.field(name).type))


@pytest.mark.parametrize("other", [
    with_values("f", [0.5, 0.0, 0.0, 0.0]),  # a null became zero
    with_values("f", [None, 0.5, 0.0, 0.0]),  # values of two rows changed places
    with_values("f", [0.5000000000000001, None, 0.0, 0.0]),  # one bit
    with_values("id", [1, 2, 3, 4]),
    ROWS.slice(0, 3),
    pa.concat_tables([ROWS, ROWS.slice(3)]),
])
def test_values_matter(other):
    assert digest(other) != digest(ROWS)


def test_results_are_compared_by_rows_digest_and_sums():
    answer = {"rows": 2, "digest": "a", "sums": [1.0, 1e12]}
    assert harness.equal_results(answer, {**answer, "sums": [1.0 + 1e-9, 1e12]})
    for other in [{"rows": 3}, {"digest": "b"}, {"sums": [1.1, 1e12]}]:
        assert not harness.equal_results(answer, {**answer, **other})
    with pytest.raises(ValueError, match="shorter"):
        harness.equal_results(answer, {**answer, "sums": [1.0]})


def test_a_failing_engine_ends_the_run_with_its_message():
    with pytest.raises(SystemExit, match="(?s)the peer failed.*no such module"):
        harness.run_task([sys.executable, "-c", "raise SystemExit('no such module')"], "the peer")
