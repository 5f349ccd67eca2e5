"""Audit logs of AKS clusters: a diagnostic setting that sends `kube-audit-admin` to a Log Analytics workspace.

Callers: cluster.py. The workspace is option audit_workspace_id of the account, else one of our own per cluster, which
goes with the cluster. No SDK of these types is needed: they travel as generic ARM resources.
Source: learn.microsoft.com/azure/aks/monitor-aks-reference (log categories).
"""

from __future__ import annotations

from collections.abc import Mapping

from model.errors import NotFound
from providers.azure.names import state_of
from providers.azure.session import Session
from providers.base import Call

CATEGORY = "kube-audit-admin"
_CATEGORIES = {"kube-audit", CATEGORY}
_GROUPS = {"audit", "allLogs"}
_SETTING = "duoyun-audit"
_SETTINGS_API = "2021-05-01-preview"
_WORKSPACE_API = "2023-09-01"


class AuditLogs:
    """All ids are ARM ids of clusters."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def enabled(self, cluster_id: str, call: Call) -> bool:
        """Whether any diagnostic setting of the cluster sends audit logs anywhere."""
        path = f"{cluster_id}/providers/Microsoft.Insights/diagnosticSettings"
        try:
            found = self.session.get_json("insights.settings.list", path, call, **{"api-version": _SETTINGS_API})
        except NotFound:
            return False
        logs = [
            log for setting in found.get("value") or () for log in (setting.get("properties") or {}).get("logs") or ()
        ]
        return any(
            log.get("enabled") and (log.get("category") in _CATEGORIES or log.get("categoryGroup") in _GROUPS)
            for log in logs
        )

    def enable(self, cluster_id: str, region: str, tags: Mapping[str, str], call: Call) -> None:
        """Idempotent; returns once the setting is there."""
        from azure.mgmt.resource.resources.models import GenericResource

        workspace = str(self.session.account.options.get("audit_workspace_id") or "")
        if not workspace:
            workspace = self._workspace_id(cluster_id)
            body = GenericResource(
                location=region, tags=dict(tags), properties={"sku": {"name": "PerGB2018"}, "retentionInDays": 30}
            )
            self._put("insights.workspaces.put", workspace, body, _WORKSPACE_API, call)
            self._wait(workspace, call)
        setting = GenericResource(
            properties={"workspaceId": workspace, "logs": [{"category": CATEGORY, "enabled": True}]}
        )
        self._put("insights.settings.put", self._setting_id(cluster_id), setting, _SETTINGS_API, call)

    def disable(self, cluster_id: str, call: Call) -> None:
        """Takes away our own setting; a setting outlives its cluster otherwise and comes back with the next one."""
        self._delete("insights.settings.delete", self._setting_id(cluster_id), _SETTINGS_API, call)

    def remove_workspace(self, cluster_id: str, call: Call) -> None:
        """Our own workspace of that cluster, where there is one."""
        if not self.session.account.options.get("audit_workspace_id"):
            self._delete("insights.workspaces.delete", self._workspace_id(cluster_id), _WORKSPACE_API, call)

    def _setting_id(self, cluster_id: str) -> str:
        return f"{cluster_id}/providers/Microsoft.Insights/diagnosticSettings/{_SETTING}"

    def _workspace_id(self, cluster_id: str) -> str:
        group, _, name = cluster_id.partition("/providers/")
        return f"{group}/providers/Microsoft.OperationalInsights/workspaces/{name.rsplit('/', 1)[-1]}-audit"

    def _put(self, operation: str, resource_id: str, body: object, version: str, call: Call) -> None:
        method = self.session.resources.resources.begin_create_or_update_by_id
        self.session.begin(operation, method, resource_id, body, api_version=version, call=call)

    def _delete(self, operation: str, resource_id: str, version: str, call: Call) -> None:
        method = self.session.resources.resources.begin_delete_by_id
        try:
            self.session.begin(operation, method, resource_id, api_version=version, call=call)
        except NotFound:
            return

    def _wait(self, workspace_id: str, call: Call) -> None:
        def ready() -> bool | None:
            found = self.session.get_json(
                "insights.workspaces.get", workspace_id, call, **{"api-version": _WORKSPACE_API}
            )
            state = state_of((found.get("properties") or {}).get("provisioningState"))
            return True if state == "ready" else None

        self.session.calls.poll("azure.workspace.wait_ready", ready, call)
