"""The pods that examples/jobset.yaml describes find each other."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from jax._src.clusters.k8s_cluster import K8sCluster

import funclearn as fl
from funclearn.devices import _initialise, _worker

FILE = Path(fl.__file__).parents[1] / "examples" / "jobset.yaml"
INDEX = "metadata.annotations['batch.kubernetes.io/job-completion-index']"


@pytest.fixture(scope="module")
def objects():
    """By kind; nothing else is needed, such as rights to ask the API."""
    read = {one["kind"]: one for one in yaml.safe_load_all(FILE.read_text("utf-8"))}
    assert list(read) == ["PersistentVolumeClaim", "JobSet"]
    return read


@pytest.fixture(scope="module")
def job(objects):
    """The only job of the set: its name, and what is said of it."""
    (one,) = objects["JobSet"]["spec"]["replicatedJobs"]
    assert one["replicas"] == 1
    name = f"{objects['JobSet']['metadata']['name']}-{one['name']}-0"
    return name, one["template"]["spec"]


def container_of(job):
    (container,) = job[1]["template"]["spec"]["containers"]
    return container


def environment(job, pod):
    """What Kubernetes gives to the container of a pod of this number."""
    given = {}
    for variable in container_of(job)["env"]:
        if "value" in variable:
            given[variable["name"]] = variable["value"]
        else:
            assert variable["valueFrom"] == {"fieldRef": {"fieldPath": INDEX}}
            given[variable["name"]] = str(pod)
    return given


def test_every_pod_finds_its_place(objects, job, monkeypatch):
    name, described = job
    # As JAX itself makes the address, asking the API of Kubernetes.
    known = {
        "_controller": SimpleNamespace(kind="Job"),
        "_pod": SimpleNamespace(),
        "_job": SimpleNamespace(
            metadata=SimpleNamespace(
                name=name,
                labels={
                    "jobset.sigs.k8s.io/jobset-name": objects["JobSet"]["metadata"][
                        "name"
                    ]
                },
            ),
            spec=SimpleNamespace(parallelism=described["parallelism"]),
        ),
    }
    for method, value in known.items():
        monkeypatch.setattr(K8sCluster, method, lambda value=value: value)
    address = K8sCluster.get_coordinator_address(None, None)
    pods = K8sCluster.get_process_count()
    assert described["completions"] == described["parallelism"] == pods > 1
    assert described["completionMode"] == "Indexed"
    for pod in range(pods):
        for variable, value in environment(job, pod).items():
            monkeypatch.setenv(variable, value)
        assert _initialise._place(None, None, None, 1.0) == (address, pods, pod)
    (port,) = container_of(job)["ports"]
    assert address.endswith(f":{port['containerPort']}")


def test_a_lost_pod_has_all_of_them_made_anew(objects, job):
    _, described = job
    (rule,) = described["podFailurePolicy"]["rules"]
    codes = rule["onExitCodes"]
    assert (rule["action"], codes["operator"]) == ("FailJob", "NotIn")
    assert codes["containerName"] == container_of(job)["name"]
    # A lost peer, an abort, a kill and SIGTERM begin anew; an error of the script not.
    assert codes["values"] == [_worker._AGAIN, 128 + 6, 128 + 9, 128 + 15]
    assert described["backoffLimit"] == 0
    assert described["template"]["spec"]["restartPolicy"] == "Never"
    policy = objects["JobSet"]["spec"]["failurePolicy"]
    assert policy["maxRestarts"] > 0
    (ended,) = policy["rules"]
    assert ended["action"] == "FailJobSet"
    assert ended["onJobFailureReasons"] == ["PodFailurePolicy"]


def test_all_pods_share_the_folder_of_the_run(objects, job):
    claim = objects["PersistentVolumeClaim"]
    (volume,) = job[1]["template"]["spec"]["volumes"]
    (mount,) = container_of(job)["volumeMounts"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    claimed = volume["persistentVolumeClaim"]["claimName"]
    assert claimed == claim["metadata"]["name"]
    assert mount["name"] == volume["name"]
    *_, folder = container_of(job)["command"]
    assert Path(mount["mountPath"]) in Path(folder).parents
