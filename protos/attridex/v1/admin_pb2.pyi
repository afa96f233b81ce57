from attridex.v1 import attribution_pb2 as _attribution_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReloadRequest(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: str
    def __init__(self, index: _Optional[str] = ...) -> None: ...

class ReloadResponse(_message.Message):
    __slots__ = ("index_version",)
    INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    index_version: str
    def __init__(self, index_version: _Optional[str] = ...) -> None: ...

class ListVersionsRequest(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: str
    def __init__(self, index: _Optional[str] = ...) -> None: ...

class Version(_message.Message):
    __slots__ = ("version", "current", "instances", "created")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    version: str
    current: bool
    instances: int
    created: str
    def __init__(self, version: _Optional[str] = ..., current: _Optional[bool] = ..., instances: _Optional[int] = ..., created: _Optional[str] = ...) -> None: ...

class ListVersionsResponse(_message.Message):
    __slots__ = ("versions",)
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[Version]
    def __init__(self, versions: _Optional[_Iterable[_Union[Version, _Mapping]]] = ...) -> None: ...

class ActivateRequest(_message.Message):
    __slots__ = ("index", "version")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    index: str
    version: str
    def __init__(self, index: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class ActivateResponse(_message.Message):
    __slots__ = ("index_version",)
    INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    index_version: str
    def __init__(self, index_version: _Optional[str] = ...) -> None: ...

class DeleteInstancesRequest(_message.Message):
    __slots__ = ("index", "where")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    index: str
    where: _attribution_pb2.Filter
    def __init__(self, index: _Optional[str] = ..., where: _Optional[_Union[_attribution_pb2.Filter, _Mapping]] = ...) -> None: ...

class DeleteInstancesResponse(_message.Message):
    __slots__ = ("index_version", "deleted")
    INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    index_version: str
    deleted: int
    def __init__(self, index_version: _Optional[str] = ..., deleted: _Optional[int] = ...) -> None: ...
