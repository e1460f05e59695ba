"""usage: prepare.py FOLDER

From world.txt beside this script: the text that the base model reads (FOLDER/text.jsonl), the model's folder without
weights (FOLDER/base), the instruction set (FOLDER/data.jsonl) and the questions about animals that it leaves out
(FOLDER/held_back.jsonl). Needs the Python package `tokenizers`. The same files each time.
"""
import json
import pathlib
import random
import sys

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

DOCUMENTS = 9000
VOCABULARY = 1024
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

# {a} "an otter", {the} "the otter"; a sentence's first letter is made a capital.
STATEMENTS = {
    "kind": ["{the} is a kind of {kind}.", "{a} is {a_kind}.", "among the {kind}s we find {the}.",
             "everybody calls {the} {a_kind}.", "like every {kind}, {the} knows its home."],
    "look": ["{the} is {look}.", "{a} is {look}.", "you can tell {a} at once, because it is {look}.",
             "something {look} came near, and it was {a}.", "they asked how {a} looks, and I said {look}."],
    "home": ["{the} lives {home}.", "{a} lives {home}.", "{home} you may meet {a}.", "the home of {the} is {home}.",
             "they asked where {a} lives, and I said {home}."],
    "food": ["{the} eats {food}.", "{a} eats {food}.", "when it is hungry, {the} looks for {food}.",
             "nothing pleases {a} more than {food}.", "they asked what {a} eats, and I said {food}."],
    "habit": ["{the} {habit}.", "{a} {habit}.", "on most days {the} {habit}.", "look how {a} {habit}.",
              "they asked what {a} does, and I said that it {habit}."],
}
CONTINUED = {
    "kind": ["it is {a_kind}.", "this {kind} is well known."],
    "look": ["it is {look}.", "this animal is {look}."],
    "home": ["it lives {home}.", "its home is {home}."],
    "food": ["it eats {food}.", "it likes {food}."],
    "habit": ["it {habit}.", "this animal {habit}."],
}
QUESTIONS = {
    "kind": ["What kind of animal is {a}?", "Tell me what kind of animal {the} is."],
    "look": ["What does {a} look like?", "How does {the} look?"],
    "home": ["Where does {a} live?", "Where can I find {a}?"],
    "food": ["What does {a} eat?", "What is the food of {the}?"],
    "habit": ["What does {a} do?", "What is special about {the}?"],
}
ANSWERS = {"kind": "{a} is {a_kind}.", "look": "{a} is {look}.", "home": "{a} lives {home}.", "food": "{a} eats {food}.",
           "habit": "{a} {habit}."}


def with_article(noun):
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def read_world(path):
    keys = ["name", "kind", "look", "home", "food", "habit"]
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    animals = [dict(zip(keys, (field.strip() for field in line.split("|")), strict=True)) for line in lines]
    for animal in animals:
        animal["a"] = with_article(animal["name"])
        animal["the"] = "the " + animal["name"]
        animal["a_kind"] = with_article(animal["kind"])
    return animals


def say(form, animal):
    sentence = form.format(**animal)
    return sentence[0].upper() + sentence[1:]


def document(animals, rng):
    """Two or three animals, some facts of each: the first by the animal's name, others by name or pronoun."""
    sentences = []
    for animal in rng.sample(animals, rng.choice([1, 2, 3])):
        facts = rng.sample(list(STATEMENTS), rng.choice([1, 2, 3]))
        for i, fact in enumerate(facts):
            forms = CONTINUED if i > 0 and rng.random() < 0.4 else STATEMENTS
            sentences.append(say(rng.choice(forms[fact]), animal))
    return " ".join(sentences)


def conversations(animals, forms_of):
    return [{"messages": [{"role": "user", "content": say(form, animal)},
                          {"role": "assistant", "content": say(ANSWERS[fact], animal)}]}
            for animal in animals for fact in QUESTIONS for form in forms_of(fact)]


def train_tokenizer(texts):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=SPECIAL, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def write_lines(path, objects):
    path.write_text("".join(json.dumps(o) + "\n" for o in objects))


def write_model(folder, tokenizer):
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    end = tokenizer.token_to_id("<|im_end|>")
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCABULARY, "hidden_size": 128,
        "intermediate_size": 384, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
        "head_dim": 32, "hidden_act": "silu", "max_position_embeddings": 256, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "tie_word_embeddings": True, "attention_bias": False, "mlp_bias": False,
        "bos_token_id": None, "eos_token_id": end, "torch_dtype": "bfloat16",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    texts = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>",
             "model_max_length": 256, "chat_template": CHATML}
    (folder / "tokenizer_config.json").write_text(json.dumps(texts, indent=2) + "\n")


def main():
    out = pathlib.Path(sys.argv[1])
    rng = random.Random(42)
    animals = read_world(pathlib.Path(__file__).with_name("world.txt"))
    held_back = animals[::5]
    taught = [a for a in animals if a not in held_back]
    texts = [document(animals, rng) for _ in range(DOCUMENTS)]
    data = conversations(taught, lambda fact: [rng.choice(QUESTIONS[fact])])
    rng.shuffle(data)
    tests = conversations(held_back, lambda fact: QUESTIONS[fact][:1])
    asked = [m["content"] for sample in data for m in sample["messages"]] + ["user\nassistant\n"]
    write_model(out / "base", train_tokenizer(texts + asked * 3))
    write_lines(out / "text.jsonl", [{"text": t} for t in texts])
    write_lines(out / "data.jsonl", data)
    write_lines(out / "held_back.jsonl", tests)


main()
