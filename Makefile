# The front door: each target sets up what it needs first (tools/setup) and can be run from a fresh clone.

MESON := .venv/bin/meson
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: demo test test-spark interop certify conformance check bench fuzz feast-universal install clean help test-joins test-duckdb2

help:
	@echo "make demo             build, and run examples/iceberg-local"
	@echo "make test             every test: C under sanitizers, Python, interoperability"
	@echo "make test-joins       10,000 random joins against brute force and DuckDB; make test runs 240 of them"
	@echo "make test-duckdb2     what concerns DuckDB, with version 2.0; make test has 1.5"
	@echo "make test-spark       the tests against Spark, which make test skips where there is none"
	@echo "make interop          catalogs and stores on real servers, into docs/conformance/backends.md"
	@echo "make certify          examples/iceberg-local on SQL + files and on REST + S3"
	@echo "make conformance      docs/conformance: other implementations' files, other engines on our tables"
	@echo "make check            format, includes, sizes, exported symbols, headers"
	@echo "make bench            side by side with DuckDB, Polars, PyIceberg, Feast (BENCH=options, see CONTRIBUTING.md)"
	@echo "make fuzz             fuzz every decoder (FUZZ_SECONDS each, default 60)"
	@echo "make feast-universal  Feast's own test suite (FEAST_TESTS=folder)"
	@echo "make install          the library and the command, under PREFIX (default /usr/local)"

demo:
	@tools/setup demo
	@tools/install-python
	@.venv/bin/python examples/iceberg-local/run_example.py

test:
	@tools/setup test
	@tools/install-python
	@.venv/bin/python tools/run-tests

test-joins:
	@tools/setup test
	@tools/install-python
	@FRAZIL_JOIN_CASES=10000 .venv/bin/python -m pytest -q -n 2 tests/interop/test_join.py -k random

test-duckdb2:
	@tools/setup test
	@tools/install-python
	@test -d build/duckdb2 || .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --target build/duckdb2 -r requirements/duckdb2.txt
	@PYTHONPATH=build/duckdb2 .venv/bin/python -m pytest -q -n 2 tests/feast/test_feast_engines.py tests/feast/test_feast_offline.py tests/interop/test_join.py

test-spark:
	@tools/setup spark
	@tools/install-python
	@.venv/bin/python tools/run-tests spark

interop:
	@tools/setup interop
	@tools/install-python
	@FRAZIL_APPENDS=50 FRAZIL_BACKENDS=docs/conformance/backends.md .venv/bin/python -m pytest -q -rs \
	  $(addprefix tests/interop/test_, backends.py rest.py glue.py hive.py postgresql.py s3.py object_stores.py credentials.py connections.py remote_signing.py lookup_requests.py secrets.py)

certify:
	@tools/setup interop
	@tools/install-python
	@FRAZIL_REQUIRE_SERVERS=1 .venv/bin/python -m pytest -q -rA tests/interop/test_certify.py

conformance:
	@tools/setup conformance
	@tools/install-python
	@tools/run-conformance

check:
	@tools/setup check
	@.venv/bin/python tools/check-all

bench:
	@tools/setup bench
	@tools/install-python
	@tools/build-release cli/frazil tests/write_deletes bench/lookup_bench
	@.venv/bin/python bench/run_bench.py $(BENCH)

fuzz:
	@tools/setup fuzz
	@tools/run-fuzz

feast-universal:
	@tools/setup test
	@tools/install-python
	@tools/run-feast-universal

PREFIX ?= /usr/local
install:
	@tools/setup demo
	@test -d build/release || $(MESON) setup build/release --buildtype=release -Dtests=false --prefix=$(PREFIX)
	@$(MESON) install -C build/release

clean:
	rm -rf build
