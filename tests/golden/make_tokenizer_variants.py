#!/usr/bin/env python3
"""What Hugging Face's tokenizers give for the forms a tokenizer.json takes.

usage: make_tokenizer_variants.py OUT.json    (pip install tokenizers)

Each variant: a model below models/, members of its tokenizer.json that are replaced ("model": members of the model),
and texts with ids and decoded text; `bytes`: decodings of single ids, most of them parts of a character."""

import json, pathlib, sys
from tokenizers import Tokenizer, __version__

here = pathlib.Path(__file__).parent


def byte_level(prefix=False, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def metaspace(**more):
    return {"type": "Metaspace", "replacement": "▁", **more}


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def sequence(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


def token(id, content, **more):
    return {
        "id": id,
        "content": content,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": False,
        **more,
    }


QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
    r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
ADDED2 = [
    token(512, "<sw>", single_word=True),
    token(513, "<ls>", lstrip=True),
    token(514, "<rs>", rstrip=True, special=True),
    token(515, "<norm>", normalized=True),
    token(516, "<ls><rs>", lstrip=True, rstrip=True),
]
ADDED3 = [
    token(640, "<sw>", single_word=True),
    token(641, "<ls>", lstrip=True),
    token(642, "<rs>", rstrip=True, special=True),
    token(643, "<norm>", normalized=True),
    token(644, "  ", normalized=True),
]
L2, L3 = "llama2-mha", "llama3-gqa"
META_DECODER = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first"}
VARIANTS = (
    [(L2, "merges as strings", {}), (L3, "merges as strings", {})]
    + [
        (
            L2,
            f"metaspace {scheme}, split {s}",
            {
                "normalizer": None,
                "pre_tokenizer": metaspace(prepend_scheme=scheme, split=s),
                "decoder": dict(META_DECODER, prepend_scheme=scheme),
            },
        )
        for scheme in ("always", "first", "never")
        for s in (True, False)
    ]
    + [
        (
            L2,
            "old metaspace",
            {"normalizer": None, "pre_tokenizer": metaspace(add_prefix_space=True), "decoder": META_DECODER},
        ),
        (L2, "no byte fallback, fused unknowns", {"model": {"byte_fallback": False, "fuse_unk": True}}),
        (L2, "no byte fallback, single unknowns", {"model": {"byte_fallback": False, "fuse_unk": False}}),
        (L2, "no byte fallback, no unknown", {"model": {"byte_fallback": False, "unk_token": None}}),
        (
            L2,
            "ignore merges",
            {
                "model": {"ignore_merges": True},
                "pre_tokenizer": metaspace(prepend_scheme="first"),
                "normalizer": None,
            },
        ),
        (L2, "no decoder", {"decoder": None}),
        (L2, "added tokens", {"added_tokens+": ADDED2}),
        (
            L2,
            "regex normalizer",
            {
                "normalizer": {
                    "type": "Sequence",
                    "normalizers": [
                        {"type": "NFC"},
                        {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": "▁"},
                    ],
                }
            },
        ),
        (
            L3,
            "qwen2",
            {
                "normalizer": {"type": "NFC"},
                "pre_tokenizer": sequence(split(QWEN2), byte_level(regex=False)),
                "model": {"ignore_merges": False},
            },
        ),
        (L3, "tekken", {"pre_tokenizer": sequence(split(TEKKEN), byte_level(regex=False))}),
        (
            L3,
            "smollm2",
            {
                "pre_tokenizer": sequence({"type": "Digits", "individual_digits": True}, byte_level()),
                "post_processor": None,
            },
        ),
        (L3, "digit runs", {"pre_tokenizer": sequence({"type": "Digits", "individual_digits": False}, byte_level())}),
        (L3, "gpt2", {"pre_tokenizer": byte_level(prefix=True), "post_processor": byte_level()}),
        (L3, "words", {"pre_tokenizer": sequence(split(r"\w+|[^\w\s]+"), byte_level(regex=False))}),
        (L3, "added tokens", {"pre_tokenizer": byte_level(prefix=True), "added_tokens+": ADDED3}),
        (
            L3,
            "two templates",
            {
                "post_processor": {
                    "type": "TemplateProcessing",
                    "single": [
                        {"SpecialToken": {"id": "b", "type_id": 0}},
                        {"Sequence": {"id": "A", "type_id": 0}},
                        {"SpecialToken": {"id": "e", "type_id": 0}},
                    ],
                    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
                    "special_tokens": {
                        "b": {"id": "b", "ids": [635, 637], "tokens": ["x", "y"]},
                        "e": {"id": "e", "ids": [639], "tokens": ["z"]},
                    },
                }
            },
        ),
    ]
    + [
        (
            L3,
            f"split {b}{' inverted' if i else ''}",
            {"pre_tokenizer": sequence(split(" ", b, i, "String"), byte_level(regex=False))},
        )
        for b in ("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous")
        for i in (False, True)
    ]
)
TEXTS = [
    "",
    " ",
    "Hello, world!",
    "  two  spaces ",
    " leading",
    "\n\nnew\r\nlines\t tabs ",
    "it's THEY'LL I'D we've 'ſ",
    "12345 3.14 ½ ² ٣٤ Ⅷ",
    "naïve cafe\u0301 \u212b \u1100\u1161\u11a8 क\u093c",
    "你好，世界。 こんにちは 🙂👩‍👧",
    "\u00a0nbsp\u2003em\u3000wide\u180evs\u200bzw\u0085nel\u2028ls",
    "<s>text</s> <unk><|eot_id|> <0x41>",
    "a<sw>b <sw> c<sw>",
    "x  <ls>y<rs>  z <norm> <ls><rs>  w",
    "▁under▁ Ġ\x00\x1c end",
    "the <norm>of\u200d<sw>\u00b2",
]

out = []
for base, name, changes in VARIANTS:
    spec = json.loads((here / "models" / base / "tokenizer.json").read_text())
    changes = json.loads(json.dumps(changes))
    if name == "merges as strings":
        spec["model"]["merges"] = [" ".join(m) for m in spec["model"]["merges"]]
    for key, value in changes.items():
        if key == "model":
            spec["model"].update(value)
        elif key == "added_tokens+":
            spec["added_tokens"] += value
        else:
            spec[key] = value
    t = Tokenizer.from_str(json.dumps(spec))
    rows = []
    for text in TEXTS:
        ids = t.encode(text, add_special_tokens=False).ids
        rows.append(
            {
                "text": text,
                "ids": ids,
                "with_special": t.encode(text).ids,
                "decoded": t.decode(ids, skip_special_tokens=False),
                "without": t.decode(ids),
            }
        )
    parts = [[259 - k, 220, 3 + k, 140 + 7 * k % 100, 130 + k] for k in range(0, 60, 6)]
    out.append(
        {
            "base": base,
            "name": name,
            "changes": changes,
            "cases": rows,
            "bytes": [[p, t.decode(p, skip_special_tokens=False)] for p in parts],
        }
    )
json.dump(
    {"tokenizers": __version__, "variants": out}, open(sys.argv[1], "w"), separators=(",", ":"), ensure_ascii=True
)
