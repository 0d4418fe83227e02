"""What the two trainers of the transformers world share."""

import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast, TrainerCallback

from benchmarks import workload

# of conf/model/kogpt2.yaml and conf/trainer/auto.yaml; the fused AdamW is the trainers' own default
ARGUMENTS: dict[str, Any] = {
    "learning_rate": 5e-5,
    "weight_decay": 0.01,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 0.1,
    "max_grad_norm": 1.0,
    "bf16": True,
    "train_sampling_strategy": "group_by_length",
    "gradient_checkpointing": False,  # TRL's default would compute every forward twice
    "dataloader_pin_memory": False,
    "logging_steps": 10,
    "save_strategy": "no",
    "report_to": "none",
    "disable_tqdm": True,
}


class Marks(TrainerCallback):
    """When each optimizer step was done."""

    def __init__(self) -> None:
        self.marks: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        self.marks.append(time.perf_counter())


class Counting:
    """A collator that remembers how many tokens (padding left out) went into each batch."""

    def __init__(self, collator: Any) -> None:
        self.collator = collator
        self.tokens: list[int] = []

    def __call__(self, examples: list[dict[str, Any]]) -> Any:
        self.tokens.append(sum(len(example["input_ids"]) for example in examples))
        return self.collator(examples)


def load(work: str, seed: int) -> tuple[PreTrainedModel, PreTrainedTokenizerFast, Dataset]:
    """Network with random weights, tokenizer, and the very examples that this project trains on."""
    torch.manual_seed(seed)
    bundle = Path(work) / "bundle"
    network = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(bundle), dtype=torch.float32)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_file(str(bundle / "tokenizer.json")), eos_token="</s>", pad_token="<pad>"
    )
    return network, tokenizer, Dataset.from_list(workload.read(work, "examples"))


def arguments(spec: dict[str, Any], output: str) -> dict[str, Any]:
    """`TrainingArguments` of both, for the steps of this round."""
    return {
        **ARGUMENTS,
        "per_device_train_batch_size": workload.read(spec["work"])["batch_size"],
        "max_steps": sum(spec["steps"]),
        "seed": spec["seed"],
        "output_dir": output,
        "use_cpu": not torch.cuda.is_available(),
    }


def timed(trainer: Any, spec: dict[str, Any]) -> dict[str, float]:
    """Train, and the rates over the timed steps."""
    warmup, steps = spec["steps"]
    marks, counting = Marks(), Counting(trainer.data_collator)
    trainer.add_callback(marks)
    trainer.data_collator = counting
    trainer.train()
    # batches are collated ahead, but in the order of the steps
    tokens = counting.tokens[warmup : warmup + steps]
    seconds = workload.step_seconds(marks.marks, warmup)
    return workload.rates(seconds, tokens, workload.read(spec["work"])["tokens_per_example"])
