"""_core.pyi says what the extension module has: no more and no less, with as many arguments."""

import ast
import pathlib

import frazil
import pyarrow as pa
import pytest
from frazil import _core

STUB = ast.parse((pathlib.Path(frazil.__file__).parent / "_core.pyi").read_text())
CLASSES = {node.name: node for node in STUB.body if isinstance(node, ast.ClassDef)}
# What a type has without a method table.
INHERITED = set(dir(object)) | {"__module__", "__del__", "__iter__", "__next__"}


def functions(body):
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}


def _online(catalog):
    stamp = pa.timestamp("us", "UTC")
    fields = [("k", pa.binary()), ("e", stamp), ("c", stamp)]
    layout = '{"version": 1, "entity_key": 1, "event_ts": 2, "created_ts": 3}'
    properties = {"frazil.feast": layout}
    catalog.create_table("ns.online", pa.schema(fields), properties=properties)
    return frazil.open_online(catalog, "ns.online")


@pytest.fixture
def objects(catalog):
    """One of each type: the module does not show them all."""
    table = catalog.create_table("ns.t", pa.schema([("id", pa.int64())]))
    scan = table.scan()
    stream = scan._stream()
    made = {"Context": _core.Context(), "Catalog": catalog._handle, "Table": table._handle}
    online = _online(catalog)
    made["Online"] = online._handle
    return made | {"Scan": scan._handle, "Stream": stream, "Rows": scan._stream().rows()}


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_methods(name, objects):
    stubbed = set(functions(CLASSES[name].body)) - INHERITED
    assert stubbed == set(vars(type(objects[name]))) - INHERITED


def test_module():
    values = {node.target.id for node in STUB.body if isinstance(node, ast.AnnAssign)}
    there = {name for name in dir(_core) if not name.startswith("__")}
    types = {name for name in there if isinstance(getattr(_core, name), type)}
    assert types <= set(CLASSES)
    assert set(functions(STUB.body)) | values == there - types


FIXED = [
    (name, method, len(node.args.posonlyargs) - 1)
    for name, kind in CLASSES.items()
    for method, node in functions(kind.body).items()
    if node.args.posonlyargs and not node.args.defaults and not node.decorator_list
]


@pytest.mark.parametrize(("name", "method", "n_arguments"), FIXED)
def test_number_of_arguments(name, method, n_arguments, objects):
    """One argument more than the stub has is one too many, and the message says how many it takes."""
    with pytest.raises(TypeError, match=rf"\b{n_arguments} argument"):
        getattr(objects[name], method)(*[None] * (n_arguments + 1))
