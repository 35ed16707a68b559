"""Ready-made settings for clusters; pod templates as Kubernetes takes them."""

from __future__ import annotations

from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from samples import ROOT

CONF = ROOT / "conf"
FILES = sorted((CONF / "spark").glob("*.conf"))
TEMPLATES = sorted((CONF / "kubernetes").glob("*.yaml"))


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
