# METADATA
# title: FTP without TLS accepted
# description: >-
#   FTP sends the password for deployments in the clear.
# custom:
#   id: DY-TLS-010
#   severity: medium
#   mend: >-
#     Allow FTPS only, or switch FTP off.
#   kinds: [managed_service]
#   wants: {ftp_plain: false}
#   reads: [ftp_plain]
#   controls: [GB/T 22239-2019 8.1.2.2, GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_tls_010

import rego.v1

violations contains {"address": doc.address, "field": "ftp_plain", "message": "FTP without TLS is accepted"} if {
	some doc in input.documents
	doc.ftp_plain == true
}
