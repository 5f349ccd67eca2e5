"""Normalised resources that hold data, secrets, rights and traces. Callers take them from model.resources.

A Flag is None where the document does not say and the cloud does not show it: loaders fill in the cloud's own default
where its documentation names one, so that a rule reads one meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from model.resource_base import Flag, Kind, Resource, Unknown

Text = str | Unknown
Number = int | Unknown | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk(Resource):
    """A block volume. key: the key that a user chose for it, "" for the cloud's own. attached_to: an instance.

    disk_type "": the adapter's choice. It grows in place and never shrinks.
    """

    KIND = Kind.DISK
    zone: str
    size_gib: int
    disk_type: str = ""
    encrypted: Flag = True
    key: Text = ""
    attached_to: str = ""
    public: Flag = None
    in_backup_plan: Flag = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry(Resource):
    """A repository of container images. pull_identity: who may pull without a password, as the cloud names it."""

    KIND = Kind.REGISTRY
    url: str = ""
    immutable_tags: Flag = None
    scan_on_push: Flag = None
    encrypted: Flag = None
    key: Text = ""
    public: Flag = None
    pull_identity: str = ""
    any_principal: Flag = None
    admin_user: Flag = None
    allowed_cidrs: tuple[str, ...] = ()
    multi_zone: Flag = None
    cleans_up: Flag = None
    signed: Flag = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket(Resource):
    """Object storage. public: readable or writable by anybody, by ACL or policy. public_access_blocked: the switch
    that makes `public` impossible. tls_only: plain HTTP is refused. sse: none, cloud or key. replicas: regions that
    its objects are copied to. redundancy: `zone` (one zone), `zones` or `regions`. public covers everybody who has an
    account with the cloud, too; any_principal is what a policy says, public_write what strangers may do.
    """

    KIND = Kind.BUCKET
    public: Flag = None
    public_access_blocked: Flag = None
    sse: Text = ""
    key: Text = ""
    versioning: Flag = None
    access_logs: Flag = None
    tls_only: Flag = None
    tls_min: Text = ""
    soft_delete_days: Number = None
    replicas: tuple[str, ...] = ()
    redundancy: Text = ""
    any_principal: Flag = None
    any_action: Flag = None
    public_write: Flag = None
    network_default_deny: Flag = None
    private_endpoint: Flag = None
    local_auth: Flag = None
    tokens_expire: Flag = None
    locked: Flag = None
    cleans_up: Flag = None
    double_encryption: Flag = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Database(Resource):
    """A managed database: relational, document, wide-column, graph or warehouse.

    family: what it is (`relational`, `document`, ...); engine: as the cloud names it. allowed_cidrs: who may connect,
    where the database has a list of its own. backup_days 0: no automated backup.
    """

    KIND = Kind.DATABASE
    family: str = "relational"
    engine: Text = ""
    version: Text = ""
    public: Flag = None
    allowed_cidrs: tuple[str, ...] = ()
    encrypted: Flag = None
    key: Text = ""
    tls_required: Flag = None
    tls_min: Text = ""
    backup_days: Number = None
    point_in_time: Flag = None
    geo_backup: Flag = None
    multi_zone: Flag = None
    deletion_protection: Flag = None
    audit_logs: Flag = None
    auto_minor_upgrades: Flag = None
    iam_auth: Flag = None
    local_auth: Flag = None
    in_network: Flag = None
    private_endpoint: Flag = None
    any_cloud_customer: Flag = None
    query_logs: Flag = None
    log_connections: Flag = None
    log_checkpoints: Flag = None
    log_retention_days: Number = None
    monitoring: Flag = None
    threat_detection: Flag = None
    scan: Flag = None
    autoscaling: Flag = None
    copy_tags: Flag = None
    final_snapshot: Flag = None
    certificate_current: Flag = None
    password_in_document: Flag = None
    replica_regions: tuple[str, ...] = ()
    sla: Flag = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache(Resource):
    """A managed Redis or Memcached."""

    KIND = Kind.CACHE
    engine: Text = ""
    version: Text = ""
    public: Flag = None
    allowed_cidrs: tuple[str, ...] = ()
    encrypted: Flag = None
    key: Text = ""
    tls_required: Flag = None
    tls_min: Text = ""
    auth: Flag = None
    backup_days: Number = None
    multi_zone: Flag = None
    auto_minor_upgrades: Flag = None
    in_network: Flag = None
    local_auth: Flag = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue(Resource):
    """A managed queue, topic or stream. family: queue, topic, stream or broker. public: any principal may use it.

    internet: its endpoint can be reached from the internet, where the cloud has a switch for that.
    """

    KIND = Kind.QUEUE
    family: str = "queue"
    public: Flag = None
    encrypted: Flag = None
    key: Text = ""
    tls_required: Flag = None
    tls_min: Text = ""
    local_auth: Flag = None
    audit_logs: Flag = None
    auto_minor_upgrades: Flag = None
    internet: Flag = None
    allowed_cidrs: tuple[str, ...] = ()
    any_action: Flag = None
    foreign_principals: Flag = None
    in_network: Flag = None
    managed_identity: Flag = None
    multi_zone: Flag = None
    double_encryption: Flag = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Key(Resource):
    """An encryption key, or a vault of keys and secrets (family `vault`), or one secret (family `secret`).

    rotation_days: 0 never, None not told. deletion_days: how long a deleted one can be brought back. any_principal:
    its policy lets anybody use it. sends_to: addresses outside to which the document sends what it holds.
    """

    KIND = Kind.KEY
    family: str = "key"
    enabled: Flag = None
    rotates: Flag = None
    rotation_days: Number = None
    deletion_days: Number = None
    purge_protection: Flag = None
    any_principal: Flag = None
    expires: Flag = None
    hsm: Flag = None
    key: Text = ""
    public: Flag = None
    rotatable: Flag = None
    network_default_deny: Flag = None
    rbac: Flag = None
    sends_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditTrail(Resource):
    """The record of who did what in an account. retention_days None: kept for ever, or not told.

    destination_logs: reads of the place where it is kept are logged. watched: its entries also go where alarms look.
    """

    KIND = Kind.AUDIT_TRAIL
    enabled: Flag = None
    all_regions: Flag = None
    all_events: Flag = None
    validated: Flag = None
    encrypted: Flag = None
    key: Text = ""
    retention_days: Number = None
    destination: Text = ""
    destination_logs: Flag = None
    watched: Flag = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One statement of a policy: what it lets do on what. effect: allow or deny. principals: only in trust policies
    and policies of a resource; `*` is anybody. conditions: names of the conditions under which it holds; claims:
    the same in full, `operator name value`, one for each value."""

    effect: str = "allow"
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity(Resource):
    """A user, role, group, policy, service principal or managed identity. family says which of these.

    trust: who may take it on. grants: what it may do. attached_to_users: a policy bound to a person directly.
    root: it belongs to the account's root user. members: of a group, None where nobody says.
    """

    KIND = Kind.IDENTITY
    family: str = "role"
    grants: tuple[Grant, ...] = ()
    trust: tuple[Grant, ...] = ()
    attached_to_users: Flag = None
    long_lived_keys: Flag = None
    mfa: Flag = None
    root: Flag = None
    members: Number = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedService(Resource):
    """Whatever has no kind of its own. service: its class in the model's words (`function`, `cdn`, `file_system`),
    or `other`; native_type: as its document names it. settings: plain data, in the model's words where a table maps
    them (`encrypted`, `public`, `tls_min`, ...), else as they were written, below `native`."""

    KIND = Kind.MANAGED_SERVICE
    service: str = "other"
    native_type: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
