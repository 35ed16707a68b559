"""Ready-made settings for clusters, in the words of those who take them.

Kubernetes' schema for the pod templates, AWS' description of its requests for Amazon EMR, and what
Databricks' own library reads of a job.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import botocore.session
import kubernetes_validate
import pytest
import yaml
from botocore.exceptions import ParamValidationError
from botocore.validate import validate_parameters
from databricks.sdk.service.jobs import JobSettings
from support.samples import ROOT

from jobs.score import main as score
from steeldefect.errors import SettingsError

CONF = ROOT / "conf"
FILES = sorted((CONF / "spark").glob("*.conf"))
TEMPLATES = sorted((CONF / "kubernetes").glob("*.yaml"))
EMR = {
    "cluster.yaml": ("emr", "RunJobFlow"),
    "serverless.yaml": ("emr-serverless", "StartJobRun"),
}


def names(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_settings_are_spark_s_and_named_once(path: Path) -> None:
    found = names(path)
    assert found
    assert all(name.startswith("spark.") for name in found)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_worker_processes_keep_their_models(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert "true" in next(line for line in lines if line.startswith("spark.python.worker.reuse"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_pod_templates_are_pods(path: Path) -> None:
    pod = yaml.safe_load(path.read_text(encoding="utf-8"))
    kubernetes_validate.validate(pod, "1.37", strict=True)


def test_a_misspelt_template_would_be_noticed() -> None:
    pod = yaml.safe_load(TEMPLATES[0].read_text(encoding="utf-8"))
    pod["spec"]["volume"] = pod["spec"].pop("volumes")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(pod, "1.37", strict=True)


def test_the_settings_name_files_that_there_are() -> None:
    text = (CONF / "spark" / "kubernetes.conf").read_text(encoding="utf-8")
    for path in (*TEMPLATES, CONF / "gpu" / "discover_gpus.sh"):
        assert path.relative_to(ROOT).as_posix() in text


def load(*place: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(CONF.joinpath(*place).read_text(encoding="utf-8"))
    return content


def check_request(service: str, operation: str, request: dict[str, Any]) -> None:
    model = botocore.session.get_session().get_service_model(service).operation_model(operation)
    tokens = dict.fromkeys(model.idempotent_members, "made up")  # clients fill these in
    validate_parameters(tokens | request, model.input_shape)


@pytest.mark.parametrize("name", EMR)
def test_requests_to_emr_are_as_aws_describes_them(name: str) -> None:
    check_request(*EMR[name], load("emr", name))


@pytest.mark.parametrize("name", EMR)
def test_a_misspelt_request_would_be_noticed(name: str) -> None:
    request = load("emr", name)
    first = next(iter(request))
    with pytest.raises(ParamValidationError, match="Unknown parameter"):
        check_request(*EMR[name], {**request, f"{first}s": request[first]})


def test_settings_for_emr_are_spark_s() -> None:
    cluster = load("emr", "cluster.yaml")["Configurations"][0]["Properties"]
    overrides = load("emr", "serverless.yaml")["configurationOverrides"]
    serverless = overrides["applicationConfiguration"][0]["properties"]
    for properties in (cluster, serverless):
        assert properties["spark.python.worker.reuse"] == "true"
        assert all(name.startswith("spark.") for name in properties)


def test_the_job_on_databricks_is_as_its_library_reads_it() -> None:
    for job in load("databricks", "databricks.yml")["resources"]["jobs"].values():
        assert JobSettings.from_dict(job).as_dict() == job


def test_a_misspelt_job_would_be_noticed() -> None:
    (job,) = load("databricks", "databricks.yml")["resources"]["jobs"].values()
    cluster = job["job_clusters"][0]["new_cluster"]
    cluster["spark_version_"] = cluster.pop("spark_version")
    assert JobSettings.from_dict(job).as_dict() != job


def arguments() -> dict[str, list[str]]:
    """What each of them calls the job with."""
    (job,) = load("databricks", "databricks.yml")["resources"]["jobs"].values()
    step = load("emr", "cluster.yaml")["Steps"][0]["HadoopJarStep"]["Args"]
    submit = load("emr", "serverless.yaml")["jobDriver"]["sparkSubmit"]
    return {
        "databricks": job["tasks"][0]["spark_python_task"]["parameters"],
        "emr": step[step.index("s3://plant/apps/steeldefect/score.py") + 1 :],
        "emr-serverless": submit["entryPointArguments"],
    }


@pytest.mark.parametrize("name", ["databricks", "emr", "emr-serverless"])
def test_the_job_understands_its_arguments(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    # a setting that there is not, so that the job says so and reads nothing
    assert score([*arguments()[name], "--set", "made_up=1"]) == SettingsError.exit_code
    assert "made_up" in capsys.readouterr().err
