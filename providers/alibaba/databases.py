"""DATABASE (RDS, MongoDB, PolarDB) and CACHE (Redis and Tair), read only.

Callers: provider.py. Each service has its own words: a source per service reads its rows into the model. Lists tell
little, so each database is asked for by itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from model.resources import Cache, Database, Kind, Observed, State
from providers.alibaba.common import Identified, References, Row, tags_of, users_tags
from providers.alibaba.reader import Reader, cidrs_of
from providers.alibaba.session import PageNames, Session, TokenNames, inside
from providers.base import Call

_STATES = {
    "Running": State.READY, "Normal": State.READY, "Creating": State.PENDING, "DBInstanceCreating": State.PENDING,
    "Deleting": State.DELETING, "Released": State.DELETING, "LockByExpiration": State.FAILED,
}  # fmt: skip


_UNSIZED = TokenNames(size="")


class Source(ABC):
    """One service. id_field: of a row, and of the questions about one instance."""

    service: ClassVar[str]
    list_action: ClassVar[str]
    path: ClassVar[tuple[str, ...]]
    id_field: ClassVar[str]
    name_field: ClassVar[str]
    state_field: ClassVar[str]
    names: ClassVar[PageNames] = PageNames()

    def __init__(self, session: Session) -> None:
        self._session = session

    def rows(self, region: str, call: Call) -> Iterator[Row]:
        for row in self._session.pages(self.service, self.list_action, region, call, self.path, {}, self.names):
            yield {**row, "source": self.service}

    def ask(self, action: str, region: str, row: Row, call: Call) -> dict[str, Any]:
        return self._session.rpc(self.service, action, region, call, {self.id_field: row[self.id_field]})

    def tags(self, row: Row) -> dict[str, str]:
        return tags_of((row.get("Tags") or {}).get("Tag"))

    @abstractmethod
    def read(self, region: str, row: Row, common: Mapping[str, Any], call: Call) -> Any:
        """The resource. common: its name and tags."""


def _first(answer: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    return dict(next(iter(inside(answer, path)), {}))


def _days(text: object) -> int | None:
    return int(str(text)) if str(text).isdigit() else None


class Rds(Source):
    service, list_action, path = "Rds", "DescribeDBInstances", ("Items", "DBInstance")
    id_field, name_field, state_field = "DBInstanceId", "DBInstanceDescription", "DBInstanceStatus"
    names = PageNames(total=("TotalRecordCount",))

    def rows(self, region: str, call: Call) -> Iterator[Row]:
        """Its list has no tags: they come with one more question for all."""
        tags: dict[str, list[Row]] = {}
        asked = {"ResourceType": "INSTANCE"}
        where = ("TagResources", "TagResource")
        for tag in self._session.token_pages("Rds", "ListTagResources", region, call, where, asked, _UNSIZED):
            tags.setdefault(str(tag["ResourceId"]), []).append(tag)
        for row in super().rows(region, call):
            yield {**row, "Tags": {"Tag": tags.get(str(row["DBInstanceId"]), [])}}

    def read(self, region: str, row: Row, common: Mapping[str, Any], call: Call) -> Database:
        more = _first(self.ask("DescribeDBInstanceAttribute", region, row, call), ("Items", "DBInstanceAttribute"))
        nets = inside(
            self.ask("DescribeDBInstanceNetInfo", region, row, call), ("DBInstanceNetInfos", "DBInstanceNetInfo")
        )
        backup = self.ask("DescribeBackupPolicy", region, row, call)
        ssl = self.ask("DescribeDBInstanceSSL", region, row, call)
        key = str(self.ask("DescribeDBInstanceEncryptionKey", region, row, call).get("EncryptionKey") or "")
        speaks = str(ssl.get("SSLEnabled", "")).lower() in ("yes", "on", "1")
        versions = sorted(v.strip() for v in str(ssl.get("TlsVersion") or "").split(",") if v.strip())
        return Database(
            **common,
            engine=str(row.get("Engine", "")),
            version=str(row.get("EngineVersion", "")),
            public=any(net.get("IPType") == "Public" for net in nets),
            allowed_cidrs=cidrs_of(str(more.get("SecurityIPList") or "")),
            encrypted=bool(key),
            key=key,
            tls_required=speaks and str(ssl.get("ForceEncryption")) == "1",
            tls_min=versions[0] if speaks and versions else "",
            backup_days=_days(backup.get("BackupRetentionPeriod")),
            point_in_time=str(backup.get("EnableBackupLog")).lower() in ("1", "true", "enable"),
            multi_zone=bool(inside(more, ("SlaveZones", "SlaveZone"))),
            deletion_protection=bool(row.get("DeletionProtection", False)),
            auto_minor_upgrades=more.get("AutoUpgradeMinorVersion") == "Auto",
        )


class MongoDb(Source):
    service, list_action, path = "Dds", "DescribeDBInstances", ("DBInstances", "DBInstance")
    id_field, name_field, state_field = "DBInstanceId", "DBInstanceDescription", "DBInstanceStatus"

    def read(self, region: str, row: Row, common: Mapping[str, Any], call: Call) -> Database:
        more = _first(self.ask("DescribeDBInstanceAttribute", region, row, call), self.path)
        cidrs = str(self.ask("DescribeSecurityIps", region, row, call).get("SecurityIps") or "")
        backup = self.ask("DescribeBackupPolicy", region, row, call)
        replicas = inside(more, ("ReplicaSets", "ReplicaSet"))
        return Database(
            **common,
            family="document",
            engine=str(row.get("Engine", "MongoDB")),
            version=str(row.get("EngineVersion", "")),
            public=any(r.get("NetworkType") == "Public" for r in replicas),
            allowed_cidrs=cidrs_of(cidrs),
            encrypted=bool(more.get("Encrypted", False)),
            key=str(more.get("EncryptionKey") or ""),
            backup_days=_days(backup.get("BackupRetentionPeriod")),
            point_in_time=str(backup.get("EnableBackupLog")) == "1",
            multi_zone=bool(row.get("SecondaryZoneId")),
            deletion_protection=bool(more.get("DBInstanceReleaseProtection", False)),
            local_auth=more.get("VpcAuthMode") != "Close",
        )


class PolarDb(Source):
    service, list_action, path = "polardb", "DescribeDBClusters", ("Items", "DBCluster")
    id_field, name_field, state_field = "DBClusterId", "DBClusterDescription", "DBClusterStatus"
    names = PageNames(total=("TotalRecordCount",))

    def read(self, region: str, row: Row, common: Mapping[str, Any], call: Call) -> Database:
        lists = inside(self.ask("DescribeDBClusterAccessWhitelist", region, row, call), ("Items", "DBClusterIPArray"))
        tde = self.ask("DescribeDBClusterTDE", region, row, call)
        ends = inside(self.ask("DescribeDBClusterEndpoints", region, row, call), ("Items",))
        kinds = {str(a.get("NetType")) for end in ends for a in end.get("AddressItems") or ()}
        shown = [str(r.get("SecurityIps") or "") for r in lists if r.get("DBClusterIPArrayAttribute") != "hidden"]
        return Database(
            **common,
            engine=str(row.get("DBType", "")),
            version=str(row.get("DBVersion", "")),
            public="Public" in kinds,
            allowed_cidrs=cidrs_of(",".join(shown)),
            encrypted=tde.get("TDEStatus") == "Enabled",
            key=str(tde.get("EncryptionKey") or ""),
            multi_zone=str(row.get("HotStandbyCluster", "")).upper() in ("ON", "STANDBY", "EQUAL"),
            deletion_protection=int(row.get("DeletionLock") or 0) == 1,
        )


class Redis(Source):
    service, list_action, path = "R-kvstore", "DescribeInstances", ("Instances", "KVStoreInstance")
    id_field, name_field, state_field = "InstanceId", "InstanceName", "InstanceStatus"
    names = PageNames(most=50)

    def read(self, region: str, row: Row, common: Mapping[str, Any], call: Call) -> Cache:
        found = self.ask("DescribeInstanceAttribute", region, row, call)
        more = _first(found, ("Instances", "DBInstanceAttribute"))
        ssl = str(self.ask("DescribeInstanceSSL", region, row, call).get("SSLEnabled") or "")
        nets = inside(self.ask("DescribeDBInstanceNetInfo", region, row, call), ("NetInfoItems", "InstanceNetInfo"))
        backup = self.ask("DescribeBackupPolicy", region, row, call)
        return Cache(
            **common,
            engine=str(row.get("InstanceType", "")),
            version=str(row.get("EngineVersion", "")),
            public=any(net.get("IPType") == "Public" for net in nets),
            allowed_cidrs=cidrs_of(str(more.get("SecurityIPList") or "")),
            tls_required=ssl == "Enable",
            auth=more.get("VpcAuthMode") != "Close",
            backup_days=_days(backup.get("BackupRetentionPeriod")),
            multi_zone=bool(row.get("SecondaryZoneId")),
        )


class _Sourced(Reader):
    """Rows of several services."""

    SOURCES: ClassVar[tuple[Callable[[Session], Source], ...]]

    def __init__(self, session: Session, references: References) -> None:
        super().__init__(session, references)
        self._sources = {made.service: made for made in (source(session) for source in self.SOURCES)}

    def rows(self, region: str, call: Call, *, tags: Mapping[str, str] | None = None, name: str = "") -> Iterator[Row]:
        del name
        for source in self._sources.values():
            for row in source.rows(region, call):
                if all(source.tags(row).get(k) == v for k, v in (tags or {}).items()):
                    yield row

    def identify(self, row: Row) -> Identified:
        source = self._sources[str(row["source"])]
        return Identified(str(row[source.id_field]), str(row.get(source.name_field) or ""), source.tags(row))

    def observe(self, region: str, row: Row, call: Call) -> Observed:
        source, who = self._sources[str(row["source"])], self.identify(row)
        common = {"name": who.logical_name, "tags": users_tags(who.tags)}
        state = _STATES.get(str(row.get(source.state_field, "")), State.UPDATING)
        return self.seen(region, row, source.read(region, row, common, call), state=state)


class Databases(_Sourced):
    KIND = Kind.DATABASE
    SOURCES = (Rds, MongoDb, PolarDb)


class Caches(_Sourced):
    KIND = Kind.CACHE
    SOURCES = (Redis,)
