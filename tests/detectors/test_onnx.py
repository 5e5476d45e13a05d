"""An ONNX file is a detector once all that it does not say of itself is written down; nothing is guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from harness.detectors import onnx_file
from harness.detectors._onnx_size import nodes_of
from onnx import TensorProto, helper, numpy_helper

from harness import registry
from harness.checks.conformance import check_detector
from harness.types import HarnessError

MEAN, STD = [0.4, 0.5, 0.6], [0.2, 0.25, 0.5]
FACTS = {"size": 8, "frames": 3, "mean": MEAN, "std": STD, "layout": "NCHW", "output": "logit"}
WEIGHTS = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, below which the files lie."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def graph_file(
    layout: str = "NCHW",
    outputs: int = 1,
    batch: Any = "N",
    side: Any = "S",
    metadata: dict[str, Any] | None = None,
    external: str = "",
    kind: str = "FLOAT",
) -> Path:
    """`net.onnx`: the mean over all pixels of each channel, times `WEIGHTS[:, :outputs]`.

    `external` is the file in which the weights lie, `kind` that of the input and of the rest, bytes apart.
    """
    within = TensorProto.FLOAT if kind == "UINT8" else TensorProto.DataType.Value(kind)
    shape = [{"N": batch, "C": 3, "T": "T"}.get(axis, side) for axis in layout]
    channel = layout.index("C")
    axes = [axis for axis in range(1, len(layout)) if axis != channel]
    nodes = [
        helper.make_node("Cast", ["x"], ["numbers"], to=within),
        helper.make_node("ReduceMean", ["numbers"], ["means"], axes=axes, keepdims=0),
        helper.make_node("MatMul", ["means", "w"], ["said"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.DataType.Value(kind), shape)],
        [helper.make_tensor_value_info("said", within, [batch, outputs])],
        [numpy_helper.from_array(WEIGHTS[:, :outputs].astype(helper.tensor_dtype_to_np_dtype(within)), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    for key, value in (metadata or {}).items():
        said = value if isinstance(value, str) else json.dumps(value)
        model.metadata_props.add(key=f"gapbench.{key}", value=said)
    path = Path("net.onnx")
    onnx.save(model, path, save_as_external_data=bool(external), location=external or None, size_threshold=1)
    return path


def stated(**changes: Any) -> None:
    """Write `net.onnx.json`; a change of None leaves that fact out."""
    facts = {name: value for name, value in {**FACTS, **changes}.items() if value is not None}
    Path("net.onnx.json").write_text(json.dumps(facts))


def clips_of(batch: int = 2, frames: int = 3, size: int = 8) -> np.ndarray:
    shape = (batch, frames, size, size, 3)
    levels = np.random.default_rng(1).integers(0, 200, (batch, frames, 1, 1, 3))  # every frame another colour
    return (levels + np.random.default_rng(2).integers(0, 56, shape)).astype(np.uint8)


def said_of(clips: np.ndarray, outputs: int = 1) -> np.ndarray:
    """What the graph says of each frame, `[B, T, outputs]`, in float64."""
    means = ((clips / 255 - np.array(MEAN)) / np.array(STD)).mean((2, 3))
    return np.asarray(means @ WEIGHTS[:, :outputs].astype(np.float64))


def softmax(said: np.ndarray, number: int) -> np.ndarray:
    odds = np.exp(said)
    return np.asarray(odds[..., number] / odds.sum(-1))


def detector() -> Any:
    return registry.detectors.get("onnx:net.onnx").make()


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("batch", ["N", 1, 4])
def test_a_frame_based_graph_scores_every_frame(layout: str, batch: Any) -> None:
    graph_file(layout, batch=batch)
    stated(layout=layout)
    scores = detector().score(clips_of())
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-said_of(clips_of())[..., 0])), atol=1e-6)


@pytest.mark.parametrize("layout", ["NTCHW", "NTHWC", "NCTHW"])
def test_a_clip_based_graph_gives_one_score_a_clip(layout: str) -> None:
    graph_file(layout)
    stated(layout=layout)
    expected = 1 / (1 + np.exp(-said_of(clips_of()).mean(1)))
    np.testing.assert_allclose(detector().score(clips_of()), expected, atol=1e-6)


@pytest.mark.parametrize("number", [0, 2])
def test_the_stated_class_is_the_fake_one(number: int) -> None:
    graph_file(outputs=4)
    stated(output=f"softmax:{number}")
    expected = softmax(said_of(clips_of(), 4), number)
    np.testing.assert_allclose(detector().score(clips_of()), expected, atol=1e-6)


def test_channels_may_come_blue_first() -> None:
    graph_file()
    stated(channels="BGR")
    expected = 1 / (1 + np.exp(-said_of(clips_of()[..., ::-1])[..., 0]))
    np.testing.assert_allclose(detector().score(clips_of()), expected, atol=1e-6)


def test_numbers_that_are_no_probabilities_are_given_on_as_they_are() -> None:
    graph_file()
    stated(output="probability")
    scores = detector().score(clips_of())
    np.testing.assert_allclose(scores, said_of(clips_of())[..., 0], atol=1e-6)
    assert scores.min() < 0  # scoring refuses it: nobody guesses that a logit was meant


def test_a_graph_that_says_everything_needs_no_file_beside_it() -> None:
    told = {k: v for k, v in FACTS.items() if k != "size"}
    graph_file(side=8, metadata={**told, "threshold": 0.4, "selected": "fixed", "trained_on": "ffpp_c23"})
    entry = registry.detectors.get("onnx:net.onnx")
    found = entry.make()
    assert (found.size, found.frames, entry.trained_on) == (8, 3, "ffpp_c23")
    assert registry.stated_selection(found, entry.name)["threshold"] == 0.4
    np.testing.assert_allclose(
        found.score(clips_of()), 1 / (1 + np.exp(-said_of(clips_of())[..., 0])), atol=1e-6
    )


def test_what_nobody_stated_is_unknown_not_assumed() -> None:
    graph_file()
    stated()
    found = registry.stated_selection(detector(), "onnx:net.onnx")
    assert found == {"threshold": None, "threshold_source": "unknown", "checkpoint_source": "unknown"}


def test_what_is_missing_is_named_with_the_json_to_write() -> None:
    graph_file(metadata={"size": 8, "mean": MEAN, "std": STD})
    with pytest.raises(HarnessError, match="does not say its frames, layout, output; write") as raised:
        detector()
    shown = json.loads(str(raised.value).partition("values: ")[2])
    assert shown["size"] == 8
    Path("net.onnx.json").write_text(json.dumps({**shown, "output": "logit"}))
    detector()


@pytest.mark.parametrize(
    ("graph", "facts", "complaint"),
    [
        ({}, {"size": 8.5}, "its size cannot be 8.5; known: a whole number above 0"),
        ({}, {"mean": [123.7, 116.3, 103.5]}, r"its mean cannot be \[123.7.*from 0 to 1 \(divide"),
        ({"kind": "UINT8"}, {}, r"takes uint8, .* its mean cannot be \[0.4, 0.5, 0.6\]; leave it out"),
        ({}, {"std": [1, 1, 0]}, r"its std cannot be \[1, 1, 0\]"),
        ({}, {"layout": "CHWN"}, "its layout cannot be 'CHWN'; known: NCHW, NHWC"),
        ({}, {"layout": ["NCHW"]}, r"its layout cannot be \['NCHW'\]"),
        ({}, {"trained_on": 5}, "its trained_on cannot be 5"),
        ({}, {"output": "softmax"}, "its output cannot be 'softmax'"),
        ({}, {"output_name": "other"}, "its output_name cannot be 'other'; known: said"),
        ({}, {"threshold": 2}, "its threshold cannot be 2"),
        ({}, {"colour": "RGB"}, "unknown fact .* 'colour'"),
        ({"metadata": {"size": 16}}, {}, "states its size twice: 16 and 8"),
        ({"side": 16}, {}, "states its size twice: 8 and 16"),
        ({"layout": "NHWC", "side": 8}, {}, "no square image of three channels"),
        ({"layout": "NTCHW"}, {}, "takes 5 axes .* its layout is NCHW"),
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, dict) else "",
)
def test_facts_that_make_no_sense_are_refused(
    graph: dict[str, Any], facts: dict[str, Any], complaint: str
) -> None:
    graph_file(**graph)
    stated(**facts)
    with pytest.raises(HarnessError, match=complaint) as raised:
        registry.detectors.get("onnx:net.onnx")
    assert "\n" not in str(raised.value)


def test_an_output_that_is_not_the_stated_one_is_refused_before_anything_is_scored() -> None:
    graph_file(outputs=4)
    stated(output="logit")
    with pytest.raises(HarnessError, match=r"gives \[1, 4\] for 1 items, no 'logit'"):
        registry.detectors.get("onnx:net.onnx")


@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "NTHWC"])
@pytest.mark.parametrize(("kind", "tolerance"), [("FLOAT16", 5e-3), ("DOUBLE", 1e-6)])
def test_a_graph_may_compute_in_another_precision(kind: str, tolerance: float, layout: str) -> None:
    graph_file(layout, kind=kind)
    stated(layout=layout)
    said = said_of(clips_of())[..., 0]
    expected = 1 / (1 + np.exp(-(said.mean(1, keepdims=True) if "T" in layout else said)))
    np.testing.assert_allclose(detector().score(clips_of()), expected, atol=tolerance)


@pytest.mark.parametrize("facts", [{"mean": None, "std": None}, {"mean": [0, 0, 0], "std": [1, 1, 1]}])
def test_a_graph_that_takes_bytes_is_shown_pixels_as_they_are_and_that_is_said(
    facts: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    onnx_file._graph.cache_clear()  # a process says it once
    graph_file("NHWC", kind="UINT8", outputs=2)
    stated(layout="NHWC", output="softmax:1", **facts)
    said = clips_of().astype(np.float64).mean((2, 3)) @ WEIGHTS[:, :2]
    np.testing.assert_allclose(detector().score(clips_of()), softmax(said, 1), atol=1e-5)
    assert "takes uint8: pixels are shown as they are, 0 to 255" in capsys.readouterr().err


def test_an_input_that_cannot_be_fed_is_named_with_those_that_can() -> None:
    graph_file(kind="BFLOAT16")
    stated()
    with pytest.raises(
        HarnessError, match=r"tensor\(float16\), .*it has x tensor\(bfloat16\)|cannot be loaded"
    ):
        detector()


def test_the_json_to_write_has_the_layout_that_the_shape_shows() -> None:
    graph_file("NHWC", side=8)
    with pytest.raises(HarnessError, match="does not say its") as raised:
        detector()
    shown = json.loads(str(raised.value).partition("values: ")[2])
    assert (shown["layout"], shown["size"]) == ("NHWC", 8)


def test_file_and_facts_are_its_identity() -> None:
    def identity() -> str:
        return registry.detectors.get("onnx:net.onnx").identity

    graph_file()
    stated()
    found = [identity()]
    assert identity() == found[0]
    stated(mean=[0.5, 0.5, 0.5])
    found.append(identity())
    graph_file(batch=4)
    found.append(identity())
    assert len(set(found)) == 3


@pytest.mark.parametrize("none", [{"batch": 0}, {"side": 0}, {"batch": 0, "layout": "NTCHW"}])
def test_a_graph_that_takes_nothing_is_refused(none: dict[str, Any]) -> None:
    graph_file(**none)
    stated(layout=none.get("layout", "NCHW"))
    with pytest.raises(HarnessError, match="must have one input of 4 or 5 axes, none of length 0"):
        detector()


def test_weights_in_a_file_beside_the_graph_are_read_and_part_of_its_identity() -> None:
    graph_file()
    stated()
    inside = detector().score(clips_of()), registry.detectors.get("onnx:net.onnx").identity
    graph_file(external="net.onnx.data")
    beside = detector().score(clips_of()), registry.detectors.get("onnx:net.onnx").identity
    np.testing.assert_array_equal(beside[0], inside[0])
    stored = np.frombuffer(Path("net.onnx.data").read_bytes(), np.float32)
    Path("net.onnx.data").write_bytes((stored * 2).tobytes())
    changed = detector().score(clips_of()), registry.detectors.get("onnx:net.onnx").identity
    assert not np.allclose(changed[0], inside[0])
    assert len({inside[1], beside[1], changed[1]}) == 3


def test_an_absent_file_of_weights_is_told_with_what_to_do() -> None:
    graph_file(external="net.onnx.data")
    stated()
    Path("net.onnx.data").unlink()
    told = r"keeps its weights in net.onnx.data, which is not beside it: put it into .*external_data=False"
    with pytest.raises(HarnessError, match=told) as raised:
        detector()
    assert "\n" not in str(raised.value)


def test_a_file_of_weights_that_is_cut_off_is_one_line() -> None:
    graph_file(external="net.onnx.data")
    stated()
    Path("net.onnx.data").write_bytes(b"12")
    with pytest.raises(HarnessError, match=r"onnx:net\.onnx cannot be loaded") as raised:
        detector()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("place", ["../net.data", "/etc/passwd"])
def test_weights_outside_the_folder_of_the_graph_are_not_read(place: str) -> None:
    model = onnx.load(graph_file(external="net.data"), load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = place
    Path("net.onnx").write_bytes(model.SerializeToString())
    stated()
    with pytest.raises(HarnessError, match=f"keeps weights in '{place}', outside its folder"):
        detector()


def test_a_link_to_weights_elsewhere_is_told_with_what_to_do() -> None:
    graph_file(external="net.data")
    stated()
    Path("blobs").mkdir()
    Path("net.data").rename("blobs/net.data")
    Path("net.data").symlink_to("blobs/net.data")
    detector()  # below the folder of the graph
    Path("net").mkdir()
    Path("net.onnx").rename("net/net.onnx")
    Path("net.onnx.json").rename("net/net.onnx.json")
    Path("net/net.data").symlink_to("../blobs/net.data")
    with pytest.raises(HarnessError, match=r"net\.data is a link to another folder.*copy both files"):
        registry.detectors.get("onnx:net/net.onnx")


@pytest.mark.parametrize(
    "name", ["../net.onnx", "/net.onnx", "a/../net.onnx", "a b.onnx", "", "a#1.onnx", ".a.onnx"]
)
def test_a_path_that_cannot_be_part_of_a_name_is_refused(name: str) -> None:
    with pytest.raises(HarnessError, match="a path below the working directory"):
        registry.detectors.get(f"onnx:{name}")


def test_what_is_absent_or_no_graph_is_one_line() -> None:
    with pytest.raises(HarnessError, match=r"onnx:nowhere\.onnx: no file nowhere\.onnx"):
        registry.detectors.get("onnx:nowhere.onnx")
    Path("pointer.onnx").write_text("version https://git-lfs.github.com/spec/v1")
    with pytest.raises(HarnessError, match=r"onnx:pointer\.onnx only points .* git lfs pull"):
        registry.detectors.get("onnx:pointer.onnx")
    Path("text.onnx").write_text("hello")
    with pytest.raises(HarnessError, match=r"onnx:text\.onnx cannot be loaded") as raised:
        registry.detectors.get("onnx:text.onnx")
    assert "\n" not in str(raised.value)


def test_an_onnx_detector_keeps_the_promises_of_a_detector() -> None:
    graph_file()
    stated()
    findings = check_detector(registry.detectors.get("onnx:net.onnx"))
    assert [finding for finding in findings if not finding.passed] == []


def looped(body: list[Any], times: int = 2**60) -> Path:
    """`net.onnx`: what `graph_file` says, and then a loop over it."""
    model = onnx.load(graph_file())
    shapeless = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("before", "after")]
    flags = [helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("go", "going")]
    count = helper.make_tensor_value_info("count", TensorProto.INT64, [])
    nodes = [helper.make_node("Identity", ["go"], ["going"]), *body]
    inner = helper.make_graph(nodes, "body", [count, flags[0], shapeless[0]], [flags[1], shapeless[1]])
    model.graph.node[-1].output[0] = "once"
    model.graph.node.append(helper.make_node("Loop", ["times", "always", "once"], ["many"], body=inner))
    model.graph.node.append(helper.make_node("ReduceMean", ["many"], ["said"], axes=[1], keepdims=1))
    for name, value in (("times", np.array(times)), ("always", np.array(True))):
        model.graph.initializer.append(numpy_helper.from_array(value, name))
    onnx.save(model, "net.onnx")
    stated()
    return Path("net.onnx")


def test_a_graph_that_comes_to_no_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPBENCH_ALLOW_GRAPH_SECONDS", "1")
    looped([helper.make_node("Identity", ["before"], ["after"])])
    with pytest.raises(HarnessError, match=r"onnx:net\.onnx did not end within 1 s of being shown one"):
        detector()


def test_a_graph_that_takes_ever_more_memory_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPBENCH_ALLOW_GRAPH_MEMORY", str(2**27))
    looped([helper.make_node("Concat", ["before", "before"], ["after"], axis=1)])
    with pytest.raises(HarnessError, match=r"onnx:net\.onnx failed") as raised:
        detector()
    assert "\n" not in str(raised.value)


def test_a_graph_that_ends_is_one_as_ever() -> None:
    looped([helper.make_node("Identity", ["before"], ["after"])], times=3)
    assert detector().score(clips_of()).shape == (2, 3)


def test_functions_that_call_functions_are_counted_before_they_are_written_out() -> None:
    model = onnx.load(graph_file())
    model.graph.node.append(helper.make_node("f0", ["said"], ["more"], domain="l"))
    ours = [helper.make_opsetid("", 13), helper.make_opsetid("l", 1)]
    model.opset_import.append(ours[1])
    for depth in range(40):
        kind, domain = ("Abs", "") if depth == 39 else (f"f{depth + 1}", "l")
        calls = [helper.make_node(kind, [a], [b], domain=domain) for a, b in (("x", "y"), ("y", "z"))]
        model.functions.append(helper.make_function("l", f"f{depth}", ["x"], ["z"], calls, ours))
    onnx.save(model, "net.onnx")
    stated()
    with pytest.raises(HarnessError, match=r"nodes or more, more than 30,000"):
        detector()


@pytest.mark.parametrize("cut", range(0, 400, 37))
def test_a_file_that_is_cut_off_or_no_graph_has_no_nodes_without_end(cut: int) -> None:
    stored = graph_file().read_bytes()
    assert nodes_of(stored, 100) == 3
    assert nodes_of(stored[:cut], 100) <= 3
    assert nodes_of(np.random.default_rng(cut).bytes(500), 100) <= 100


@pytest.mark.parametrize(
    "facts",
    [
        {"frames": 10**9},
        {"size": 10**12},
        {"size": 5000},
        {"frames": 10**9, "layout": "NTCHW"},
        {"size": 9**99},
    ],
    ids=str,
)
def test_facts_that_would_fill_memory_are_refused(facts: dict[str, Any]) -> None:
    graph_file(facts.get("layout", "NCHW"))
    stated(**facts)
    with pytest.raises(HarnessError, match=r"net\.onnx.*(more than|not valid)"):
        detector()
