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
    __slots__ = ("version", "current", "instances", "created", "deleted", "added", "read")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    ADDED_FIELD_NUMBER: _ClassVar[int]
    READ_FIELD_NUMBER: _ClassVar[int]
    version: str
    current: bool
    instances: int
    created: str
    deleted: int
    added: _containers.RepeatedScalarFieldContainer[str]
    read: bool
    def __init__(self, version: _Optional[str] = ..., current: _Optional[bool] = ..., instances: _Optional[int] = ..., created: _Optional[str] = ..., deleted: _Optional[int] = ..., added: _Optional[_Iterable[str]] = ..., read: _Optional[bool] = ...) -> None: ...

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
    __slots__ = ("index", "where", "ids")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    index: str
    where: _attribution_pb2.Filter
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, index: _Optional[str] = ..., where: _Optional[_Union[_attribution_pb2.Filter, _Mapping]] = ..., ids: _Optional[_Iterable[str]] = ...) -> None: ...

class DeleteInstancesResponse(_message.Message):
    __slots__ = ("index_version", "deleted")
    INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    index_version: str
    deleted: int
    def __init__(self, index_version: _Optional[str] = ..., deleted: _Optional[int] = ...) -> None: ...

class UndeleteInstancesRequest(_message.Message):
    __slots__ = ("index", "ids")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    index: str
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, index: _Optional[str] = ..., ids: _Optional[_Iterable[str]] = ...) -> None: ...

class UndeleteInstancesResponse(_message.Message):
    __slots__ = ("index_version", "undeleted")
    INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    UNDELETED_FIELD_NUMBER: _ClassVar[int]
    index_version: str
    undeleted: int
    def __init__(self, index_version: _Optional[str] = ..., undeleted: _Optional[int] = ...) -> None: ...

class CompactRequest(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: str
    def __init__(self, index: _Optional[str] = ...) -> None: ...

class CompactResponse(_message.Message):
    __slots__ = ("index_version", "removed", "held")
    INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    index_version: str
    removed: int
    held: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, index_version: _Optional[str] = ..., removed: _Optional[int] = ..., held: _Optional[_Iterable[str]] = ...) -> None: ...

class PruneRequest(_message.Message):
    __slots__ = ("index", "keep")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELD_NUMBER: _ClassVar[int]
    index: str
    keep: int
    def __init__(self, index: _Optional[str] = ..., keep: _Optional[int] = ...) -> None: ...

class PruneResponse(_message.Message):
    __slots__ = ("removed", "held")
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    removed: _containers.RepeatedScalarFieldContainer[str]
    held: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, removed: _Optional[_Iterable[str]] = ..., held: _Optional[_Iterable[str]] = ...) -> None: ...

class VerifyRequest(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: str
    def __init__(self, index: _Optional[str] = ...) -> None: ...

class VerifyResponse(_message.Message):
    __slots__ = ("files", "problems", "damaged")
    FILES_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    DAMAGED_FIELD_NUMBER: _ClassVar[int]
    files: int
    problems: _containers.RepeatedScalarFieldContainer[str]
    damaged: int
    def __init__(self, files: _Optional[int] = ..., problems: _Optional[_Iterable[str]] = ..., damaged: _Optional[int] = ...) -> None: ...

class RepairRequest(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: str
    def __init__(self, index: _Optional[str] = ...) -> None: ...

class RepairResponse(_message.Message):
    __slots__ = ("index_version", "mended")
    INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    MENDED_FIELD_NUMBER: _ClassVar[int]
    index_version: str
    mended: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, index_version: _Optional[str] = ..., mended: _Optional[_Iterable[str]] = ...) -> None: ...

class MigrateRequest(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: str
    def __init__(self, index: _Optional[str] = ...) -> None: ...

class MigrateResponse(_message.Message):
    __slots__ = ("index_version", "format")
    INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    index_version: str
    format: int
    def __init__(self, index_version: _Optional[str] = ..., format: _Optional[int] = ...) -> None: ...
