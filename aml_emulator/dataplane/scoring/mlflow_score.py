"""The scoring script of an MLflow model that was deployed without one: speaks Azure's ``input_data`` payload.

Runs inside the scoring process, so it imports nothing of the emulator. The payload is the documented one
(learn.microsoft.com/azure/machine-learning/how-to-deploy-mlflow-models): ``input_data`` is a pandas frame in split
orientation, a list for a tensor, or an object of lists for named tensors. Records are not supported. A request
without ``input_data``, such as MLflow's own ``dataframe_split``, is refused by the server before this script is asked
(400, "A value is not provided for the 'input_data' parameter.", as in azureml-examples issue 3385); data that does not
fit the model's signature makes run() fail, with MLflow's reason in the container's log.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import mlflow.pyfunc
from inference_schema.parameter_types.abstract_parameter_type import (  # type: ignore[import-untyped]
    AbstractParameterType,
)
from inference_schema.schema_decorators import input_schema  # type: ignore[import-untyped]
from mlflow.utils import proto_json_utils

# MLflow's own conversions, which know its signatures; they carry no types.
_mlflow_json: Any = proto_json_utils

_served: dict[str, Any] = {}


def init() -> None:
    """Load the model."""
    _served["model"] = mlflow.pyfunc.load_model(str(find_model(Path(os.environ["AZUREML_MODEL_DIR"]))))


def find_model(version_folder: Path) -> Path:
    """The folder with the MLmodel file: the version folder itself, or the registered folder in it."""
    candidates = [version_folder, *sorted(path for path in version_folder.iterdir() if path.is_dir())]
    for folder in candidates:
        if (folder / "MLmodel").is_file():
            return folder
    raise FileNotFoundError(f"No MLmodel file in {version_folder} or in a folder of it.")


class InputData(AbstractParameterType):  # type: ignore[misc]
    """``input_data`` to the server: any JSON, since only the loaded model knows what to make of it."""

    def deserialize_input(self, input_data: Any) -> Any:
        """Leave it as it is."""
        return input_data

    def input_to_swagger(self) -> dict[str, Any]:
        """Any object, with the split orientation as the example."""
        return {"type": "object", "example": self.sample_input}


_EXAMPLE = InputData({"columns": ["a"], "index": [0], "data": [[1]]})


@input_schema("input_data", _EXAMPLE, convert_to_provided_type=False)  # type: ignore[untyped-decorator]
def run(input_data: Any, params: dict[str, Any] | None = None) -> Any:
    """Predictions for one payload, as JSON values."""
    model = _served["model"]
    data = to_model_input(input_data, model.metadata.get_input_schema())
    predictions = model.predict(data, params=params) if params else model.predict(data)
    jsonable = _mlflow_json._get_jsonable_obj(predictions, "records")  # noqa: SLF001 - as MLflow's own server does
    return json.loads(json.dumps(jsonable, cls=_mlflow_json.NumpyEncoder))


def to_model_input(data: Any, schema: Any) -> Any:
    """A payload as the frame or the tensors that ``predict`` takes, typed by the model's signature if it has one."""
    if isinstance(data, dict) and "data" in data and set(data) <= {"columns", "index", "data"}:
        return _mlflow_json.dataframe_from_parsed_json(data, "split", schema)
    if isinstance(data, list):
        if any(isinstance(row, dict) for row in data):
            raise TypeError("'input_data' in records orientation is not supported: use split orientation.")
        if schema is not None and not schema.is_tensor_spec() and schema.has_input_names():
            return _mlflow_json.dataframe_from_parsed_json(
                {"columns": schema.input_names(), "data": data}, "split", schema
            )
        return _mlflow_json.parse_tf_serving_input({"inputs": data}, schema)
    if isinstance(data, dict):
        return _mlflow_json.parse_tf_serving_input({"inputs": data}, schema)
    raise TypeError(f"'input_data' must be an object or a list, not {type(data).__name__}.")
