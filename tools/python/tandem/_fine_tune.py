from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from . import _settings
from ._session import Session
from ._tandem import FineTuneSession, InputError, Tensor, describe_settings

if TYPE_CHECKING:
    from os import PathLike

    Loss = Callable[[Tensor, Tensor, float], tuple[Any, Any]]


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # numpy's numbers and arrays, torch's tensors
        return value.tolist()
    raise TypeError(f"expected what JSON can hold, got {type(value).__name__}")


def _json_of(records: Iterable[Mapping[str, Any]], limit: int | None) -> list[str]:
    import json
    texts = []
    for i, record in enumerate(islice(records, limit)):
        if not isinstance(record, Mapping):
            raise InputError(f"dataset[{i}]: expected a dict, got {type(record).__name__}")
        texts.append(json.dumps(dict(record), ensure_ascii=False, default=_plain))
    return texts


class FineTune(Session):
    """A fine-tuning, step by step: an iterator over its steps, which yields each step's metrics; a context manager.

        with tandem.FineTune("SmolLM2-135M", "data.jsonl", train_type="qlora", lora_rank=16, lr=1e-3) as tune:
            for metrics in tune:
                print(metrics["step"], metrics["loss"])
            tune.save("adapter")

    model: a folder with config.json, safetensors and tokenizer.json.
    dataset: a JSON or JSONL file, or an iterable of records (dicts as such a file has them), which is read at once.
    output_dir: None writes nothing but what save() and checkpoint() are told to. With a folder the run is as the
        command line's: metrics.jsonl, checkpoints, evaluations and the result are written there, and the same run begun
        again goes on from its newest checkpoint.
    loss: a loss of one's own in the place of cross-entropy, loss(logits, targets, scale) -> (losses, dlogits): for the
        supervised rows of a chunk it is given the logits (Tensor [rows, vocab], float32, its own to write to), the ids
        that the rows are to predict (Tensor [rows], int32) and a number; it returns each row's loss ([rows], float64 or
        float32) and the gradient of scale * the sum of these losses ([rows, vocab], float32). Every rank calls it from
        its own thread. What it raises ends the session and is raised again.
    answers: whether to keep memory for answer().

    The constructor opens and checks model, data and settings; the first step, or whatever else computes, checks that
    there is room, starts the ranks and loads the weights. InputError: something given is wrong. DoesNotFit: there is
    no room; the message says what would fit. The GIL is free while ranks compute. Ctrl-C finishes the step at hand and
    raises KeyboardInterrupt; the session can be used on, and its next step gives the metrics of that one.

    Metrics: step, epoch, loss, grad_norm, lr, tokens, supervised_tokens, seconds, tokens_per_second; eval_loss after a
    step that the data was evaluated at (with output_dir); skipped=True where loss or gradients were not finite and no
    weight was changed.

    Settings, each with its values and [default]; None stands for not given:
    """

    def __init__(self, model: str | PathLike[str], dataset: str | PathLike[str] | Iterable[Mapping[str, Any]], *,
                 output_dir: str | PathLike[str] | None = None, loss: Loss | None = None, answers: bool = True,
                 **settings: Any) -> None:
        given = {"model": model, "output_dir": output_dir, **settings}
        records = None
        if isinstance(dataset, (str, os.PathLike)):
            given["dataset"] = dataset
        else:
            records = _json_of(dataset, settings.get("dataset_samples"))
        self._loss = loss  # the session does not keep it alive
        self._session = FineTuneSession(_settings.texts(given), records, answers, loss)

    def plan(self) -> dict[str, Any]:
        """The memory that it takes, in bytes: ranks, for each its most of every category at once, its slab, its
        slab on the host, and what loading and saving take; host_weights, which all share; host, all that the ranks
        take of the host."""
        return self._session.plan()

    def start(self) -> None:
        """Checks that there is room, starts the ranks and loads the weights; the first step does it otherwise."""
        self._session.start()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self

    def __next__(self) -> dict[str, Any]:
        metrics = self._session.next()
        if metrics is None:
            raise StopIteration
        return metrics

    def __len__(self) -> int:
        return self._session.total_steps

    @property
    def total_steps(self) -> int:
        """How many steps the whole has."""
        return self._session.total_steps

    @property
    def steps(self) -> int:
        """How many are done."""
        return self._session.steps

    @property
    def samples(self) -> list[tuple[str, str]]:
        """The answers to sample_prompt: ("before", …), ("after", …)."""
        return self._session.samples

    def take_notes(self) -> list[str]:
        """What was decided or happened since the last call, a sentence each."""
        return self._session.take_notes()

    def evaluate(self) -> float:
        """The mean loss of eval_dataset. InputError where there is none."""
        return self._session.evaluate()

    def answer(self, text: str, max_new_tokens: int = 128, temperature: float = 0.0, seed: int = 42) -> str:
        """What the model as trained so far answers: text is a user's turn where the model has a chat template, else
        the beginning of a text. InputError without a tokenizer; Error where the logits are not finite."""
        return self._session.answer(text, max_new_tokens, temperature, seed)

    def save(self, folder: str | PathLike[str]) -> None:
        """Writes what was trained: a PEFT adapter, or with train_type "full" the model as a Hugging Face folder."""
        self._session.save(os.fspath(folder))

    def checkpoint(self, folder: str | PathLike[str], keep: int = 2) -> str:
        """Writes a checkpoint of the last step into folder/step-NNNNNN, whose path is returned; of the checkpoints in
        folder the newest `keep` stay."""
        return self._session.checkpoint(os.fspath(folder), keep)

    def restore(self, checkpoint: str | PathLike[str]) -> None:
        """Goes on from a checkpoint's folder. InputError where it is damaged or of another model. With output_dir the
        setting resume says where to go on."""
        self._session.restore(os.fspath(checkpoint))

    def finish(self) -> None:
        """With output_dir: writes the checkpoint and the result of the steps so far. The end of the iteration does it
        by itself."""
        self._session.finish()


FineTune.__doc__ += _settings.table(
    [line for line in describe_settings() if line[0] not in ("model", "dataset", "output_dir")]) + "\n"
