"""Writes one file a codec, with every Avro type; see README.md."""
import sys, fastavro
schema = {
  "type": "record", "name": "row", "namespace": "t.ns", "fields": [
    {"name": "n", "type": "null", "field-id": 1},
    {"name": "b", "type": "boolean", "field-id": 2},
    {"name": "i", "type": {"type": "int", "logicalType": "date"}, "field-id": 3},
    {"name": "l", "type": {"type": "long", "logicalType": "timestamp-micros", "adjust-to-utc": True}, "field-id": 4},
    {"name": "f", "type": "float", "field-id": 5},
    {"name": "d", "type": "double", "field-id": 6},
    {"name": "y", "type": "bytes", "field-id": 7},
    {"name": "s", "type": "string", "field-id": 8},
    {"name": "e", "type": {"type": "enum", "name": "colour", "symbols": ["red", "green"]}, "field-id": 9},
    {"name": "x", "type": {"type": "fixed", "name": "four", "size": 4}, "field-id": 10},
    {"name": "x2", "type": "four", "field-id": 11},
    {"name": "a", "type": {"type": "array", "items": ["null", "long"], "element-id": 13}, "field-id": 12},
    {"name": "m", "type": {"type": "map", "values": "double", "key-id": 15, "value-id": 16}, "field-id": 14},
    {"name": "u", "type": ["string", "null", {"type": "record", "name": "inner", "fields": [
        {"name": "v", "type": "long", "field-id": 18}]}], "field-id": 17},
    {"name": "k", "type": {"type": "array", "logicalType": "map", "items": {"type": "record", "name": "k20_v21", "fields": [
        {"name": "key", "type": "int", "field-id": 20}, {"name": "value", "type": "bytes", "field-id": 21}]}}, "field-id": 19},
  ]}
rows = []
for i in range(20):
    rows.append({"n": None, "b": i % 2 == 0, "i": i * 1000 - 7000, "l": (i - 10) * 10**14, "f": i / 4, "d": -i / 8,
      "y": bytes(range(i % 7)), "s": "é" * (i % 3) + str(i), "e": ["red", "green"][i % 2],
      "x": bytes([i, 0, 255, 1]), "x2": bytes([1, 2, 3, i]), "a": [None if j % 2 else j * i for j in range(i % 4)],
      "m": {str(j): j / 2 for j in range(i % 3)}, "u": ["text", None, {"v": i}][i % 3],
      "k": [{"key": j, "value": bytes([j])} for j in range(i % 3)]})
for codec in ["null", "deflate", "snappy", "zstandard"]:
    with open(f"{sys.argv[1]}/types_{codec}.avro", "wb") as out:
        fastavro.writer(out, schema, rows, codec=codec,
                        sync_interval=400, sync_marker=b"0123456789abcdef", metadata={"note": "golden"})
