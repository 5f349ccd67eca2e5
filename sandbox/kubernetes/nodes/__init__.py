"""What runs on a node: pods as containers, the probes of their kubelet, and the way to them."""
