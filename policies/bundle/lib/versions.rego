# Versions written as numbers with dots, compared number by number.
package duoyun.lib.versions

import rego.v1

older(version, oldest) if {
	is_string(version)
	regex.match(`^[0-9]+([.][0-9]+)*$`, version)
	numbers(version) < numbers(oldest)
}

numbers(version) := [to_number(part) | some part in split(version, ".")]
