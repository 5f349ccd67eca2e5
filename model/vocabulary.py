"""The words in which loaders describe what has no kind of its own, and in which rules read it.

Callers: loaders (providers' tables), policies (rules, tests), documentation. Nothing here names a cloud.

How a value is written, here and in the fields of the typed kinds:

- flag: true, false, UNKNOWN (known only after apply) or None (nobody says, and no default is documented, or the
  question makes no sense here). A loader that has seen the whole resource writes the cloud's documented default where
  the document leaves the setting out: a rule finds fault with `false`, never with None. A document made of an
  attachment alone (a bucket's policy without its bucket) has None for all that it does not say.
- days, number: a whole number; 0 is none or never. Kept or valid for ever reads None.
- text: "" says that it was left out where the cloud then does without; None, that nobody says.
- version: `1.2`, `1.33`; compared by number.
- texts: a list, empty where there is none; None where nobody says.

In a document (policies.documents) the words of a managed service's settings stand beside its other fields, and `class`
is its class from SERVICES. `change`, where the document comes from a plan: create, update, replace, delete, none or
read; `before` is then the document as it was, with the same words.

`sources` of a document names, by the word alone (`encrypted`, also for a setting), where its value was written; an item
of a list is `rules[2]`, by its place in the document, else the list's own name; a part of a manifest is its dotted
path. A finding takes the longest of these that its `field` begins with, else the document's own position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

FLAG, NUMBER, DAYS, TEXT, TEXTS, VERSION, CIDRS, PAIRS = (
    "flag",
    "number",
    "days",
    "text",
    "texts",
    "version",
    "cidrs",
    "pairs",
)


@dataclass(frozen=True, slots=True)
class Word:
    """type: one of flag, number, days, text, texts, version, cidrs, pairs (text to text)."""

    type: str
    meaning: str


SERVICES: Final[Mapping[str, str]] = {
    # running code
    "function": "code run per call, with its plan and slots",
    "app_service": "a platform that runs a web application, with its slots",
    "app_plan": "the machines that such platforms run on",
    "app_platform": "a managed platform for applications of one framework, and its portals",
    "container_task": "what a managed container service runs: the definition of its containers",
    "container_service": "a running set of such containers",
    "container_cluster": "where they run",
    "container_group": "containers run without a cluster",
    "batch_cluster": "machines for map-reduce and the like, and their security settings",
    "etl_job": "jobs, crawlers and endpoints that move and change data",
    "workflow": "orchestrated jobs: pipelines of data, managed schedulers",
    "notebook": "an interactive notebook's machine",
    "ml_workspace": "a workspace, compute or model of machine learning",
    "ai_service": "a ready model behind an API, its agents and recognisers",
    "build_project": "what builds software",
    "build_pipeline": "what carries it from source to release",
    "code_repository": "source code, and what reviews it",
    "package_repository": "packages of software",
    "automation": "an account that runs scripts against the cloud",
    "automation_document": "a script of the cloud's own automation, which can be shared",
    # entries
    "api_gateway": "an API's front as a whole",
    "api_stage": "a deployed stage of it, with logs and cache",
    "api_method": "one method or route of it",
    "api_deployment": "one deployment of it",
    "api_domain": "its own name, with a certificate",
    "api_backend": "where it sends calls on to",
    "graphql_api": "a managed GraphQL API",
    "graphql_cache": "its cache",
    "cdn": "a content delivery network, or an accelerator in front of services",
    "target_group": "targets of a load balancer, where they stand on their own",
    "waf": "a web application firewall: an access list or policy",
    "ddos_plan": "a plan of protection against floods",
    "firewall_appliance": "a managed network firewall and its policy",
    "bastion": "a managed way in for administrators",
    # network
    "peering": "a connection of two networks",
    "transit_gateway": "a router between networks",
    "vpn": "a tunnel to elsewhere",
    "private_endpoint": "a private way into a managed service",
    "network_interface": "a machine's network card",
    "flow_log": "a record of a network's traffic",
    "prefix_list": "a named list of blocks; settings.cidrs holds them",
    "dns_zone": "a zone of names",
    # compute
    "launch_template": "what instances of a group are made of, where it stands alone",
    "machine_image": "an image that machines start from, and recipes for one",
    "snapshot": "a copy of a disk or database, and copies of these",
    "snapshot_policy": "when disks are copied, and to where",
    # data
    "file_system": "a shared file system, with its access points",
    "search": "a search engine or its domain",
    "query_service": "queries over files",
    "analytics_workspace": "a workspace of an analytics platform",
    "time_series": "a store of measurements",
    "migration": "a machine that carries data between stores",
    "object_copy": "one copy of an object",
    "bucket_access_point": "a named way into a bucket",
    "app_configuration": "a store of configuration values",
    "realtime": "a hub of open connections to browsers",
    "backup_vault": "where backups lie",
    "backup_plan": "what is backed up, and when",
    # watching and rights
    "log_group": "where logs go, or a workspace of logs",
    "monitoring": "a diagnostic setting, an alarm or an alert rule",
    "threat_detection": "the cloud's own watch for attacks",
    "vulnerability_scan": "the cloud's own search for weaknesses in a store or machine",
    "security_contact": "who is told of an alert",
    "config_recorder": "a record of what exists and how it was set",
    "password_policy": "how an account's passwords must be",
    "account_setting": "a default of a whole account or region",
    "registry_webhook": "whom a registry tells of a push",
    "other": "anything else",
}

SETTINGS: Final[Mapping[str, Word]] = {
    # encryption and keys
    "encrypted": Word(FLAG, "what it keeps is encrypted at rest, by whatever key"),
    "key": Word(TEXT, "the key that a user chose for that; empty: the cloud's own key, or none"),
    "double_encryption": Word(FLAG, "a second layer of encryption, in the infrastructure"),
    "cache_encrypted": Word(FLAG, "its cache is encrypted at rest; None where it has no cache"),
    "volumes_encrypted": Word(FLAG, "volumes of its machines or jobs are encrypted"),
    "volume_key": Word(TEXT, "the key that a user chose for these"),
    "copies_encrypted": Word(FLAG, "copies that it makes elsewhere are encrypted"),
    "copies_key": Word(TEXT, "the key that a user chose for these"),
    "environment_key": Word(TEXT, "the key for its environment variables; None where it has no variables"),
    "exec_logs": Word(FLAG, "commands run inside its containers are logged"),
    "rotates": Word(FLAG, "its key or secret is changed by itself"),
    "rotation_days": Word(DAYS, "how often"),
    "expires": Word(FLAG, "it has an end date"),
    "tokens_expire": Word(FLAG, "signed links and tokens of it are held to a longest life"),
    # in transit
    "tls_required": Word(FLAG, "connections without TLS are refused, also between its own nodes and to its volumes"),
    "tls_min": Word(VERSION, "lowest TLS version that it speaks; `1.0` for policies that still allow it"),
    "https_only": Word(FLAG, "plain HTTP is refused or redirected"),
    "ftp_plain": Word(FLAG, "FTP without TLS is accepted"),
    "mtls": Word(FLAG, "callers must show a certificate"),
    "certificate_current": Word(FLAG, "its server certificate comes from an authority that is still trusted and valid"),
    "protocol": Word(TEXT, "what it speaks to those behind it: http, https, tcp, tls, udp"),
    "http2": Word(FLAG, "it speaks HTTP/2"),
    # who reaches it
    "public": Word(FLAG, "reachable from the internet, or handing out public addresses"),
    "allowed_cidrs": Word(CIDRS, "who may connect, where it has a list of its own; empty: its list is empty"),
    "any_cloud_customer": Word(FLAG, "every customer of the cloud may connect, from inside the cloud"),
    "network_default_deny": Word(FLAG, "its own firewall denies whom no rule names"),
    "in_network": Word(FLAG, "it stands in a network of ours"),
    "private_endpoint": Word(FLAG, "there is a private way into it"),
    "any_principal": Word(FLAG, "a policy of it lets anybody use it, without a condition that says who"),
    "any_action": Word(FLAG, "a policy of it allows every action"),
    "foreign_principals": Word(FLAG, "a policy of it lets other accounts use it"),
    "shared_publicly": Word(FLAG, "anybody may copy it or start from it"),
    "public_access_blocked": Word(FLAG, "the switch that makes public access impossible is on"),
    "ip_forwarding": Word(FLAG, "it passes on traffic that is not its own"),
    "auto_accept": Word(FLAG, "who asks to be connected is connected"),
    "cidrs": Word(CIDRS, "the blocks of a prefix list"),
    "remote_debugging": Word(FLAG, "a debugger may be attached from outside"),
    "cors_any_origin": Word(FLAG, "scripts of any web site may call it"),
    "waf": Word(FLAG, "a web application firewall stands before it"),
    "ddos_protection": Word(FLAG, "a plan of protection against floods covers it"),
    "rule_count": Word(NUMBER, "rules that it holds"),
    "blocks": Word(FLAG, "it blocks what it detects, rather than only telling"),
    "blocks_known_exploits": Word(FLAG, "its rules against known exploit strings (such as CVE-2021-44228) block"),
    "threat_intel": Word(TEXT, "what it does with addresses known as hostile: deny, alert, off"),
    # identity
    "auth": Word(FLAG, "callers must prove who they are"),
    "local_auth": Word(FLAG, "shared keys or accounts of its own are accepted, beside the cloud's identities"),
    "admin_user": Word(FLAG, "a built-in administrator account is on"),
    "iam_auth": Word(FLAG, "the cloud's identities can be used to sign in"),
    "managed_identity": Word(FLAG, "it has an identity of the cloud, so that it needs no stored secret"),
    "password_login": Word(FLAG, "people may sign in with a password rather than a key"),
    "password_in_document": Word(FLAG, "a password stands in the document itself"),
    "mfa": Word(FLAG, "a second factor is demanded"),
    "root": Word(FLAG, "it belongs to the account's root user"),
    "root_access": Word(FLAG, "its users are root on its machine"),
    "privileged": Word(FLAG, "it runs with rights over its host"),
    "user_identity": Word(FLAG, "it forces its users' numbers and root folder"),
    "members": Word(NUMBER, "how many belong to it"),
    "execution_identity": Word(TEXT, "the role that starts it"),
    "task_identity": Word(TEXT, "the role that it runs as"),
    "environment": Word(PAIRS, "its environment variables, as written in the document"),
    "user_data": Word(TEXT, "what a machine runs at its first start"),
    "sends_to": Word(TEXTS, "addresses outside to which it sends what it holds"),
    "imds_v2_only": Word(FLAG, "the metadata service answers only to a session token, or is off"),
    "imds_hop_limit": Word(NUMBER, "how many hops its answers may travel"),
    # passwords
    "min_length": Word(NUMBER, "shortest password"),
    "needs_upper": Word(FLAG, "an upper-case letter is needed"),
    "needs_lower": Word(FLAG, "a lower-case letter is needed"),
    "needs_number": Word(FLAG, "a digit is needed"),
    "needs_symbol": Word(FLAG, "another character is needed"),
    "max_age_days": Word(DAYS, "when a password has to be changed; 0: never"),
    "reuse_prevention": Word(NUMBER, "how many former passwords are refused"),
    "lockout_attempts": Word(NUMBER, "after how many failures the account is locked; 0: never"),
    # logs and watching
    "logs": Word(FLAG, "its access or execution logs are kept"),
    "audit_logs": Word(FLAG, "who did what in it is recorded"),
    "query_logs": Word(FLAG, "its error, slow and connection logs, where it has such, are all exported"),
    "log_connections": Word(FLAG, "connections are logged"),
    "log_checkpoints": Word(FLAG, "checkpoints are logged"),
    "log_retention_days": Word(DAYS, "how long logs are kept; None: for ever, or not told"),
    "flow_logs": Word(FLAG, "its traffic is recorded"),
    "tracing": Word(FLAG, "calls are traced"),
    "monitoring": Word(FLAG, "measured in detail"),
    "threat_detection": Word(FLAG, "the cloud watches it for attacks"),
    "scan": Word(FLAG, "searched for known weaknesses, at least once a week or with every push"),
    "scan_reports": Word(FLAG, "the results of that go to somebody"),
    "antimalware": Word(FLAG, "software against malware runs on it"),
    "enabled": Word(FLAG, "it is switched on"),
    "notifies": Word(FLAG, "alerts are sent"),
    "contacts": Word(TEXTS, "who is told: addresses"),
    "phone": Word(TEXT, "whom to call"),
    "all_regions": Word(FLAG, "it covers all regions"),
    "all_resources": Word(FLAG, "it covers all kinds of resources"),
    "destination_logs": Word(FLAG, "reads of the place where it writes are logged"),
    # keeping
    "deletion_protection": Word(FLAG, "it cannot be deleted by a single call"),
    "soft_delete_days": Word(DAYS, "how long what was deleted can be brought back"),
    "purge_protection": Word(FLAG, "nobody can end that earlier"),
    "versioning": Word(FLAG, "what is overwritten is kept"),
    "locked": Word(FLAG, "what is written cannot be changed for a time"),
    "backup_days": Word(DAYS, "how long automated backups are kept; 0: there are none"),
    "in_backup_plan": Word(FLAG, "a backup plan covers it"),
    "point_in_time": Word(FLAG, "it can be brought back to any moment"),
    "geo_redundant": Word(FLAG, "it, or its backup, is kept in a second region"),
    "replica_regions": Word(TEXTS, "regions that its data are copied to"),
    "final_snapshot": Word(FLAG, "a last copy is made when it is deleted"),
    "copy_tags": Word(FLAG, "copies carry its tags"),
    "cleans_up": Word(FLAG, "old objects or images that nobody uses go by themselves"),
    # staying up
    "multi_zone": Word(FLAG, "it survives the loss of a zone"),
    "cross_zone": Word(FLAG, "it spreads calls over the targets of all zones"),
    "replicas": Word(NUMBER, "how many of it run"),
    "control_nodes": Word(NUMBER, "nodes that only lead the others"),
    "autoscaling": Word(FLAG, "its capacity follows its load"),
    "health_check": Word(FLAG, "who does not answer is taken out of service"),
    "sla": Word(FLAG, "its plan comes with a promise of availability"),
    "create_before_destroy": Word(FLAG, "where it must be replaced, the new one stands before the old one goes"),
    "propagates_tags": Word(FLAG, "what it starts carries its tags"),
    "legacy_template": Word(FLAG, "it is made from a kind of template that is no longer developed"),
    # upkeep
    "auto_upgrades": Word(FLAG, "minor versions and patches are put in by themselves"),
    "auto_repair": Word(FLAG, "broken nodes are replaced by themselves"),
    "engine": Word(TEXT, "what it runs, as the cloud names it"),
    "version": Word(TEXT, "of what it runs"),
    "runtime": Word(TEXT, "language and version of its code: `python3.8`, `nodejs16`, `java8`, `dotnet6`, `php8.1`"),
    "immutable_tags": Word(FLAG, "a tag of an image, once pushed, stays"),
    "signed": Word(FLAG, "only signed code or images run"),
}
"""Words of ManagedService.settings. Fields of the typed kinds that have the same name have the same meaning."""
