"""Approvals: whether a plan asks for one, who gave it, and proof of who that was.

Callers: release flow (asks), the approve commands (give), compliance report (shows). subject and decide are pure;
sshsig and oidc prove identities; flow reads and writes the store. Why it is made so: docs/adr/0010.
"""
