# What a statement of a policy lets do. Actions are compared without regard to case, as the clouds do.
package duoyun.lib.rights

import rego.v1

# Allowed on every resource, under no condition.
unconfined(grant) if {
	grant.effect == "allow"
	"*" in grant.resources
	count(grant.conditions) == 0
}

# Those of the given actions that the statement allows, by name or by a pattern that says more than `everything`.
covered(grant, actions) := {action |
	some action in actions
	some pattern in grant.actions
	is_string(pattern)
	pattern != "*"
	glob.match(lower(pattern), null, lower(action))
}

# An action, or a pattern of actions, that changes something: all but those whose verb says that it reads.
writes(action, parameters) if {
	is_string(action)
	not reads(action, parameters.reads)
	not action in parameters.harmless
}

reads(action, patterns) if {
	parts := split(action, ":")
	verb := parts[count(parts) - 1]
	some pattern in patterns
	glob.match(pattern, null, verb)
}
