# METADATA
# title: Engine version that gets no fixes
# description: >-
#   An engine that is no longer maintained keeps its known weaknesses.
# custom:
#   id: DY-UPK-005
#   severity: medium
#   mend: >-
#     Upgrade to a version that is maintained.
#   kinds: [database, cache, managed_service]
#   apart: true
#   parameters:
#     oldest: {postgres: '14', postgresql: '14', mysql: '8.0', mariadb: '10.6', redis: '6.2', elasticsearch: '7.10', opensearch: '1.3', mongodb: '6.0'}
#   reads: [engine, version]
#   controls: [GB/T 22239-2019 8.1.4.4]
package duoyun.rules.dy_upk_005

import data.duoyun.lib.versions
import rego.v1

violations contains {"address": doc.address, "field": "version", "message": message} if {
	some doc in input.documents
	oldest := input.parameters.oldest[doc.engine]
	versions.older(doc.version, oldest)
	message := sprintf("%s %s is older than %s", [doc.engine, doc.version, oldest])
}
