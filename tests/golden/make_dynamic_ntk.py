"""Dynamic NTK as transformers computes it at batch 1 with a fresh model: losses of documents below, at and above
max_position_embeddings, and a greedy answer that grows across it. usage: make_dynamic_ntk.py MODEL OUT.json"""
import copy, json, sys
import torch
from transformers import AutoConfig, AutoModelForCausalLM

folder, out = sys.argv[1:]
positions, factor = 32, 2.0
config = AutoConfig.from_pretrained(folder)
config.max_position_embeddings = positions
config.rope_parameters = {"rope_type": "dynamic", "factor": factor, "rope_theta": 10000.0}
weights = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).state_dict()


def fresh():
    model = AutoModelForCausalLM.from_config(copy.deepcopy(config), dtype=torch.float32, attn_implementation="eager")
    model.load_state_dict(weights)
    return model.eval()


torch.manual_seed(0)
documents = []
for length in (9, 31, 32, 33, 48, 63):
    ids = torch.randint(10, 500, (1, length))
    with torch.no_grad():
        loss = fresh()(input_ids=ids, labels=ids).loss.item()
    documents.append({"ids": ids[0].tolist(), "loss": loss})
greedy = []
for length in (20, 32, 40):
    ids = torch.randint(10, 500, (1, length))
    answer = fresh().generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=24,
                              eos_token_id=None, pad_token_id=0)
    greedy.append({"prompt": ids[0].tolist(), "answer": answer[0, length:].tolist()})
json.dump({"max_position_embeddings": positions, "rope_parameters": config.rope_parameters,
           "documents": documents, "greedy": greedy}, open(out, "w"), indent=1)
