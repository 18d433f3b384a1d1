"""The Spark session of engine: spark, and the store's catalog as one of Spark's.

A session that is active is used as it is; else one is made with `spark_conf`, and with the packages
that the store's configuration asks for where `spark_conf` names none. A catalog is added to the
session when a table is first read through it, under the catalog's own name, unless the session has
one of that name: what the user configured stands. Its properties are session settings, set after the
session started, so that keys appear neither in Spark's environment page nor in its event log.

Sources: Iceberg 1.12 documentation, "Spark Configuration", "JDBC", "AWS" and REST catalog properties.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import pyspark
from feast.repo_config import RepoConfig
from pyspark.sql import SparkSession

from frazil import UnsupportedError
from frazil.feast.settings import catalog_properties, repo_folder
from frazil.feast.source import store_settings

_ICEBERG = "1.12.0"
_SQLITE_DRIVER = "org.xerial:sqlite-jdbc:3.50.3.0"
_POSTGRESQL_DRIVER = "org.postgresql:postgresql:42.7.7"
_S3_SCHEMES = ("s3://", "s3a://", "s3n://")


@dataclass(frozen=True, repr=False)  # properties may hold secrets
class SparkSettings:
    """What the engine needs of a store's configuration."""

    conf: dict[str, str] = field(default_factory=dict)
    """ For a session that is made here. """

    catalog: str | None = None
    """ A catalog of the session to read through, as `spark_catalog` says. """

    catalog_name: str = "default"
    """ The store's own catalog, """

    properties: dict[str, str] = field(default_factory=dict)
    """ and its properties, as frazil.load_catalog() takes them. """


def settings_of(config: RepoConfig) -> SparkSettings:
    settings: Any = store_settings(config)
    return SparkSettings(
        conf=settings.spark_conf or {},
        catalog=settings.spark_catalog,
        catalog_name=settings.catalog_name,
        properties=catalog_properties(settings, repo_folder(config)),
    )


def session(settings: SparkSettings) -> SparkSession:
    """The active session, or a new one."""
    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    conf = dict(settings.conf)
    if not {"spark.jars", "spark.jars.packages"} & conf.keys():
        conf["spark.jars.packages"] = ",".join(packages(settings))
    builder = SparkSession.builder
    for key, value in conf.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def packages(settings: SparkSettings) -> list[str]:
    """Maven coordinates of what reads the store's tables: Iceberg for this Spark, and what its
    catalog and storage need beside it."""
    spark = ".".join(pyspark.__version__.split(".")[:2])
    wanted = [f"org.apache.iceberg:iceberg-spark-runtime-{spark}_2.13:{_ICEBERG}"]
    properties = settings.properties
    kind = properties.get("type", "sql")
    if kind == "glue" or _is_on_s3(properties):
        wanted.append(f"org.apache.iceberg:iceberg-aws-bundle:{_ICEBERG}")
    if kind == "sql":
        is_postgresql = "postgres" in properties.get("uri", "").split("://")[0]
        wanted.append(_POSTGRESQL_DRIVER if is_postgresql else _SQLITE_DRIVER)
    return wanted


def is_reached_by_path(settings: SparkSettings, metadata_location: str) -> bool:
    """May Spark read a table by its metadata file? Local files need no catalog and no keys."""
    is_local = "://" not in metadata_location or metadata_location.startswith("file://")
    return settings.catalog is None and (
        is_local or settings.properties.get("type", "sql") in ("static", "none")
    )


def catalog_in(spark: SparkSession, settings: SparkSettings) -> str:
    """The name of the catalog to read through; the store's own is added to the session where it is
    not there yet."""
    name = settings.catalog or settings.catalog_name
    key = f"spark.sql.catalog.{name}"
    if spark.conf.get(key, None) is not None:
        return name
    if name != settings.catalog_name:
        raise UnsupportedError(
            f"the Spark session has no catalog {name!r}: set {key} and its properties in "
            "offline_store.spark_conf, or leave spark_catalog out: the store's own catalog "
            f"({settings.catalog_name!r}) is configured by itself"
        )
    for suffix, value in catalog_conf(settings.properties).items():
        spark.conf.set(key + suffix, value)
    return name


def catalog_conf(properties: dict[str, str]) -> dict[str, str]:
    """What Spark is told below `spark.sql.catalog.NAME` for a catalog with these properties.

    Names that Iceberg's Java library shares with PyIceberg go over as they are.
    """
    kind = properties.get("type", "sql")
    java = {
        name: value
        for name, value in properties.items()
        if name not in ("type", "uri", "schema_version", "init_catalog_tables")
    }
    java["type"] = "jdbc" if kind == "sql" else kind
    if kind == "sql":
        java.update(_jdbc(properties))
    elif kind in ("rest", "glue"):
        if "uri" in properties:
            java["uri"] = properties["uri"]
    else:
        raise UnsupportedError(
            f"catalog_type {kind}: Spark reads its tables by their metadata files; leave "
            "spark_catalog out"
        )
    java.update(_aws(properties, kind))
    return {
        "": "org.apache.iceberg.spark.SparkCatalog",
        **{f".{name}": value for name, value in java.items()},
    }


def _jdbc(properties: dict[str, str]) -> dict[str, str]:
    uri = properties.get("uri", "")
    told = {"jdbc.schema-version": "V1" if properties.get("schema_version") == "v1" else "V0"}
    if uri.startswith("jdbc:"):
        return {"uri": uri, **told}
    if "postgres" not in uri.split("://")[0]:
        path = uri.split(":///", 1)[-1] if uri.startswith("sqlite") else uri
        return {"uri": f"jdbc:sqlite:{path}", **told}
    parts = urlsplit(uri)
    host = parts.hostname or "localhost"
    where = f"{host}:{parts.port}" if parts.port else host
    query = f"?{parts.query}" if parts.query else ""
    told["uri"] = f"jdbc:postgresql://{where}{parts.path}{query}"
    if parts.username:
        told["jdbc.user"] = unquote(parts.username)
    if parts.password:
        told["jdbc.password"] = unquote(parts.password)
    return told


def _aws(properties: dict[str, str], kind: str) -> dict[str, str]:
    """Java's names for what PyIceberg calls otherwise."""
    told = {}
    regions = ("client.region", "s3.region", "glue.region" if kind == "glue" else "s3.region")
    region = next((properties[name] for name in regions if name in properties), None)
    if region is not None:
        told["client.region"] = region
    if not _is_on_s3(properties):
        return told
    if kind != "rest" or any(name.startswith("s3.") for name in properties):
        told["io-impl"] = "org.apache.iceberg.aws.s3.S3FileIO"
    for part in ("access-key-id", "secret-access-key", "session-token"):
        shared = properties.get(f"client.{part}")
        if shared is not None and f"s3.{part}" not in properties:
            told[f"s3.{part}"] = shared
    in_host = properties.get("s3.force-virtual-addressing")
    if "s3.path-style-access" not in properties and (in_host or "s3.endpoint" in properties):
        told["s3.path-style-access"] = "false" if (in_host or "").lower() == "true" else "true"
    return told


def _is_on_s3(properties: dict[str, str]) -> bool:
    return properties.get("warehouse", "").startswith(_S3_SCHEMES) or any(
        name.startswith("s3.") for name in properties
    )
