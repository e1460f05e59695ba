#!/usr/bin/env python3
"""Checkpoints of models/llama2-mha that hqq has quantized to 4, 3 and 2 bits, and PEFT's 12-step curves over them.

usage: make_hqq.py
writes models/llama2-mha-hqqN, adapters/hqqN-llama2 and quant/hqq_modules.safetensors beside itself
needs: pip install torch transformers peft hqq==0.2.8.post1 safetensors

hqq_modules holds the tensors of single layers [16, 60] as hqq writes them, in many settings, and their `values`:
(code - zero) * scale in float32. PEFT trains the dense model that hqq's own dequantize gives, in float32 on the CPU,
from adapters/lora-llama2/init.
"""
import json
import math
import pathlib
import shutil

import torch
import torch.nn.functional as F
from hqq.core.quantize import BaseQuantizeConfig, HQQLinear, Quantizer
from hqq.models.hf.base import AutoHQQHFModel
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent
SOURCE = HERE / "models" / "llama2-mha"


def load():
    return AutoModelForCausalLM.from_pretrained(SOURCE, dtype=torch.float32)


def save_checkpoint(model, bits, folder):
    """As hqq writes it, but what stays dense in the source's bf16; and the method in config.json."""
    shutil.rmtree(folder, ignore_errors=True)
    AutoHQQHFModel.save_to_safetensors(model, str(folder) + "/")
    file = folder / "model.safetensors"
    dense = {"model.embed_tokens.weight", "lm_head.weight"}
    tensors = {k: v.bfloat16() if k in dense or k.endswith("norm.weight") else v for k, v in load_file(file).items()}
    save_file(tensors, file, metadata={"format": "pt"})
    config = json.loads((SOURCE / "config.json").read_text())
    config["quantization_config"] = {
        "quant_method": "hqq", "skip_modules": ["lm_head"],
        "quant_config": {"weight_quant_params": {"nbits": bits, "group_size": 64, "axis": 1}}}
    (folder / "config.json").write_text(json.dumps(config, indent=1))


def dequantized(model):
    dense, modules = load(), dict(model.named_modules())
    with torch.no_grad():
        for name, parameter in dense.named_parameters():
            module = modules[name.removesuffix(".weight")]
            if isinstance(module, HQQLinear):
                parameter.copy_(Quantizer.dequantize(module.W_q, module.meta))
    return dense


def batch(part):
    longest = max(len(s["input_ids"]) for s in part)
    padded = [[s[key] + [fill] * (longest - len(s[key])) for s in part]
              for key, fill in (("input_ids", 0), ("labels", -100))]
    return [torch.tensor(p) for p in padded]


def curve(model, samples, lr=2e-3, steps=12, batch_size=2):
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=lr, betas=(0.9, 0.95), eps=1e-5, weight_decay=0.1)
    rows = []
    for step in range(steps):
        x, y = batch(samples[step * batch_size:(step + 1) * batch_size])
        count = int((y[:, 1:] != -100).sum())
        logits = model(input_ids=x).logits[:, :-1]
        loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), y[:, 1:].reshape(-1), ignore_index=-100,
                               reduction="sum") / count
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(trained, math.inf).item()
        optimizer.step()
        rows.append({"step": step + 1, "loss": loss.item(), "grad_norm": norm, "supervised_tokens": count})
    return {"batch_size": batch_size, "gradient_accumulation_steps": 1, "lr": lr, "wd": 0.1, "betas": [0.9, 0.95],
            "eps": 1e-5, "clip": None, "lora_dropout": 0.0, "rows": rows}


def save_adapter(model, folder, base):
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": f"models/{base}"}, indent=1))


def modules():
    tensors = {}
    torch.manual_seed(0)
    f32, f16, bf16 = torch.float32, torch.float16, torch.bfloat16
    for bits in (8, 6, 5, 4, 3, 2, 1.58, 1):
        for axis, group, dtype in ((1, 8, f32), (1, 40, f16), (1, 120, f32), (0, 8, f32), (0, 16, bf16)):
            layer = torch.nn.Linear(60, 16, bias=False)
            config = BaseQuantizeConfig(nbits=bits, group_size=group, axis=axis,
                                        view_as_float=axis == 1 and bits in (4, 2))
            q = HQQLinear(layer, config, compute_dtype=dtype, device="cpu")
            name = f"b{bits}.axis{axis}.g{group}.{str(dtype).removeprefix('torch.')}"
            tensors |= {f"{name}.{k}": v for k, v in q.state_dict().items()}
            meta = q.meta | {"compute_dtype": torch.float32, "scale": q.meta["scale"].float(),
                             "zero": q.meta["zero"].float()}
            tensors[f"{name}.values"] = Quantizer.dequantize(q.W_q, meta)
    tensors = {k: v.detach().contiguous().clone() for k, v in tensors.items()}
    save_file(tensors, HERE / "quant" / "hqq_modules.safetensors")


def main():
    torch.set_num_threads(1)
    modules()
    samples = [json.loads(line) for line in (HERE / "data" / "llama2-equal.jsonl").read_text().splitlines()]
    for bits in (4, 3, 2):
        torch.manual_seed(bits)
        model = load()
        config = BaseQuantizeConfig(nbits=bits, group_size=64, axis=1)
        AutoHQQHFModel.quantize_model(model, quant_config=config, compute_dtype=torch.float32, device="cpu")
        name = f"llama2-mha-hqq{bits}"
        save_checkpoint(model, bits, HERE / "models" / name)
        adapted = PeftModel.from_pretrained(dequantized(model), HERE / "adapters" / "lora-llama2" / "init",
                                            is_trainable=True)
        folder = HERE / "adapters" / f"hqq{bits}-llama2"
        folder.mkdir(exist_ok=True)
        (folder / "curve.json").write_text(json.dumps(curve(adapted, samples), indent=1))
        save_adapter(adapted, folder / "final", name)


if __name__ == "__main__":
    main()
