"""The control loops of a cluster: each looks at what is, compares it with what is wanted, and takes one step."""
