"""What an index holds and can answer, to and from protobuf."""

import json

from attridex.v1 import attribution_pb2 as pb
from attridex.v1.answers import IndexInfo, Method, Setting
from attridex.v1.wire_values import given


def index_to_wire(info: IndexInfo) -> pb.IndexInfo:
    """What an index holds."""
    return pb.IndexInfo(
        name=info.name,
        version=info.version,
        instances=info.instances,
        task=info.task,
        labels=info.labels,
        columns=[pb.Column(name=name, type=kind) for name, kind in info.columns.items()],
        methods=info.methods,
        curvatures=info.curvatures,
        gradient_dim=info.gradient_dim,
        layers=info.layers,
        units=info.units,
        site=info.site,
        has_model=info.has_model,
        manifest=json.dumps(info.manifest),
        method_details=map(method_to_wire, info.method_details),
        own_columns=info.own_columns,
    )


def index_from_wire(message: pb.IndexInfo) -> IndexInfo:
    """What an index holds."""
    return IndexInfo(
        name=message.name,
        version=message.version,
        instances=message.instances,
        task=message.task,
        labels=tuple(message.labels),
        columns={column.name: column.type for column in message.columns},
        methods=tuple(message.methods),
        curvatures=tuple(message.curvatures),
        gradient_dim=message.gradient_dim,
        layers=message.layers,
        units=message.units,
        site=message.site,
        has_model=message.has_model,
        manifest=json.loads(message.manifest or "{}"),
        method_details=tuple(map(method_from_wire, message.method_details)),
        own_columns=tuple(message.own_columns),
    )


def method_to_wire(method: Method) -> pb.Method:
    """A method."""
    return pb.Method(
        name=method.name,
        summary=method.summary,
        sign=method.sign,
        scale=method.scale,
        settings=map(setting_to_wire, method.settings),
        sources=method.sources,
        missing=method.missing,
        compared=method.compared,
        baseline=method.baseline,
    )


def method_from_wire(message: pb.Method) -> Method:
    """A method."""
    return Method(
        message.name,
        message.summary,
        message.sign,
        message.scale,
        tuple(map(setting_from_wire, message.settings)),
        tuple(message.sources),
        message.missing,
        message.compared,
        message.baseline,
    )


def setting_to_wire(setting: Setting) -> pb.Setting:
    """A setting of a method."""
    return pb.Setting(
        name=setting.name,
        meaning=setting.meaning,
        kind=setting.kind,
        default=setting.default,
        least=setting.least,
        most=setting.most,
        choices=setting.choices,
    )


def setting_from_wire(message: pb.Setting) -> Setting:
    """A setting of a method."""
    return Setting(
        message.name,
        message.meaning,
        message.kind,
        message.default,
        given(message, "least"),
        given(message, "most"),
        tuple(message.choices),
    )
