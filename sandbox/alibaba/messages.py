"""Queues and their like: Mns-open 2022-01-19, alikafka 2019-09-16, RocketMQ 2022-08-01.

Callers: sandbox/alibaba/server.py. Records only: no message is kept. Sources: CreateQueue, CreateTopic,
CreatePostPayInstance and CreateInstance of their references.
"""

from __future__ import annotations

from typing import Any

from sandbox.alibaba import things
from sandbox.alibaba.state import Ctx, region_code, tag_rows
from sandbox.alibaba.things import Thing
from sandbox.alibaba.wire import ApiError

KIND = "queue"
_OK = {"Code": 200, "Success": True, "Message": "operation success", "Status": "Success"}


def _of(ctx: Ctx, service: str) -> list[Thing]:
    return [t for t in things.living(ctx.estate, KIND, ctx.region) if t.values["service"] == service]


def _make(ctx: Ctx, service: str, thing_id: str, name: str, tags: dict[str, str], **values: Any) -> Thing:
    touched = f"ACS::{service.upper()}::Instance"
    return things.add(ctx, KIND, thing_id, name, touched=touched, tags=tags, service=service, **values)


def _mns(ctx: Ctx, what: str) -> dict[str, Any]:
    p = ctx.params
    name = p.require("QueueName" if what == "queue" else "TopicName")
    if any(t.name == name for t in _of(ctx, f"mns-{what}")):
        code = "QueueAlreadyExist" if what == "queue" else "TopicAlreadyExist"
        raise ApiError(409, code, f"The {what} you want to create already exists.")
    _make(
        ctx, f"mns-{what}", f"{ctx.region}/{what}/{name}", name, p.tags(), encrypted=p.flag("EnableSSE"),
        key=p.get("KmsKeyId"), logs=p.flag("EnableLogging"),
    )  # fmt: skip
    return {**_OK, "Data": {"Code": 200, "Success": True, "Message": "operation success"}}


def create_queue(ctx: Ctx) -> dict[str, Any]:
    return _mns(ctx, "queue")


def create_topic(ctx: Ctx) -> dict[str, Any]:
    return _mns(ctx, "topic")


def _mns_list(ctx: Ctx, what: str) -> dict[str, Any]:
    p = ctx.params
    spelled = "QueueName" if what == "queue" else "TopicName"
    rows = [
        {
            spelled: t.name,
            "EnableSSE": t.values["encrypted"],
            "KmsKeyId": t.values["key"],
            "LoggingEnabled": t.values["logs"],
            "CreateTime": int(t.created_s),
            "Tags": tag_rows(t.tags),
        }
        for t in _of(ctx, f"mns-{what}")
        if p.get(spelled) in t.name
    ]
    number, size = p.integer("PageNum", 1, low=1), p.integer("PageSize", 10, low=1, high=100)
    part = rows[(number - 1) * size : number * size]
    return {**_OK, "Data": {"PageData": part, "PageNum": number, "PageSize": size, "Total": len(rows)}}


def list_queue(ctx: Ctx) -> dict[str, Any]:
    return _mns_list(ctx, "queue")


def list_topic(ctx: Ctx) -> dict[str, Any]:
    return _mns_list(ctx, "topic")


def _mns_delete(ctx: Ctx, what: str, name: str) -> dict[str, Any]:
    for found in _of(ctx, f"mns-{what}"):
        if found.name == name:
            things.remove(ctx, found, touched="ACS::MNS::Queue")
    return {**_OK, "Data": {"Code": 200, "Success": True}}  # what is not there is deleted too


def delete_queue(ctx: Ctx) -> dict[str, Any]:
    return _mns_delete(ctx, "queue", ctx.params.require("QueueName"))


def delete_topic(ctx: Ctx) -> dict[str, Any]:
    return _mns_delete(ctx, "topic", ctx.params.require("TopicName"))


# -- Kafka ---------------------------------------------------------------------------------------------------------


