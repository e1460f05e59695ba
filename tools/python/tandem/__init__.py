"""tandem: fine-tuning and inference of Llama models in 4 bits.

    with tandem.FineTune("SmolLM2-135M", "data.jsonl", lora_rank=16) as tune:    # a training, step by step
        for metrics in tune:
            print(metrics["loss"])
        tune.save("adapter")
    with tandem.Model.open("SmolLM2-135M", adapter="adapter") as model:          # logits, losses, text
        print("".join(model.generate("Once upon a time")))
    weight = tandem.quantize(array, "nf4")                  # a weight in NF4, its products and input gradient

Arrays come and go by DLPack, without a copy: whatever has __dlpack__ (numpy, torch, jax) is taken, and a tandem.Tensor
has it too. Failures are tandem.Error, wrong input is tandem.InputError, too little memory tandem.DoesNotFit.
"""
from ._fine_tune import FineTune
from ._model import Model, Tokenizer
from ._tandem import DoesNotFit, Error, InputError, QuantizedWeight, Tensor, from_dlpack, quantize

__all__ = ["DoesNotFit", "Error", "FineTune", "InputError", "Model", "QuantizedWeight", "Tensor", "Tokenizer",
           "from_dlpack", "quantize"]

for _public in (DoesNotFit, Error, FineTune, InputError, Model, QuantizedWeight, Tensor, Tokenizer):
    _public.__module__ = "tandem"
del _public
