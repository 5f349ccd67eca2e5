"""What is wrong in a document is told with its place and the mend; all of it at once; consequences are not told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Mistakes = Callable[..., list[str]]
IMAGE = "      image: registry.example.com/shop/api:1.0.0\n"


def test_the_small_documents_hold(mistakes: Mistakes) -> None:
    assert mistakes() == []


FIELDS = [
    ("replicas: 2", "replicas: two", "app.yaml:8:17: web: `replicas` must be a whole number, not `two`"),
    ("replicas: 2", "replicas: 0", "`replicas` must be at least 1, not the number `0`"),
    ("replicas: 2", "replicsa: 2", "unknown key `replicsa` (did you mean `replicas`?)"),
    ("cpu: 100m", "cpu: 0.5m", "is not a whole number of millicores"),
    ("cpu: 100m", "cpu: [1]", "is no cpu quantity"),
    ("memory: 64Mi}", "memory: 64MB}", "is no memory quantity"),
    ("memory: 64Mi}", "}", "web: `resources` has no `memory` (add `memory:`)"),
    ("data_class: public", "data_class: Public", "did you mean `public`?"),
    ("data_class: public", "", "web: entry 1 of `services` has no `data_class`"),
    ("[{name: http, port: 8080}]", "{name: http, port: 8080}", "`ports` must be a list, not a mapping"),
    ("port: 8080}]", "port: 80800}]", "`port` must be at most 65535"),
    ("name: web", "name: Web", "`name` must be a name of lower-case letters"),
    ("kind: Application", "kind: Aplication", "unknown kind `Aplication` (did you mean `Application`?)"),
    ("apiVersion: duoyun.dev/v1", "apiVersion: duoyun.dev/v2", "must be one of duoyun.dev/v1"),
    ("apiVersion: duoyun.dev/v1\n", "", "the document has no `apiVersion`"),
    ("metadata: {name: shop}", "metadata:", "`metadata` must be a mapping, not empty"),
    ("image: registry.example.com/shop/web:1.0.0", "image: ''", "`image` is empty or too short"),
    ("image: registry.example.com/shop/web:1.0.0", "image: Shop/Web", "no image reference"),
    ("zones: [SG]", "zones: SG", "`zones` must be a list, not `SG`"),
    ("zones: [SG]", "zones: []", "web names no zone"),
    ("zones: [SG]", "zones: [Sg]", "`Sg` is no country (did you mean `SG`?)"),
    ("zones: [SG]", "zones: [any, SG]", "`any` beside countries says two things"),
    ("replicas: 2", "rollout: {max_surge: 30 %}", "is neither a count nor a percentage"),
    ("replicas: 2", "rollout: {max_surge: 0}", "nothing can ever be replaced"),
    ("replicas: 2", "rollout: {min_ready: 10m}", "no rollout can end in time"),
    ("replicas: 2", "env: {A: 1}", "`A` must be text (put it in quotes)"),
    ("replicas: 2", "env: {1A: x}", "no name of an environment variable"),
    ("replicas: 2", "runtime: vm\n      architectures: [arm64]", "VM services run on amd64 machines yet"),
    ("replicas: 2", "runtime: vm\n      placement: {max_spot_share: 50%}", "runs on VMs, which are on demand"),
    ("replicas: 2", "placement: {max_spot_share: 150%}", "max_spot_share"),
    ("replicas: 2", "p99_ms: true", "`p99_ms` must be a number, not `true`"),
    ("replicas: 2", "probes: {readiness: {port: admin}}", "asks port `admin`, which the service does not list"),
    ("replicas: 2", "probes: {liveness: {port: 81}}", "asks port `81`"),
    ("replicas: 2", "probes: {liveness: {path: healthz}}", "must be a path that begins with a slash"),
    ("replicas: 2", "placement: {spread: {over: zone, min_domains: 3}}", "takes 3 (set `replicas` to at least 3"),
    ("replicas: 2", "placement: {spread: {over: rack}}", "must be one of zone, region, cloud"),
    ("replicas: 2", "placement: {sites: [aws/ap-southeast-1c]}", "matches no site of the fleet (did you mean `aws/ap-"),
    ("replicas: 2", "placement: {sites: [azure/*]}", "matches no site"),
    ("replicas: 2", "placement: {pin: {aws/ap-southeast-1c: 1}}", "is no site of the fleet (did you mean `aws/ap-sou"),
    ("replicas: 2", "placement: {pin: {aws/ap-southeast-1a: 3}}", "has 1 replica(s), and 3 are pinned"),
    ("replicas: 2", "placement: {pin: {'aws/*': 1}}", "must be a site: partition/zone"),
    ("replicas: 2", "placement: {pin: {aws/ap-southeast-1a: 0}}", "must be at least 1"),
    (
        "replicas: 2",
        "placement: {pin: {aws/ap-southeast-1a: 1}, avoid_sites: ['*1a']}",
        "is pinned to aws/ap-southeast-1a, and `avoid_sites` keeps it out",
    ),
    (
        "replicas: 2",
        "placement: {pin: {aws/ap-southeast-1a: 1}, sites: ['*1b']}",
        "is pinned to aws/ap-southeast-1a, which its `sites` leave out",
    ),
    (
        "replicas: 2",
        "replicas: 4\n      placement: {pin: {aws/ap-southeast-1a: 3}, max_per: {region: 2}}",
        "3 replicas are pinned to aws/ap-southeast-1a, where at most 2 may be",
    ),
    (
        "replicas: 2",
        "replicas: 4\n      placement: {pin: {aws/ap-southeast-1a: 3}, survive: {zone: 50%}}",
        "3 replicas are pinned to aws/ap-southeast-1a, where at most 2 may be",
    ),
    ("replicas: 2", "placement: {prefer: [{sites: [azure/*], weight_per_hour: 1}]}", "matches no site of the fleet"),
    ("replicas: 2", "placement: {prefer: [{sites: [aws/*]}]}", "has no `weight_per_hour`"),
    ("replicas: 2", "placement: {prefer: [{sites: [aws/*], weight_per_hour: .nan}]}", "`.nan` is no finite number"),
    ("replicas: 2", "placement: {prefer: [{sites: [aws/*], weight_per_hour: -1}]}", "must be more than 0"),
    ("replicas: 2", "placement: {survive: {planet: 50%}}", "must be one of zone, region, cloud"),
    ("replicas: 2", "placement: {survive: {zone: 150%}}", "is no share of a whole"),
    ("replicas: 2", "placement: {survive: {zone: -0.5}}", "is no share of a whole"),
    ("replicas: 2", "replicas: 2\n      placement: {survive: {zone: 70%}}", "70% of 2 replica(s) is 2, so no zone may"),
    ("replicas: 2", "placement: {max_per: {rack: 1}}", "must be one of node, zone, region, cloud"),
    ("replicas: 2", "placement: {max_per: {node: 0}}", "must be at least 1"),
    ("replicas: 2", "placement: {max_node_share: 0}", "must be more than 0"),
    ("replicas: 2", "placement: {max_node_share: true}", "`max_node_share` "),
    ("replicas: 2", "placement: {apart: [{service: apo}]}", "`apo`, which is no service (did you mean `api`?)"),
    ("replicas: 2", "placement: {apart: [{service: web}]}", "cannot keep apart from itself (`max_per: {zone: 1}`"),
    ("replicas: 2", "placement: {apart: [{service: api}, {service: api}]}", "keeps apart from api twice"),
    (
        "[{name: api}, {name: db}]",
        "[{name: api, within: zone}, {name: db}]\n      placement: {apart: [{service: api, over: region}]}",
        "web keeps from the region of api, and calls it within its zone (keep one of the two)",
    ),
    ("replicas: 2", "placement: {apart: [{service: api, over: node}]}", "must be one of zone, region, cloud"),
    ("[{name: api}, {name: db}]", "[{name: api}, {name: db, within: zone}]", "the region is known, and not the zone"),
    ("replicas: 2", "placement: {users: [{population: moon, max_rtt_ms: 9}]}", "the fleet has no population `moon`"),
    ("replicas: 2", "placement: {users: [{population: moon, max_rtt_ms: .inf}]}", "`.inf` is no finite number"),
    ("replicas: 2", "priority: -1", "`priority` must be at least 0"),
    ("replicas: 2", "replicas: 10000000", "`replicas` must be at most 100000"),
    ("port: 8080}]", "port: 8080}, {name: http, port: 81}]", "two ports named `http`"),
    ("port: 8080}]", "port: 8080}, {name: b, port: 8080}]", "lists port 8080/tcp twice"),
    ("cpu: 100m,", "cpu: 100m, cpu_limit: 50m,", "cpu_limit 50m is below its request 100m"),
    ("replicas: 2", "runtime: vm\n      manifests: [a.yaml]", "machines of its own"),
    ("{name: api}", "{name: apo}", "web depends on `apo`, which is neither service nor external (did you mean `api`?)"),
    ("{name: api}", "{name: web}", "web depends on itself"),
    ("{name: api}", "{name: db}", "depends on `db` twice"),
    ("  externals:", "  externals:\n    - {name: api, sites: [internet]}", "a service named `api` is already there"),
    ('sites: ["aws/*"]', "sites: []", "db is nowhere"),
    ('sites: ["aws/*"]', 'sites: ["awz/*"]', "matches no site of the fleet"),
    ("db.example.com:3306", "db.example.com", "is no endpoint"),
    ("db.example.com:3306", "db.example.com:99999", "is no endpoint"),
    ('sites: ["aws/*"]', "sites: [internet], requires_egress_ip: true", "lets only fixed addresses in"),
]


@pytest.mark.parametrize(("old", "new", "told"), FIELDS)
def test_one_mistake_in_the_application(mistakes: Mistakes, app_text: str, old: str, new: str, told: str) -> None:
    assert old in app_text
    found = mistakes(app=app_text.replace(old, new, 1))
    relevant = [line for line in found if told in line]
    assert relevant, found
    assert len(found) == len(relevant), found
    assert relevant[0].startswith("app.yaml:")


FLEETS = [
    ("partition: aws", "partition: awss", "must be one of aws, aws-cn"),
    ("partition: aws", "partition: azure", "ap-southeast-1 is no region of azure"),
    ("region: ap-southeast-1", "region: ap-southeast-7", "unknown region `ap-southeast-7` of aws (did you mean"),
    ("country: SG", "country: CN", "ap-southeast-1 lies in SG, not in CN"),
    ("country: SG", "country: sg", "a country's two capital letters"),
    ("- account: main", "- account: mane", "no account is named `mane` (did you mean `main`?)"),
    ("zone: ap-southeast-1b", "zone: ap-southeast-1a", "the site aws/ap-southeast-1a is already there"),
    ("region: ap-northeast-1", "region: ap-southeast-1", "listed a second time"),
    ("10.1.16.0/20", "10.1.0.0/20", "overlaps 10.1.0.0/20 of zone ap-southeast-1a"),
    ("10.1.16.0/20", "10.9.16.0/20", "lies outside the network 10.1.0.0/16"),
    ("10.1.16.0/20", "10.1.16.1/20", "is no address range (did you mean `10.1.16.0/20`?)"),
    (", subnet_cidr: 10.1.16.0/20", "", "has no subnet_cidr"),
    ("cidr: 10.1.0.0/16", "cidr: 10.1.0.0", "lies outside the network 10.1.0.0/32"),
    ("cidr: 10.2.0.0/16", "cidr: 10.0.0.0/8", "10.0.0.0/8 overlaps 10.1.0.0/16 of aws/ap-southeast-1"),
    ("cidr: 10.2.0.0/16", "cidr: 2001:db8::/32", "networks here are IPv4"),
    ("gateway: {address: 10.2.255.10}", "", "leads to aws/ap-northeast-1, which has no gateway"),
    ("[aws/ap-southeast-1, aws/ap-northeast-1]", "[aws/ap-southeast-1, aws/ap-northeast-2]", "no region of this fleet"),
    ("[aws/ap-southeast-1, aws/ap-northeast-1]", "[aws/ap-southeast-1, aws/ap-southeast-1]", "to itself"),
    ("rtt_ms: 70}", "rtt_ms: 70}\n    - {between: [aws/ap-northeast-1, aws/ap-southeast-1]}", "is there twice"),
    (
        "cluster: {ownership: own}",
        "cluster: {version: 1.3}",
        "`version` must be text, not the number `1.3` (put it in quotes)",
    ),
    ("cluster: {ownership: own}", "cluster: {public_access_cidrs: [10.0.0.1/8]}", "did you mean `10.0.0.0/8`?"),
    ("cluster: {ownership: own}", "egress_ips: [10.0.0]", "is no IP address"),
    (
        "cluster: {ownership: own}",
        "firewalls: [{name: a, rules: [{ports: 22-, cidr: 10.0.0.0/8}]}]",
        "is no port or range",
    ),
    (
        "cluster: {ownership: own}",
        "firewalls: [{name: a, rules: [{ports: 9-1, cidr: 10.0.0.0/8}]}]",
        "no range of ports",
    ),
    ("cluster: {ownership: own}", "firewalls: [{name: a}, {name: a}]", "a firewall named `a` is already"),
    (
        "cluster: {ownership: own}",
        'firewalls: [{name: a, rules: [{protocol: icmp, ports: "1", cidr: 0.0.0.0/0}]}]',
        "protocol icmp has no ports",
    ),
    ("endpoint: sandbox", "endpoint: http://cloud.example.com", "in the clear"),
    ("endpoint: sandbox", "endpoint: cloud", "no http or https URL"),
    ("endpoint: sandbox", "proxy_url: 'http://u:s3cret@proxy:3128'", "a password stands in this URL"),
    ("endpoint: sandbox", "credential: {profile: a, env_prefix: B}", "profile and env_prefix"),
    ("endpoint: sandbox", "credential: {}", "no way to find the credential"),
    (
        'account_id: "111111111111"',
        "account_id: 111111111111",
        "must be text, not the number `111111111111` (put it in",
    ),
    ("  links:", "  budget: {max_per_hour: 5, currency: CNY}\n  links:", "add CNY to `exchange_rates`"),
    ("  links:", "  exchange_rates: {CNY: 0}\n  links:", "is not above zero"),
    ("  links:", "  exchange_rates: {CNY: .nan}\n  links:", "`.nan` is no finite number"),
    ("  links:", "  budget: {max_per_hour: -5}\n  links:", "must be more than 0"),
    (
        "  links:",
        "  budget: {max_per_hour: 5, warn_per_hour: 6}\n  links:",
        "the budget fails already (write less than 5)",
    ),
    ("  links:", "  capacity: {node_headroom: 100%}\n  links:", "`node_headroom` must be less than 1"),
    ("  links:", "  capacity: {max_moves: -1}\n  links:", "`max_moves` must be at least 0"),
    ("  links:", "  capacity: {team_quotas: [{team: a}]}\n  links:", "the quota of a limits nothing"),
    ("  links:", "  capacity: {team_quotas: [{team: a, cpu: 1}, {team: a, cpu: 2}]}\n  links:", "is already there"),
    (
        "  links:",
        "  capacity: {team_quotas: [{team: a, cpu: 1, region: aws/ap-southeast-2}]}\n  links:",
        "`aws/ap-southeast-2` is no region of this fleet (did you mean `aws/ap-southeast-1`?)",
    ),
    ("  links:", "  populations: [{name: a, rtt_ms: {}}]\n  links:", "`rtt_ms` is empty"),
    (
        "  links:",
        "  populations: [{name: a, rtt_ms: {aws/moon: 1}}]\n  links:",
        "`aws/moon` is no region of this fleet",
    ),
    (
        "  links:",
        "  populations: [{name: a, rtt_ms: {aws/ap-southeast-1: 1}}, "
        "{name: a, rtt_ms: {aws/ap-northeast-1: 1}}]\n  links:",
        "a population named `a` is already there",
    ),
    ("1b, subnet", "1b, reserved: [{instance_type: m, count: 0}], subnet", "`count` must be at least 1"),
    (
        "1b, subnet",
        "1b, reserved: [{instance_type: m, count: 1}, {instance_type: m, count: 2}], subnet",
        "reserved m in ap-southeast-1b is already there",
    ),
    (
        "1b, subnet",
        "1b, existing_nodes: [{name: n, cpu: 1, memory: 1Gi}, {name: n, cpu: 1, memory: 1Gi}], subnet",
        "the node n of ap-southeast-1b is already there",
    ),
    (
        "ap-northeast-1a, subnet",
        "ap-northeast-1a, existing_nodes: [{name: n, cpu: 1, memory: 1Gi}], subnet",
        "ap-northeast-1 has no cluster that these nodes could belong to",
    ),
    ("  links:", "  approvers: [{name: alice}]\n  links:", "alice has no way to prove who it is"),
    ("  links:", "  approvers: [{name: a, ssh_keys: [ssh-ed25519]}]\n  links:", "is no public key"),
    ("  links:", "  approvers: [{name: a, ssh_keys: [t k]}, {name: b, ssh_keys: [t k x]}]\n  links:", "is a's key too"),
    (
        "  links:",
        "  approvals: {count: 2}\n  approvers: [{name: a, ssh_keys: [t k]}]\n  links:",
        "2 must approve, and 1",
    ),
    ("  links:", "  approvals: {always: true}\n  links:", "asks for approvals that nobody may give"),
    ("  links:", "  currency: dollars\n  links:", "is no currency"),
    ("  links:", "  state: {url: mysql://h/d}\n  links:", "no database that we know"),
    ("  links:", "  state: {url: 'postgresql://u:s3cret@h/d'}\n  links:", "a password stands in this URL"),
]


@pytest.mark.parametrize(("old", "new", "told"), FLEETS)
def test_one_mistake_in_the_fleet(mistakes: Mistakes, fleet_text: str, old: str, new: str, told: str) -> None:
    assert old in fleet_text
    found = mistakes(fleet=fleet_text.replace(old, new, 1))
    relevant = [line for line in found if told in line]
    assert relevant, found
    assert relevant[0].startswith("fleet.yaml:")
    assert "s3cret" not in "\n".join(found)


def test_secrets_in_wrong_places_are_not_repeated(mistakes: Mistakes, app_text: str, fleet_text: str) -> None:
    app = app_text.replace("replicas: 2", "env: {TOKEN: [s3cret]}", 1)
    fleet = fleet_text.replace("endpoint: sandbox", "credential: {profile: {a: s3cret}, env_prefix: [s3cret]}", 1)
    found = mistakes(app=app, fleet=fleet)
    assert len(found) == 3
    assert "s3cret" not in "\n".join(found)


def test_circles_are_printed(mistakes: Mistakes, app_text: str) -> None:
    circle = app_text.replace(IMAGE, IMAGE + "      depends_on: [{name: web}]\n")
    found = mistakes(app=circle)
    assert len(found) == 1
    assert "services wait for one another in a circle: api -> web -> api" in found[0]
    assert mistakes(app=circle.replace("[{name: web}]", "[{name: web, required: false}]")) == []


def test_mistakes_of_all_files_come_at_once_in_order(mistakes: Mistakes, app_text: str, fleet_text: str) -> None:
    app = app_text.replace("replicas: 2", "replicas: x").replace("zones: [any]", "zones: [Any, XX]")
    fleet = fleet_text.replace("country: JP", "country: Japan").replace("10.1.16.0/20", "oops")
    found = mistakes(app=app, fleet=fleet)
    places = [line.split(": ")[0] for line in found]
    assert places == ["app.yaml:8:17", "app.yaml:19:15", "app.yaml:19:20", "fleet.yaml:13:48", "fleet.yaml:19:16"]


def test_what_follows_from_a_wrong_entry_is_not_told(mistakes: Mistakes, app_text: str, fleet_text: str) -> None:
    """api is wrong itself: that web depends on it is no second mistake; nor are sites of a wrong region."""
    app = app_text.replace("data_class: internal", "data_class: intern")
    fleet = fleet_text.replace("country: SG", "country: Singapore")
    app = app.replace("replicas: 2", "placement: {sites: [aws/ap-southeast-1a]}", 1)
    found = mistakes(app=app, fleet=fleet)
    assert len(found) == 2, found
    assert "`data_class`" in found[0]
    assert "`country`" in found[1]


def test_an_unnamed_wrong_service_hides_unresolved_names(mistakes: Mistakes, app_text: str) -> None:
    found = mistakes(app=app_text.replace("- name: api\n      image", "- nam: api\n      image"))
    assert all("depends on" not in line for line in found), found


def test_missing_documents(mistakes: Mistakes) -> None:
    assert mistakes(app="# nothing\n")[0].startswith("app.yaml:1:1: the file is empty")
    found = mistakes(app="apiVersion: duoyun.dev/v1\nkind: Assumptions\nmetadata: {name: a}\n")
    assert found == [
        "no document of kind Application in app.yaml, fleet.yaml (add one that begins with `kind: Application`)"
    ]
    assert "begin with `apiVersion:`" in mistakes(app="- 1\n")[0]


def test_both_documents_may_share_a_file(mistakes: Mistakes, app_text: str, fleet_text: str) -> None:
    assert mistakes(app=app_text + "---\n" + fleet_text, fleet="# see app.yaml\n")[0].startswith("fleet.yaml:1:1")
    found = mistakes(app=app_text + "---\n" + fleet_text)
    assert found == ["fleet.yaml:2:7: a second Fleet (the first: app.yaml:24:7) (remove one)"]


def test_many_mistakes_are_cut(mistakes: Mistakes, app_text: str) -> None:
    service = app_text.split("services:\n")[1].partition("    - name: api")[0]
    many = "".join(
        service.replace("name: web", f"name: w{i}").replace("replicas: 2", "replicas: x") for i in range(300)
    )
    found = mistakes(app=app_text.replace(service, service + many))
    assert len(found) == 201
    assert found[-1] == "and 100 more (mend these first)"
