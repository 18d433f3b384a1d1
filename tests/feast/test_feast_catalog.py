"""The catalog that a Feast repo's configuration names."""

import pytest
from feast import FeatureStore
from feast_repo import Repo, driver_rows

import frazil
import frazil.feast

ONLINE_ONLY = """
project: proj
provider: local
registry: registry.db
entity_key_serialization_version: 3
online_store:
  type: {online}
"""


def test_it_is_the_one_of_the_sources(tmp_path):
    repo = Repo(tmp_path)
    table = repo.table("d", driver_rows())
    catalog = frazil.feast.catalog(repo.store.config)
    assert isinstance(catalog, frazil.Catalog)
    assert catalog.load_table("feast.d").metadata_location == table.metadata_location
    assert frazil.feast.catalog(repo.store.config) is catalog


def test_it_is_the_online_stores_where_only_that_is_ours(tmp_path):
    (tmp_path / "feature_store.yaml").write_text(ONLINE_ONLY.format(online="frazil.feast.IcebergOnlineStore"))
    catalog = frazil.feast.catalog(FeatureStore(repo_path=str(tmp_path)).config)
    catalog.create_namespace("n")
    assert catalog.list_namespaces() == [("n",)]


def test_a_repo_of_other_stores_has_none(tmp_path):
    (tmp_path / "feature_store.yaml").write_text(ONLINE_ONLY.format(online="sqlite"))
    with pytest.raises(ValueError, match="offline_store.type to frazil.feast.IcebergOfflineStore"):
        frazil.feast.catalog(FeatureStore(repo_path=str(tmp_path)).config)