def create_kafka(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    deploy = p.integer("DeployType", 5, low=4, high=5)
    made = _make(
        ctx, "alikafka", ctx.cloud.new_id(f"alikafka_post-{region_code(ctx.region)}", 12), "", p.tags(),
        deploy=deploy, key="", started=False,
    )  # fmt: skip
    return {**_plain(), "Data": {"InstanceId": made.id, "OrderId": 1}}


def _plain() -> dict[str, Any]:
    return {"Code": 200, "Success": True, "Message": "operation success"}


def _kafka(ctx: Ctx) -> Thing:
    wanted = ctx.params.require("InstanceId")
    found = next((t for t in _of(ctx, "alikafka") if t.id == wanted), None)
    if found is None:
        raise ApiError(404, "BIZ_INSTANCE_NOT_FOUND", "The instance does not exist.")
    return found


def start_kafka(ctx: Ctx) -> dict[str, Any]:
    found = _kafka(ctx)
    found.name = ctx.params.get("Name")
    found.values.update(started=True, key=ctx.params.get("KMSKeyId"))
    ctx.touched.append(("ACS::AliKafka::Instance", found.id))
    return _plain()


def list_kafka(ctx: Ctx) -> dict[str, Any]:
    rows = [
        {
            "InstanceId": t.id,
            "Name": t.name or t.id,
            "RegionId": t.region,
            "DeployType": t.values["deploy"],
            "ServiceStatus": 5 if t.values["started"] else 0,
            "KmsKeyId": t.values["key"],
            "CreateTime": int(t.created_s * 1000),
            "Tags": {"TagVO": tag_rows(t.tags, "Key", "Value")},
        }
        for t in _of(ctx, "alikafka")
    ]
    return {**_plain(), "InstanceList": {"InstanceVO": rows}}


def delete_kafka(ctx: Ctx) -> dict[str, Any]:
    things.remove(ctx, _kafka(ctx), touched="ACS::AliKafka::Instance")
    return _plain()


# -- RocketMQ (its own REST style) ---------------------------------------------------------------------------------


def create_rocketmq(ctx: Ctx) -> dict[str, Any]:
    body = ctx.body
    for name in ("serviceCode", "seriesCode", "subSeriesCode", "paymentType"):
        if not body.get(name):
            raise ApiError(400, f"MissingParameter.{name}", f"{name} is mandatory for this action.")
    tags = {str(t["key"]): str(t.get("value", "")) for t in body.get("tags") or ()}
    made = _make(
        ctx, "rocketmq", ctx.cloud.new_id("rmq-cn-", 11), str(body.get("instanceName", "")), tags,
        series=str(body["seriesCode"]), sub=str(body["subSeriesCode"]),
    )  # fmt: skip
    return {"success": True, "data": made.id, "httpStatusCode": 200}


def list_rocketmq(ctx: Ctx) -> dict[str, Any]:
    number, size = ctx.params.integer("pageNumber", 1, low=1), ctx.params.integer("pageSize", 10, low=1, high=200)
    rows = [
        {
            "instanceId": t.id,
            "instanceName": t.name,
            "regionId": t.region,
            "status": "RUNNING",
            "seriesCode": t.values["series"],
            "subSeriesCode": t.values["sub"],
            "serviceCode": "rmq",
            "tags": [{"key": k, "value": v} for k, v in t.tags.items()],
        }
        for t in _of(ctx, "rocketmq")
    ]
    part = rows[(number - 1) * size : number * size]
    data = {"list": part, "pageNumber": number, "pageSize": size, "totalCount": len(rows)}
    return {"success": True, "data": data, "httpStatusCode": 200}


def delete_rocketmq(ctx: Ctx) -> dict[str, Any]:
    found = next((t for t in _of(ctx, "rocketmq") if t.id == ctx.path["instanceId"]), None)
    if found is None:
        raise ApiError(404, "Instance.NotFound", "The instance cannot be found.")
    things.remove(ctx, found, touched="ACS::RocketMQ::Instance")
    return {"success": True, "data": True, "httpStatusCode": 200}
