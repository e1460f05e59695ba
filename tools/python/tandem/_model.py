from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from . import _settings
from ._session import Session
from ._tandem import InputError, ModelSession, Tensor, describe_model_settings

if TYPE_CHECKING:
    from os import PathLike

_REPLACEMENT = "\ufffd"


class Tokenizer:
    """Text to token ids and back, as the model's tokenizer.json says. Got from Model.tokenizer."""

    def __init__(self, session: ModelSession) -> None:
        self._session = session

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        """The ids of a text; special tokens written in it are recognised. add_special_tokens: what the tokenizer puts
        around a text (BOS)."""
        return self._session.encode(text, add_special_tokens)

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = False) -> str:
        """The text of ids. Bytes that are no UTF-8 become U+FFFD."""
        return self._session.decode(ids, skip_special_tokens)

    def apply_chat_template(self, messages: Sequence[Mapping[str, str]], tokenize: bool = True,
                            add_generation_prompt: bool = False) -> list[int] | str:
        """A conversation, [{"role": "user", "content": …}, …], as the model's chat template writes it: its ids, or
        with tokenize=False its text. add_generation_prompt: with what opens the assistant's turn at the end.

        InputError where the model has no template that tandem knows, or the template refuses the roles."""
        turns = [(message["role"], message["content"]) for message in messages]
        text = self._session.chat_text(turns, add_generation_prompt)
        return self._session.encode_whole(text) if tokenize else text


class Model(Session):
    """A model on its ranks, without training: logits, losses and text. Made by Model.open(); a context manager.

    One call at a time computes; calls from other threads wait. The GIL is free meanwhile."""

    def __init__(self, session: ModelSession) -> None:
        self._session = session

    @classmethod
    def open(cls, dir: str | PathLike[str], gpus: str | Sequence[Any] = "cpu", precision: str = "fp32",
             adapter: str | PathLike[str] | None = None, **settings: Any) -> Model:
        """Opens a folder with config.json, safetensors and tokenizer.json, checks that there is room, and loads it.

        gpus: "cpu", "cpu,cpu", "0,1", "auto": a device for each rank. precision: "fp32" or "bf16".
        adapter: a PEFT adapter's folder. The weights are held as the files have them; train_type="qlora" holds them in
        4 bits. InputError where something given or a file is wrong, DoesNotFit where there is no room.

        Settings, each with its values and [default]:
        """
        given = _settings.texts({"model": dir, "gpus": gpus, "precision": precision, **settings})
        return cls(ModelSession(given, None if adapter is None else _settings._text(adapter)))

    def logits(self, ids: Sequence[int] | Any) -> Tensor:
        """The logits after each id: Tensor [len, vocab], float32. ids: a sequence of integers, or an int32 or int64
        array [len]. InputError for none, for more than context_length, or for ids outside the vocabulary."""
        return self._session.logits(ids)

    def loss(self, ids: Sequence[int] | Any, labels: Sequence[int] | Any | None = None) -> float:
        """The mean cross-entropy over the supervised ids, in nats. labels: as many as ids, not shifted, -100 where
        nothing is supervised; without them every id but the first is. Errors as of logits()."""
        return self._session.loss(ids, labels)

    @overload
    def generate(self, prompt: str, max_new_tokens: int = ..., temperature: float = ..., seed: int = ...,
                 ignore_eos: bool = ...) -> Iterator[str]: ...
    @overload
    def generate(self, prompt: Sequence[int], max_new_tokens: int = ..., temperature: float = ..., seed: int = ...,
                 ignore_eos: bool = ...) -> Iterator[int]: ...

    def generate(self, prompt: Any, max_new_tokens: int = 128, temperature: float = 0.0, seed: int = 42,
                 ignore_eos: bool = False) -> Iterator[Any]:
        """Goes on with a prompt: yields new ids where it is ids, pieces of text where it is text.

        temperature 0 takes the most likely id, the lowest where several are. The text ends at an end token (its id is
        yielded, its text is not) unless ignore_eos, after max_new_tokens, or where context_length is full. A model
        writes one text at a time: an iterator that is used after a later generate() raises Error. InputError as of
        logits(); Error where the logits are not finite."""
        is_text = isinstance(prompt, str)
        ids = self._session.encode(prompt, True) if is_text else prompt
        text = self._session.begin(ids, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed,
                                   ignore_eos=ignore_eos)
        return self._pieces(text) if is_text else self._ids(text)

    def _ids(self, text: int) -> Iterator[int]:
        while (new := self._session.next(text)) is not None:
            yield new

    # The bytes of one character may come from several ids: replacement characters at the end are held back until
    # the next id says that they are some.
    def _pieces(self, text: int) -> Iterator[str]:
        ids: list[int] = []
        given = 0
        for new in self._ids(text):
            ids.append(new)
            whole = self._session.decode(ids, True)
            complete = len(whole)
            while complete > max(given, len(whole) - 3) and whole[complete - 1] == _REPLACEMENT:
                complete -= 1
            if complete > given:
                yield whole[given:complete]
                given = complete
        rest = self._session.decode(ids, True)[given:] if ids else ""
        if rest:
            yield rest

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer. InputError where its folder has none."""
        if not self._session.has_tokenizer:
            raise InputError("[model] expected tokenizer.json in the model's folder, got none; give ids, not text")
        return Tokenizer(self._session)

    @property
    def vocab_size(self) -> int:
        """The width of the logits."""
        return self._session.vocab_size

    @property
    def context_length(self) -> int:
        """The most ids of a text, prompt and answer together."""
        return self._session.context_length

    @property
    def eos_ids(self) -> list[int]:
        """The ids that end a text."""
        return self._session.eos_ids

    @property
    def notes(self) -> list[str]:
        """What was decided that nobody asked for, a sentence each."""
        return self._session.notes


Model.open.__func__.__doc__ += _settings.table(
    [line for line in describe_model_settings() if line[0] not in ("model", "gpus", "precision")]) + "\n"
