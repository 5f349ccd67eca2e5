# METADATA
# title: Federated trust that does not say whose
# description: >-
#   A provider such as a public CI service signs in everybody's jobs; without a condition on the
#   subject any of them may take the role on.
# custom:
#   id: DY-IAM-033
#   severity: high
#   mend: >-
#     Add a condition on the subject that names the organisation and the repository.
#   kinds: [identity]
#   parameters:
#     providers: [token.actions.githubusercontent.com]
#     claims: [':sub']
#     confined: '^[a-z_]+:[^*?/:]+([/:]|$)'
#     abusable: [' (workflow|environment|ref|context|head_ref|base_ref):']
#   reads: [trust]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_iam_033

import rego.v1

violations contains {"address": doc.address, "field": sprintf("trust[%d]", [n]), "message": message} if {
	some doc in input.documents
	some n, grant in doc.trust
	grant.effect == "allow"
	some principal in grant.principals
	is_string(principal)
	some provider in input.parameters.providers
	contains(principal, provider)
	not confined(grant, provider)
	message := sprintf("everybody who signs in with %s may take it on", [provider])
}

# A claim of the provider that names the organisation and the project without a wildcard before them.
confined(grant, provider) if {
	some claim in grant.claims
	is_string(claim)
	[operator, name, value] := split(claim, " ")
	startswith(lower(operator), "string")
	startswith(name, provider)
	some suffix in input.parameters.claims
	endswith(name, suffix)
	regex.match(input.parameters.confined, value)
	not abusable(claim)
}

confined(grant, _) if {
	some field in ["claims", "conditions"]
	some part in [grant[field], grant[field][_]]
	part["$unknown"] == true
}

abusable(claim) if {
	some pattern in input.parameters.abusable
	regex.match(pattern, claim)
}
