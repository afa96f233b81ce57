from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Dtype(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DTYPE_UNSPECIFIED: _ClassVar[Dtype]
    DTYPE_FLOAT16: _ClassVar[Dtype]
    DTYPE_FLOAT32: _ClassVar[Dtype]
    DTYPE_FLOAT64: _ClassVar[Dtype]

class LabelSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LABEL_SOURCE_UNSPECIFIED: _ClassVar[LabelSource]
    LABEL_SOURCE_GOLD: _ClassVar[LabelSource]
    LABEL_SOURCE_PREDICTED: _ClassVar[LabelSource]

class Operator(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OPERATOR_UNSPECIFIED: _ClassVar[Operator]
    OPERATOR_EQUAL: _ClassVar[Operator]
    OPERATOR_NOT_EQUAL: _ClassVar[Operator]
    OPERATOR_LESS: _ClassVar[Operator]
    OPERATOR_LESS_EQUAL: _ClassVar[Operator]
    OPERATOR_GREATER: _ClassVar[Operator]
    OPERATOR_GREATER_EQUAL: _ClassVar[Operator]

class InterventionMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INTERVENTION_MODE_UNSPECIFIED: _ClassVar[InterventionMode]
    INTERVENTION_MODE_SUPPRESS: _ClassVar[InterventionMode]
    INTERVENTION_MODE_KEEP: _ClassVar[InterventionMode]
DTYPE_UNSPECIFIED: Dtype
DTYPE_FLOAT16: Dtype
DTYPE_FLOAT32: Dtype
DTYPE_FLOAT64: Dtype
LABEL_SOURCE_UNSPECIFIED: LabelSource
LABEL_SOURCE_GOLD: LabelSource
LABEL_SOURCE_PREDICTED: LabelSource
OPERATOR_UNSPECIFIED: Operator
OPERATOR_EQUAL: Operator
OPERATOR_NOT_EQUAL: Operator
OPERATOR_LESS: Operator
OPERATOR_LESS_EQUAL: Operator
OPERATOR_GREATER: Operator
OPERATOR_GREATER_EQUAL: Operator
INTERVENTION_MODE_UNSPECIFIED: InterventionMode
INTERVENTION_MODE_SUPPRESS: InterventionMode
INTERVENTION_MODE_KEEP: InterventionMode

class Vector(_message.Message):
    __slots__ = ("data", "dtype")
    DATA_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    dtype: Dtype
    def __init__(self, data: _Optional[bytes] = ..., dtype: _Optional[_Union[Dtype, str]] = ...) -> None: ...

class Neuron(_message.Message):
    __slots__ = ("layer", "unit", "expert")
    LAYER_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    EXPERT_FIELD_NUMBER: _ClassVar[int]
    layer: int
    unit: int
    expert: int
    def __init__(self, layer: _Optional[int] = ..., unit: _Optional[int] = ..., expert: _Optional[int] = ...) -> None: ...

class NeuronSet(_message.Message):
    __slots__ = ("neurons",)
    NEURONS_FIELD_NUMBER: _ClassVar[int]
    neurons: _containers.RepeatedCompositeFieldContainer[Neuron]
    def __init__(self, neurons: _Optional[_Iterable[_Union[Neuron, _Mapping]]] = ...) -> None: ...

class Query(_message.Message):
    __slots__ = ("id", "record", "instance_id", "vector", "neurons", "record_json", "output", "max_new_tokens")
    ID_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    NEURONS_FIELD_NUMBER: _ClassVar[int]
    RECORD_JSON_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    MAX_NEW_TOKENS_FIELD_NUMBER: _ClassVar[int]
    id: str
    record: _struct_pb2.Struct
    instance_id: str
    vector: Vector
    neurons: NeuronSet
    record_json: str
    output: str
    max_new_tokens: int
    def __init__(self, id: _Optional[str] = ..., record: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., instance_id: _Optional[str] = ..., vector: _Optional[_Union[Vector, _Mapping]] = ..., neurons: _Optional[_Union[NeuronSet, _Mapping]] = ..., record_json: _Optional[str] = ..., output: _Optional[str] = ..., max_new_tokens: _Optional[int] = ...) -> None: ...

class Filter(_message.Message):
    __slots__ = ("comparison", "is_null", "like")
    AND_FIELD_NUMBER: _ClassVar[int]
    OR_FIELD_NUMBER: _ClassVar[int]
    NOT_FIELD_NUMBER: _ClassVar[int]
    COMPARISON_FIELD_NUMBER: _ClassVar[int]
    IN_FIELD_NUMBER: _ClassVar[int]
    IS_NULL_FIELD_NUMBER: _ClassVar[int]
    LIKE_FIELD_NUMBER: _ClassVar[int]
    comparison: Comparison
    is_null: NullTest
    like: TextMatch
    def __init__(self, comparison: _Optional[_Union[Comparison, _Mapping]] = ..., is_null: _Optional[_Union[NullTest, _Mapping]] = ..., like: _Optional[_Union[TextMatch, _Mapping]] = ..., **kwargs) -> None: ...

class FilterList(_message.Message):
    __slots__ = ("filters",)
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    filters: _containers.RepeatedCompositeFieldContainer[Filter]
    def __init__(self, filters: _Optional[_Iterable[_Union[Filter, _Mapping]]] = ...) -> None: ...

class Literal(_message.Message):
    __slots__ = ("string_value", "int_value", "double_value", "bool_value", "decimal_value")
    STRING_VALUE_FIELD_NUMBER: _ClassVar[int]
    INT_VALUE_FIELD_NUMBER: _ClassVar[int]
    DOUBLE_VALUE_FIELD_NUMBER: _ClassVar[int]
    BOOL_VALUE_FIELD_NUMBER: _ClassVar[int]
    DECIMAL_VALUE_FIELD_NUMBER: _ClassVar[int]
    string_value: str
    int_value: int
    double_value: float
    bool_value: bool
    decimal_value: str
    def __init__(self, string_value: _Optional[str] = ..., int_value: _Optional[int] = ..., double_value: _Optional[float] = ..., bool_value: _Optional[bool] = ..., decimal_value: _Optional[str] = ...) -> None: ...

class Comparison(_message.Message):
    __slots__ = ("column", "operator", "value")
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    column: str
    operator: Operator
    value: Literal
    def __init__(self, column: _Optional[str] = ..., operator: _Optional[_Union[Operator, str]] = ..., value: _Optional[_Union[Literal, _Mapping]] = ...) -> None: ...

class Membership(_message.Message):
    __slots__ = ("column", "values")
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    column: str
    values: _containers.RepeatedCompositeFieldContainer[Literal]
    def __init__(self, column: _Optional[str] = ..., values: _Optional[_Iterable[_Union[Literal, _Mapping]]] = ...) -> None: ...

class NullTest(_message.Message):
    __slots__ = ("column",)
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    column: str
    def __init__(self, column: _Optional[str] = ...) -> None: ...

class TextMatch(_message.Message):
    __slots__ = ("column", "pattern")
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    column: str
    pattern: str
    def __init__(self, column: _Optional[str] = ..., pattern: _Optional[str] = ...) -> None: ...

class Timings(_message.Message):
    __slots__ = ("queue_seconds", "encode_seconds", "search_seconds")
    QUEUE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ENCODE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SEARCH_SECONDS_FIELD_NUMBER: _ClassVar[int]
    queue_seconds: float
    encode_seconds: float
    search_seconds: float
    def __init__(self, queue_seconds: _Optional[float] = ..., encode_seconds: _Optional[float] = ..., search_seconds: _Optional[float] = ...) -> None: ...

class AnswerInfo(_message.Message):
    __slots__ = ("index", "index_version", "method", "sign", "scale", "exact", "recall", "timings", "curvature", "damping", "label", "structure", "stale", "shards_ok", "shards_total")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    SIGN_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    RECALL_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    CURVATURE_FIELD_NUMBER: _ClassVar[int]
    DAMPING_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    STRUCTURE_FIELD_NUMBER: _ClassVar[int]
    STALE_FIELD_NUMBER: _ClassVar[int]
    SHARDS_OK_FIELD_NUMBER: _ClassVar[int]
    SHARDS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    index: str
    index_version: str
    method: str
    sign: str
    scale: str
    exact: bool
    recall: float
    timings: Timings
    curvature: str
    damping: float
    label: LabelSource
    structure: str
    stale: _containers.RepeatedScalarFieldContainer[str]
    shards_ok: int
    shards_total: int
    def __init__(self, index: _Optional[str] = ..., index_version: _Optional[str] = ..., method: _Optional[str] = ..., sign: _Optional[str] = ..., scale: _Optional[str] = ..., exact: _Optional[bool] = ..., recall: _Optional[float] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., curvature: _Optional[str] = ..., damping: _Optional[float] = ..., label: _Optional[_Union[LabelSource, str]] = ..., structure: _Optional[str] = ..., stale: _Optional[_Iterable[str]] = ..., shards_ok: _Optional[int] = ..., shards_total: _Optional[int] = ...) -> None: ...

class LabelProbability(_message.Message):
    __slots__ = ("label", "probability")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    label: str
    probability: float
    def __init__(self, label: _Optional[str] = ..., probability: _Optional[float] = ...) -> None: ...

class Prediction(_message.Message):
    __slots__ = ("predicted", "label", "loss", "probabilities", "greedy")
    PREDICTED_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    GREEDY_FIELD_NUMBER: _ClassVar[int]
    predicted: str
    label: str
    loss: float
    probabilities: _containers.RepeatedCompositeFieldContainer[LabelProbability]
    greedy: str
    def __init__(self, predicted: _Optional[str] = ..., label: _Optional[str] = ..., loss: _Optional[float] = ..., probabilities: _Optional[_Iterable[_Union[LabelProbability, _Mapping]]] = ..., greedy: _Optional[str] = ...) -> None: ...

class NeuronScore(_message.Message):
    __slots__ = ("layer", "unit", "score", "instance_ids", "expert")
    LAYER_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_IDS_FIELD_NUMBER: _ClassVar[int]
    EXPERT_FIELD_NUMBER: _ClassVar[int]
    layer: int
    unit: int
    score: float
    instance_ids: _containers.RepeatedScalarFieldContainer[str]
    expert: int
    def __init__(self, layer: _Optional[int] = ..., unit: _Optional[int] = ..., score: _Optional[float] = ..., instance_ids: _Optional[_Iterable[str]] = ..., expert: _Optional[int] = ...) -> None: ...

class InstanceHit(_message.Message):
    __slots__ = ("rank", "id", "row", "score", "fields", "shared", "fields_json", "instances", "best")
    RANK_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    SHARED_FIELD_NUMBER: _ClassVar[int]
    FIELDS_JSON_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    BEST_FIELD_NUMBER: _ClassVar[int]
    rank: int
    id: str
    row: int
    score: float
    fields: _struct_pb2.Struct
    shared: _containers.RepeatedCompositeFieldContainer[NeuronScore]
    fields_json: str
    instances: int
    best: str
    def __init__(self, rank: _Optional[int] = ..., id: _Optional[str] = ..., row: _Optional[int] = ..., score: _Optional[float] = ..., fields: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., shared: _Optional[_Iterable[_Union[NeuronScore, _Mapping]]] = ..., fields_json: _Optional[str] = ..., instances: _Optional[int] = ..., best: _Optional[str] = ...) -> None: ...

class InstancesResult(_message.Message):
    __slots__ = ("query_id", "prediction", "hits", "neurons")
    QUERY_ID_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_FIELD_NUMBER: _ClassVar[int]
    HITS_FIELD_NUMBER: _ClassVar[int]
    NEURONS_FIELD_NUMBER: _ClassVar[int]
    query_id: str
    prediction: Prediction
    hits: _containers.RepeatedCompositeFieldContainer[InstanceHit]
    neurons: _containers.RepeatedCompositeFieldContainer[NeuronScore]
    def __init__(self, query_id: _Optional[str] = ..., prediction: _Optional[_Union[Prediction, _Mapping]] = ..., hits: _Optional[_Iterable[_Union[InstanceHit, _Mapping]]] = ..., neurons: _Optional[_Iterable[_Union[NeuronScore, _Mapping]]] = ...) -> None: ...

class NeuronsResult(_message.Message):
    __slots__ = ("query_id", "prediction", "neurons")
    QUERY_ID_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_FIELD_NUMBER: _ClassVar[int]
    NEURONS_FIELD_NUMBER: _ClassVar[int]
    query_id: str
    prediction: Prediction
    neurons: _containers.RepeatedCompositeFieldContainer[NeuronScore]
    def __init__(self, query_id: _Optional[str] = ..., prediction: _Optional[_Union[Prediction, _Mapping]] = ..., neurons: _Optional[_Iterable[_Union[NeuronScore, _Mapping]]] = ...) -> None: ...

class AttributeInstancesRequest(_message.Message):
    __slots__ = ("index", "queries", "method", "curvature", "damping", "k", "where", "label", "fields", "ascending", "exact", "approximate", "lissa_scale", "lissa_depth", "seed", "settings", "group", "allow_partial")
    class SettingsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    INDEX_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    CURVATURE_FIELD_NUMBER: _ClassVar[int]
    DAMPING_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    ASCENDING_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    APPROXIMATE_FIELD_NUMBER: _ClassVar[int]
    LISSA_SCALE_FIELD_NUMBER: _ClassVar[int]
    LISSA_DEPTH_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    ALLOW_PARTIAL_FIELD_NUMBER: _ClassVar[int]
    index: str
    queries: _containers.RepeatedCompositeFieldContainer[Query]
    method: str
    curvature: str
    damping: float
    k: int
    where: Filter
    label: LabelSource
    fields: _containers.RepeatedScalarFieldContainer[str]
    ascending: bool
    exact: bool
    approximate: str
    lissa_scale: float
    lissa_depth: int
    seed: int
    settings: _containers.ScalarMap[str, str]
    group: str
    allow_partial: bool
    def __init__(self, index: _Optional[str] = ..., queries: _Optional[_Iterable[_Union[Query, _Mapping]]] = ..., method: _Optional[str] = ..., curvature: _Optional[str] = ..., damping: _Optional[float] = ..., k: _Optional[int] = ..., where: _Optional[_Union[Filter, _Mapping]] = ..., label: _Optional[_Union[LabelSource, str]] = ..., fields: _Optional[_Iterable[str]] = ..., ascending: _Optional[bool] = ..., exact: _Optional[bool] = ..., approximate: _Optional[str] = ..., lissa_scale: _Optional[float] = ..., lissa_depth: _Optional[int] = ..., seed: _Optional[int] = ..., settings: _Optional[_Mapping[str, str]] = ..., group: _Optional[str] = ..., allow_partial: _Optional[bool] = ...) -> None: ...

class AttributeInstancesResponse(_message.Message):
    __slots__ = ("info", "results")
    INFO_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    info: AnswerInfo
    results: _containers.RepeatedCompositeFieldContainer[InstancesResult]
    def __init__(self, info: _Optional[_Union[AnswerInfo, _Mapping]] = ..., results: _Optional[_Iterable[_Union[InstancesResult, _Mapping]]] = ...) -> None: ...

class RankInstancesRequest(_message.Message):
    __slots__ = ("index", "queries", "method", "curvature", "damping", "where", "label", "dtype", "lissa_scale", "lissa_depth", "seed", "settings", "exact", "approximate")
    class SettingsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    INDEX_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    CURVATURE_FIELD_NUMBER: _ClassVar[int]
    DAMPING_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    LISSA_SCALE_FIELD_NUMBER: _ClassVar[int]
    LISSA_DEPTH_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    APPROXIMATE_FIELD_NUMBER: _ClassVar[int]
    index: str
    queries: _containers.RepeatedCompositeFieldContainer[Query]
    method: str
    curvature: str
    damping: float
    where: Filter
    label: LabelSource
    dtype: Dtype
    lissa_scale: float
    lissa_depth: int
    seed: int
    settings: _containers.ScalarMap[str, str]
    exact: bool
    approximate: str
    def __init__(self, index: _Optional[str] = ..., queries: _Optional[_Iterable[_Union[Query, _Mapping]]] = ..., method: _Optional[str] = ..., curvature: _Optional[str] = ..., damping: _Optional[float] = ..., where: _Optional[_Union[Filter, _Mapping]] = ..., label: _Optional[_Union[LabelSource, str]] = ..., dtype: _Optional[_Union[Dtype, str]] = ..., lissa_scale: _Optional[float] = ..., lissa_depth: _Optional[int] = ..., seed: _Optional[int] = ..., settings: _Optional[_Mapping[str, str]] = ..., exact: _Optional[bool] = ..., approximate: _Optional[str] = ...) -> None: ...

class RankInstancesResponse(_message.Message):
    __slots__ = ("info", "total", "first_query", "query_ids", "rows", "ids", "scores", "bounds")
    INFO_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    FIRST_QUERY_FIELD_NUMBER: _ClassVar[int]
    QUERY_IDS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    BOUNDS_FIELD_NUMBER: _ClassVar[int]
    info: AnswerInfo
    total: int
    first_query: int
    query_ids: _containers.RepeatedScalarFieldContainer[str]
    rows: _containers.RepeatedScalarFieldContainer[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    scores: Vector
    bounds: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, info: _Optional[_Union[AnswerInfo, _Mapping]] = ..., total: _Optional[int] = ..., first_query: _Optional[int] = ..., query_ids: _Optional[_Iterable[str]] = ..., rows: _Optional[_Iterable[int]] = ..., ids: _Optional[_Iterable[str]] = ..., scores: _Optional[_Union[Vector, _Mapping]] = ..., bounds: _Optional[_Iterable[float]] = ...) -> None: ...

class AttributeNeuronsRequest(_message.Message):
    __slots__ = ("index", "queries", "r", "method")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    R_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    index: str
    queries: _containers.RepeatedCompositeFieldContainer[Query]
    r: int
    method: str
    def __init__(self, index: _Optional[str] = ..., queries: _Optional[_Iterable[_Union[Query, _Mapping]]] = ..., r: _Optional[int] = ..., method: _Optional[str] = ...) -> None: ...

class AttributeNeuronsResponse(_message.Message):
    __slots__ = ("info", "results")
    INFO_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    info: AnswerInfo
    results: _containers.RepeatedCompositeFieldContainer[NeuronsResult]
    def __init__(self, info: _Optional[_Union[AnswerInfo, _Mapping]] = ..., results: _Optional[_Iterable[_Union[NeuronsResult, _Mapping]]] = ...) -> None: ...

class FindInstancesByNeuronsRequest(_message.Message):
    __slots__ = ("index", "queries", "r", "k", "similarity", "where", "fields", "group", "allow_partial")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    R_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    ALLOW_PARTIAL_FIELD_NUMBER: _ClassVar[int]
    index: str
    queries: _containers.RepeatedCompositeFieldContainer[Query]
    r: int
    k: int
    similarity: str
    where: Filter
    fields: _containers.RepeatedScalarFieldContainer[str]
    group: str
    allow_partial: bool
    def __init__(self, index: _Optional[str] = ..., queries: _Optional[_Iterable[_Union[Query, _Mapping]]] = ..., r: _Optional[int] = ..., k: _Optional[int] = ..., similarity: _Optional[str] = ..., where: _Optional[_Union[Filter, _Mapping]] = ..., fields: _Optional[_Iterable[str]] = ..., group: _Optional[str] = ..., allow_partial: _Optional[bool] = ...) -> None: ...

class FindInstancesByNeuronsResponse(_message.Message):
    __slots__ = ("info", "results")
    INFO_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    info: AnswerInfo
    results: _containers.RepeatedCompositeFieldContainer[InstancesResult]
    def __init__(self, info: _Optional[_Union[AnswerInfo, _Mapping]] = ..., results: _Optional[_Iterable[_Union[InstancesResult, _Mapping]]] = ...) -> None: ...

class FindNeuronsByInstancesRequest(_message.Message):
    __slots__ = ("index", "queries", "method", "curvature", "damping", "instances", "r", "aggregate", "where", "label", "exact", "approximate", "lissa_scale", "lissa_depth", "seed", "settings", "allow_partial")
    class SettingsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    INDEX_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    CURVATURE_FIELD_NUMBER: _ClassVar[int]
    DAMPING_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    R_FIELD_NUMBER: _ClassVar[int]
    AGGREGATE_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    APPROXIMATE_FIELD_NUMBER: _ClassVar[int]
    LISSA_SCALE_FIELD_NUMBER: _ClassVar[int]
    LISSA_DEPTH_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    ALLOW_PARTIAL_FIELD_NUMBER: _ClassVar[int]
    index: str
    queries: _containers.RepeatedCompositeFieldContainer[Query]
    method: str
    curvature: str
    damping: float
    instances: int
    r: int
    aggregate: str
    where: Filter
    label: LabelSource
    exact: bool
    approximate: str
    lissa_scale: float
    lissa_depth: int
    seed: int
    settings: _containers.ScalarMap[str, str]
    allow_partial: bool
    def __init__(self, index: _Optional[str] = ..., queries: _Optional[_Iterable[_Union[Query, _Mapping]]] = ..., method: _Optional[str] = ..., curvature: _Optional[str] = ..., damping: _Optional[float] = ..., instances: _Optional[int] = ..., r: _Optional[int] = ..., aggregate: _Optional[str] = ..., where: _Optional[_Union[Filter, _Mapping]] = ..., label: _Optional[_Union[LabelSource, str]] = ..., exact: _Optional[bool] = ..., approximate: _Optional[str] = ..., lissa_scale: _Optional[float] = ..., lissa_depth: _Optional[int] = ..., seed: _Optional[int] = ..., settings: _Optional[_Mapping[str, str]] = ..., allow_partial: _Optional[bool] = ...) -> None: ...

class FindNeuronsByInstancesResponse(_message.Message):
    __slots__ = ("info", "results")
    INFO_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    info: AnswerInfo
    results: _containers.RepeatedCompositeFieldContainer[NeuronsResult]
    def __init__(self, info: _Optional[_Union[AnswerInfo, _Mapping]] = ..., results: _Optional[_Iterable[_Union[NeuronsResult, _Mapping]]] = ...) -> None: ...

class TopNeurons(_message.Message):
    __slots__ = ("method", "r", "settings")
    class SettingsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    METHOD_FIELD_NUMBER: _ClassVar[int]
    R_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    method: str
    r: int
    settings: _containers.ScalarMap[str, str]
    def __init__(self, method: _Optional[str] = ..., r: _Optional[int] = ..., settings: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Intervention(_message.Message):
    __slots__ = ("name", "mode", "neurons", "top")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    NEURONS_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    name: str
    mode: InterventionMode
    neurons: NeuronSet
    top: TopNeurons
    def __init__(self, name: _Optional[str] = ..., mode: _Optional[_Union[InterventionMode, str]] = ..., neurons: _Optional[_Union[NeuronSet, _Mapping]] = ..., top: _Optional[_Union[TopNeurons, _Mapping]] = ...) -> None: ...

class PredictRequest(_message.Message):
    __slots__ = ("index", "queries", "interventions")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    INTERVENTIONS_FIELD_NUMBER: _ClassVar[int]
    index: str
    queries: _containers.RepeatedCompositeFieldContainer[Query]
    interventions: _containers.RepeatedCompositeFieldContainer[Intervention]
    def __init__(self, index: _Optional[str] = ..., queries: _Optional[_Iterable[_Union[Query, _Mapping]]] = ..., interventions: _Optional[_Iterable[_Union[Intervention, _Mapping]]] = ...) -> None: ...

class InterventionResult(_message.Message):
    __slots__ = ("name", "mode", "predicted", "probabilities", "neurons", "greedy")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    NEURONS_FIELD_NUMBER: _ClassVar[int]
    GREEDY_FIELD_NUMBER: _ClassVar[int]
    name: str
    mode: InterventionMode
    predicted: str
    probabilities: _containers.RepeatedCompositeFieldContainer[LabelProbability]
    neurons: _containers.RepeatedCompositeFieldContainer[Neuron]
    greedy: str
    def __init__(self, name: _Optional[str] = ..., mode: _Optional[_Union[InterventionMode, str]] = ..., predicted: _Optional[str] = ..., probabilities: _Optional[_Iterable[_Union[LabelProbability, _Mapping]]] = ..., neurons: _Optional[_Iterable[_Union[Neuron, _Mapping]]] = ..., greedy: _Optional[str] = ...) -> None: ...

class PredictResult(_message.Message):
    __slots__ = ("query_id", "baseline", "interventions")
    QUERY_ID_FIELD_NUMBER: _ClassVar[int]
    BASELINE_FIELD_NUMBER: _ClassVar[int]
    INTERVENTIONS_FIELD_NUMBER: _ClassVar[int]
    query_id: str
    baseline: Prediction
    interventions: _containers.RepeatedCompositeFieldContainer[InterventionResult]
    def __init__(self, query_id: _Optional[str] = ..., baseline: _Optional[_Union[Prediction, _Mapping]] = ..., interventions: _Optional[_Iterable[_Union[InterventionResult, _Mapping]]] = ...) -> None: ...

class PredictResponse(_message.Message):
    __slots__ = ("info", "results")
    INFO_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    info: AnswerInfo
    results: _containers.RepeatedCompositeFieldContainer[PredictResult]
    def __init__(self, info: _Optional[_Union[AnswerInfo, _Mapping]] = ..., results: _Optional[_Iterable[_Union[PredictResult, _Mapping]]] = ...) -> None: ...

class ComputeSignatureRequest(_message.Message):
    __slots__ = ("index", "queries", "label")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    index: str
    queries: _containers.RepeatedCompositeFieldContainer[Query]
    label: LabelSource
    def __init__(self, index: _Optional[str] = ..., queries: _Optional[_Iterable[_Union[Query, _Mapping]]] = ..., label: _Optional[_Union[LabelSource, str]] = ...) -> None: ...

class Signature(_message.Message):
    __slots__ = ("query_id", "prediction", "gradient", "neurons", "hidden", "activation")
    QUERY_ID_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_FIELD_NUMBER: _ClassVar[int]
    NEURONS_FIELD_NUMBER: _ClassVar[int]
    HIDDEN_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_FIELD_NUMBER: _ClassVar[int]
    query_id: str
    prediction: Prediction
    gradient: Vector
    neurons: _containers.RepeatedCompositeFieldContainer[NeuronScore]
    hidden: Vector
    activation: Vector
    def __init__(self, query_id: _Optional[str] = ..., prediction: _Optional[_Union[Prediction, _Mapping]] = ..., gradient: _Optional[_Union[Vector, _Mapping]] = ..., neurons: _Optional[_Iterable[_Union[NeuronScore, _Mapping]]] = ..., hidden: _Optional[_Union[Vector, _Mapping]] = ..., activation: _Optional[_Union[Vector, _Mapping]] = ...) -> None: ...

class ComputeSignatureResponse(_message.Message):
    __slots__ = ("info", "signatures")
    INFO_FIELD_NUMBER: _ClassVar[int]
    SIGNATURES_FIELD_NUMBER: _ClassVar[int]
    info: AnswerInfo
    signatures: _containers.RepeatedCompositeFieldContainer[Signature]
    def __init__(self, info: _Optional[_Union[AnswerInfo, _Mapping]] = ..., signatures: _Optional[_Iterable[_Union[Signature, _Mapping]]] = ...) -> None: ...

class Instance(_message.Message):
    __slots__ = ("id", "row", "fields", "neurons", "hidden", "fields_json")
    ID_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    NEURONS_FIELD_NUMBER: _ClassVar[int]
    HIDDEN_FIELD_NUMBER: _ClassVar[int]
    FIELDS_JSON_FIELD_NUMBER: _ClassVar[int]
    id: str
    row: int
    fields: _struct_pb2.Struct
    neurons: _containers.RepeatedCompositeFieldContainer[NeuronScore]
    hidden: Vector
    fields_json: str
    def __init__(self, id: _Optional[str] = ..., row: _Optional[int] = ..., fields: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., neurons: _Optional[_Iterable[_Union[NeuronScore, _Mapping]]] = ..., hidden: _Optional[_Union[Vector, _Mapping]] = ..., fields_json: _Optional[str] = ...) -> None: ...

class GetInstancesRequest(_message.Message):
    __slots__ = ("index", "ids", "fields", "with_neurons", "with_hidden")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    WITH_NEURONS_FIELD_NUMBER: _ClassVar[int]
    WITH_HIDDEN_FIELD_NUMBER: _ClassVar[int]
    index: str
    ids: _containers.RepeatedScalarFieldContainer[str]
    fields: _containers.RepeatedScalarFieldContainer[str]
    with_neurons: bool
    with_hidden: bool
    def __init__(self, index: _Optional[str] = ..., ids: _Optional[_Iterable[str]] = ..., fields: _Optional[_Iterable[str]] = ..., with_neurons: _Optional[bool] = ..., with_hidden: _Optional[bool] = ...) -> None: ...

class GetInstancesResponse(_message.Message):
    __slots__ = ("index_version", "instances")
    INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    index_version: str
    instances: _containers.RepeatedCompositeFieldContainer[Instance]
    def __init__(self, index_version: _Optional[str] = ..., instances: _Optional[_Iterable[_Union[Instance, _Mapping]]] = ...) -> None: ...

class ListInstancesRequest(_message.Message):
    __slots__ = ("index", "where", "order_by", "page_size", "page_token", "fields")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    index: str
    where: Filter
    order_by: str
    page_size: int
    page_token: str
    fields: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, index: _Optional[str] = ..., where: _Optional[_Union[Filter, _Mapping]] = ..., order_by: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., fields: _Optional[_Iterable[str]] = ...) -> None: ...

class ListInstancesResponse(_message.Message):
    __slots__ = ("index_version", "instances", "next_page_token", "total")
    INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    index_version: str
    instances: _containers.RepeatedCompositeFieldContainer[Instance]
    next_page_token: str
    total: int
    def __init__(self, index_version: _Optional[str] = ..., instances: _Optional[_Iterable[_Union[Instance, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total: _Optional[int] = ...) -> None: ...

class Column(_message.Message):
    __slots__ = ("name", "type")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ...) -> None: ...

class Setting(_message.Message):
    __slots__ = ("name", "meaning", "kind", "default", "least", "most", "choices", "above")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MEANING_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_FIELD_NUMBER: _ClassVar[int]
    LEAST_FIELD_NUMBER: _ClassVar[int]
    MOST_FIELD_NUMBER: _ClassVar[int]
    CHOICES_FIELD_NUMBER: _ClassVar[int]
    ABOVE_FIELD_NUMBER: _ClassVar[int]
    name: str
    meaning: str
    kind: str
    default: str
    least: float
    most: float
    choices: _containers.RepeatedScalarFieldContainer[str]
    above: float
    def __init__(self, name: _Optional[str] = ..., meaning: _Optional[str] = ..., kind: _Optional[str] = ..., default: _Optional[str] = ..., least: _Optional[float] = ..., most: _Optional[float] = ..., choices: _Optional[_Iterable[str]] = ..., above: _Optional[float] = ...) -> None: ...

class Method(_message.Message):
    __slots__ = ("name", "summary", "sign", "scale", "settings", "sources", "missing", "compared", "baseline")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    SIGN_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    COMPARED_FIELD_NUMBER: _ClassVar[int]
    BASELINE_FIELD_NUMBER: _ClassVar[int]
    name: str
    summary: str
    sign: str
    scale: str
    settings: _containers.RepeatedCompositeFieldContainer[Setting]
    sources: _containers.RepeatedScalarFieldContainer[str]
    missing: str
    compared: bool
    baseline: bool
    def __init__(self, name: _Optional[str] = ..., summary: _Optional[str] = ..., sign: _Optional[str] = ..., scale: _Optional[str] = ..., settings: _Optional[_Iterable[_Union[Setting, _Mapping]]] = ..., sources: _Optional[_Iterable[str]] = ..., missing: _Optional[str] = ..., compared: _Optional[bool] = ..., baseline: _Optional[bool] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("request_bytes", "response_bytes", "queries", "results", "ids", "fields", "interventions", "neurons", "text_characters", "conditions", "page_size", "streams", "calls", "connections", "idle_seconds", "slow_seconds", "connection_seconds", "call_seconds", "requests_per_second", "waiting_bytes", "message_fields")
    REQUEST_BYTES_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_BYTES_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    INTERVENTIONS_FIELD_NUMBER: _ClassVar[int]
    NEURONS_FIELD_NUMBER: _ClassVar[int]
    TEXT_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    IDLE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SLOW_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CALL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    WAITING_BYTES_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELDS_FIELD_NUMBER: _ClassVar[int]
    request_bytes: int
    response_bytes: int
    queries: int
    results: int
    ids: int
    fields: int
    interventions: int
    neurons: int
    text_characters: int
    conditions: int
    page_size: int
    streams: int
    calls: int
    connections: int
    idle_seconds: float
    slow_seconds: float
    connection_seconds: float
    call_seconds: float
    requests_per_second: float
    waiting_bytes: int
    message_fields: int
    def __init__(self, request_bytes: _Optional[int] = ..., response_bytes: _Optional[int] = ..., queries: _Optional[int] = ..., results: _Optional[int] = ..., ids: _Optional[int] = ..., fields: _Optional[int] = ..., interventions: _Optional[int] = ..., neurons: _Optional[int] = ..., text_characters: _Optional[int] = ..., conditions: _Optional[int] = ..., page_size: _Optional[int] = ..., streams: _Optional[int] = ..., calls: _Optional[int] = ..., connections: _Optional[int] = ..., idle_seconds: _Optional[float] = ..., slow_seconds: _Optional[float] = ..., connection_seconds: _Optional[float] = ..., call_seconds: _Optional[float] = ..., requests_per_second: _Optional[float] = ..., waiting_bytes: _Optional[int] = ..., message_fields: _Optional[int] = ...) -> None: ...

class IndexInfo(_message.Message):
    __slots__ = ("name", "version", "instances", "task", "labels", "columns", "methods", "curvatures", "gradient_dim", "layers", "units", "site", "has_model", "manifest", "method_details", "own_columns", "experts", "expert_units", "shared_units", "dense_layers", "watch_seconds", "problem", "limits", "stale")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    CURVATURES_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_DIM_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    HAS_MODEL_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    METHOD_DETAILS_FIELD_NUMBER: _ClassVar[int]
    OWN_COLUMNS_FIELD_NUMBER: _ClassVar[int]
    EXPERTS_FIELD_NUMBER: _ClassVar[int]
    EXPERT_UNITS_FIELD_NUMBER: _ClassVar[int]
    SHARED_UNITS_FIELD_NUMBER: _ClassVar[int]
    DENSE_LAYERS_FIELD_NUMBER: _ClassVar[int]
    WATCH_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    STALE_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    instances: int
    task: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    columns: _containers.RepeatedCompositeFieldContainer[Column]
    methods: _containers.RepeatedScalarFieldContainer[str]
    curvatures: _containers.RepeatedScalarFieldContainer[str]
    gradient_dim: int
    layers: int
    units: int
    site: str
    has_model: bool
    manifest: str
    method_details: _containers.RepeatedCompositeFieldContainer[Method]
    own_columns: _containers.RepeatedScalarFieldContainer[str]
    experts: int
    expert_units: int
    shared_units: _containers.RepeatedScalarFieldContainer[int]
    dense_layers: _containers.RepeatedScalarFieldContainer[int]
    watch_seconds: float
    problem: str
    limits: Limits
    stale: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., instances: _Optional[int] = ..., task: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ..., columns: _Optional[_Iterable[_Union[Column, _Mapping]]] = ..., methods: _Optional[_Iterable[str]] = ..., curvatures: _Optional[_Iterable[str]] = ..., gradient_dim: _Optional[int] = ..., layers: _Optional[int] = ..., units: _Optional[int] = ..., site: _Optional[str] = ..., has_model: _Optional[bool] = ..., manifest: _Optional[str] = ..., method_details: _Optional[_Iterable[_Union[Method, _Mapping]]] = ..., own_columns: _Optional[_Iterable[str]] = ..., experts: _Optional[int] = ..., expert_units: _Optional[int] = ..., shared_units: _Optional[_Iterable[int]] = ..., dense_layers: _Optional[_Iterable[int]] = ..., watch_seconds: _Optional[float] = ..., problem: _Optional[str] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., stale: _Optional[_Iterable[str]] = ...) -> None: ...

class ListIndexesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListIndexesResponse(_message.Message):
    __slots__ = ("indexes",)
    INDEXES_FIELD_NUMBER: _ClassVar[int]
    indexes: _containers.RepeatedCompositeFieldContainer[IndexInfo]
    def __init__(self, indexes: _Optional[_Iterable[_Union[IndexInfo, _Mapping]]] = ...) -> None: ...

class GetIndexRequest(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: str
    def __init__(self, index: _Optional[str] = ...) -> None: ...

class GetIndexResponse(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: IndexInfo
    def __init__(self, index: _Optional[_Union[IndexInfo, _Mapping]] = ...) -> None: ...

class AttributeStreamRequest(_message.Message):
    __slots__ = ("sequence", "attribute_instances", "attribute_neurons", "find_instances_by_neurons", "find_neurons_by_instances", "predict")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTE_INSTANCES_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTE_NEURONS_FIELD_NUMBER: _ClassVar[int]
    FIND_INSTANCES_BY_NEURONS_FIELD_NUMBER: _ClassVar[int]
    FIND_NEURONS_BY_INSTANCES_FIELD_NUMBER: _ClassVar[int]
    PREDICT_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    attribute_instances: AttributeInstancesRequest
    attribute_neurons: AttributeNeuronsRequest
    find_instances_by_neurons: FindInstancesByNeuronsRequest
    find_neurons_by_instances: FindNeuronsByInstancesRequest
    predict: PredictRequest
    def __init__(self, sequence: _Optional[int] = ..., attribute_instances: _Optional[_Union[AttributeInstancesRequest, _Mapping]] = ..., attribute_neurons: _Optional[_Union[AttributeNeuronsRequest, _Mapping]] = ..., find_instances_by_neurons: _Optional[_Union[FindInstancesByNeuronsRequest, _Mapping]] = ..., find_neurons_by_instances: _Optional[_Union[FindNeuronsByInstancesRequest, _Mapping]] = ..., predict: _Optional[_Union[PredictRequest, _Mapping]] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("code", "reason", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: int
    reason: str
    message: str
    def __init__(self, code: _Optional[int] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class AttributeStreamResponse(_message.Message):
    __slots__ = ("sequence", "error", "attribute_instances", "attribute_neurons", "find_instances_by_neurons", "find_neurons_by_instances", "predict")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTE_INSTANCES_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTE_NEURONS_FIELD_NUMBER: _ClassVar[int]
    FIND_INSTANCES_BY_NEURONS_FIELD_NUMBER: _ClassVar[int]
    FIND_NEURONS_BY_INSTANCES_FIELD_NUMBER: _ClassVar[int]
    PREDICT_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    error: Failure
    attribute_instances: AttributeInstancesResponse
    attribute_neurons: AttributeNeuronsResponse
    find_instances_by_neurons: FindInstancesByNeuronsResponse
    find_neurons_by_instances: FindNeuronsByInstancesResponse
    predict: PredictResponse
    def __init__(self, sequence: _Optional[int] = ..., error: _Optional[_Union[Failure, _Mapping]] = ..., attribute_instances: _Optional[_Union[AttributeInstancesResponse, _Mapping]] = ..., attribute_neurons: _Optional[_Union[AttributeNeuronsResponse, _Mapping]] = ..., find_instances_by_neurons: _Optional[_Union[FindInstancesByNeuronsResponse, _Mapping]] = ..., find_neurons_by_instances: _Optional[_Union[FindNeuronsByInstancesResponse, _Mapping]] = ..., predict: _Optional[_Union[PredictResponse, _Mapping]] = ...) -> None: ...
