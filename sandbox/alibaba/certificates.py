"""cas 2020-04-07: uploaded certificates. Callers: sandbox/alibaba/server.py. They belong to the account.

Sources: UploadUserCertificate, ListUserCertificateOrder of the certificate service's reference. Not here: bought ones.
"""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from sandbox.alibaba import things
from sandbox.alibaba.state import Ctx
from sandbox.alibaba.wire import ApiError

KIND, TRAIL = "certificate", "ACS::YundunCert::Certificate"


def upload(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    name, text = p.require("Name"), p.require("Cert")
    p.require("Key")
    try:
        found = x509.load_pem_x509_certificate(text.encode())
    except ValueError as exc:
        raise ApiError(400, "CertificateFormatError", "The certificate is not in PEM format.") from exc
    if any(t.name == name for t in things.living(ctx.estate, KIND)):
        raise ApiError(400, "NameRepeat", "The certificate name already exists.")
    try:
        sans = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [str(n) for n in sans.get_values_for_type(x509.DNSName)]
    except x509.ExtensionNotFound:
        names = []
    common = found.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    made = things.add(
        ctx, KIND, ctx.cloud.new_id("1", 7, "0123456789"), name, touched=TRAIL, everywhere=True,
        tags={t["Key"]: t.get("Value", "") for t in p.structs("Tags") if t.get("Key")},
        common=str(common[0].value) if common else "", names=names,
        since_s=found.not_valid_before_utc.timestamp(), until_s=found.not_valid_after_utc.timestamp(),
        algorithm="EC" if isinstance(found.public_key(), EllipticCurvePublicKey) else "RSA",
    )  # fmt: skip
    return {"CertId": int(made.id), "ResourceId": f"cas-upload-{made.id}"}


def list_orders(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    found = things.living(ctx.estate, KIND) if p.get("OrderType", "CPACK") == "UPLOAD" else []
    number, size = p.integer("CurrentPage", 1, low=1), p.integer("ShowSize", 50, low=1, high=100)
    part = found[(number - 1) * size : number * size]
    rows = [
        {
            "CertificateId": int(t.id),
            "Name": t.name,
            "CommonName": t.values["common"],
            "Sans": ",".join(t.values["names"]),
            "Algorithm": t.values["algorithm"],
            "CertStartTime": int(t.values["since_s"] * 1000),
            "CertEndTime": int(t.values["until_s"] * 1000),
            "Upload": True,
            "Expired": False,
        }
        for t in part
    ]
    return {"CertificateOrderList": rows, "CurrentPage": number, "ShowSize": size, "TotalCount": len(found)}


def delete(ctx: Ctx) -> dict[str, Any]:
    found = things.find(
        ctx, KIND, ctx.params.require("CertId"), lambda: ApiError(404, "NotFound", "The certificate does not exist."),
        everywhere=True,
    )  # fmt: skip
    things.remove(ctx, found, touched=TRAIL)
    return {}
