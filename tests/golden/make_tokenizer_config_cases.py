#!/usr/bin/env python3
"""What transformers gives where tokenizer_config.json adds tokens, and for values of tokenizer.json that change
nothing.  usage: make_tokenizer_config_cases.py OUT.json  (pip install tokenizers transformers)

Each case: a model below models/, members of its tokenizer.json that are replaced ("model": members of the model;
"added_tokens+": more of them), its tokenizer_config.json, texts with ids and decoded text.
"""

import json, pathlib, sys, tempfile
import tokenizers, transformers

here = pathlib.Path(__file__).parent


def token(id, content, **more):
    return {
        "id": id,
        "content": content,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
        **more,
    }


def declared(*tokens):
    return {"added_tokens_decoder": {str(t["id"]): {k: v for k, v in t.items() if k != "id"} for t in tokens}}


L2, L3 = "llama2-mha", "llama3-gqa"
TEXTS = ["a<x>b  <x> c", "x<y> <x>  <y>.", " <x>the<x> the, the", "</s><|eot_id|> naïve"]
ID = {L2: 512, L3: 640}
VOCAB = json.loads((here / "models" / L3 / "tokenizer.json").read_text())["model"]["vocab"]
CASES = []


def case(base, name, changes={}, *tokens):
    CASES.append((base, name, changes, declared(*tokens) if tokens else {}))


for m in (L2, L3):
    x, y, more = ID[m], ID[m] + 1, "added_tokens+"
    case(m, "one token", {}, token(x, "<x>"))
    case(m, "two, not in order", {}, token(y, "<y>"), token(x, "<x>"))
    case(m, "behind one of tokenizer.json", {more: [token(x, "<x>")]}, token(x, "<x>"), token(y, "<y>"))
    for flag in ("single_word", "lstrip", "rstrip", "normalized"):
        case(m, flag, {}, token(x, "<x>", **{flag: True}))
    case(m, "no special token", {}, token(x, "<x>", special=False, normalized=True))
    case(m, "flags left out", {}, {"id": x, "content": "<x>"}, {"id": y, "content": "<y>", "special": True})
    case(
        m,
        "other flags than in tokenizer.json",
        {more: [token(x, "<x>"), token(y, "<y>", special=False, rstrip=True)]},
        token(x, "<x>", lstrip=True, special=False),
        token(y, "<y>"),
    )
    case(m, "a token without content", {}, token(x - 1, ""), token(x, "<x>"))
    case(m, "the same token twice", {more: [token(x, "<x>"), token(y, "<y>"), token(x, "<x>")]})
    case(m, "twice with other flags", {more: [token(x, "<x>"), token(x, "<x>", lstrip=True, special=False)]})
    for key, value in (
        ("dropout", 0.0),
        ("dropout", 0),
        ("continuing_subword_prefix", ""),
        ("end_of_word_suffix", ""),
        ("fuse_unk", None),
        ("ignore_merges", None),
        ("unk_token", "nowhere"),
    ):
        case(m, f"{key} {value!r}", {"model": {key: value}})
    case(
        m,
        "truncation and padding",
        {
            "truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
            "padding": {
                "strategy": {"Fixed": 40},
                "direction": "Left",
                "pad_to_multiple_of": 8,
                "pad_id": 0,
                "pad_type_id": 0,
                "pad_token": "</s>" if m == L2 else "<|eot_id|>",
            },
        },
    )
case(L3, "byte_fallback without bytes", {"model": {"byte_fallback": True}})
case(L3, "an empty sequence", {"normalizer": {"type": "Sequence", "normalizers": []}})
case(L3, "one of the vocabulary", {}, token(VOCAB["ve"], "ve", special=False), token(VOCAB["he"], "he", lstrip=True))

out = []
for base, name, changes, config in CASES:
    spec = json.loads((here / "models" / base / "tokenizer.json").read_text())
    for key, value in changes.items():
        if key == "model":
            spec["model"].update(value)
        elif key == "added_tokens+":
            spec["added_tokens"] += value
        else:
            spec[key] = value
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "tokenizer.json").write_text(json.dumps(spec))
        pathlib.Path(folder, "tokenizer_config.json").write_text(json.dumps(config))
        t = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    rows = []
    for text in TEXTS:
        ids = t(text, add_special_tokens=False)["input_ids"]
        rows.append(
            {
                "text": text,
                "ids": ids,
                "decoded": t.backend_tokenizer.decode(ids, skip_special_tokens=False),
                "without": t.backend_tokenizer.decode(ids),
            }
        )
    out.append({"base": base, "name": name, "changes": changes, "config": config, "cases": rows})
json.dump(
    {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__, "variants": out},
    open(sys.argv[1], "w"),
    separators=(",", ":"),
    ensure_ascii=True,
)
