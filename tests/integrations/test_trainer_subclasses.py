"""AutoLRCallback in Trainers that others have made of that of transformers: the rows of the table in the docs."""

import random
from importlib import import_module

import pytest
import torch
from transformers import BertModel, PreTrainedTokenizerFast, Seq2SeqTrainer, Seq2SeqTrainingArguments
from transformers_trainings import SHORT, bert, llama, sentences, trace_of

from lrfinder.integrations.transformers import AutoLRCallback

HEAVY = "is installed by `make test-integrations` alone"
QUIET = {
    "num_train_epochs": 2,
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 2,
    "logging_steps": 1,
    "save_strategy": "no",
    "report_to": [],
    "use_cpu": True,
    "disable_tqdm": True,
    "dataloader_pin_memory": False,
}

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def tokenizer():
    """Thirty numbers as words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({**{str(i): i for i in range(30)}, "[PAD]": 30, "[EOS]": 31}, "[PAD]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", eos_token="[EOS]")


def texts(count=48):
    """Numbers that count upwards, of many lengths."""
    draw = random.Random(0)
    places = [(draw.randrange(30), draw.randrange(4, 14)) for _ in range(count)]
    return [" ".join(str((start + i) % 30) for i in range(length)) for start, length in places]


def sequence_to_sequence(folder, callbacks):
    """The one of transformers itself."""
    args = Seq2SeqTrainingArguments(str(folder), **QUIET)
    return Seq2SeqTrainer(llama(), args, train_dataset=sentences(), callbacks=callbacks)


def supervised(folder, callbacks):
    """Trl's SFTTrainer, on texts."""
    trl, data = pytest.importorskip("trl", reason=f"trl {HEAVY}"), pytest.importorskip("datasets", reason=HEAVY)
    args = trl.SFTConfig(str(folder), bf16=False, gradient_checkpointing=False, **QUIET)
    rows = data.Dataset.from_list([{"text": text} for text in texts()])
    return trl.SFTTrainer(llama(), args, train_dataset=rows, processing_class=tokenizer(), callbacks=callbacks)


def preferring(folder, callbacks):
    """Trl's DPOTrainer, on pairs of answers, with a reference model beside the trained one."""
    trl, data = pytest.importorskip("trl", reason=f"trl {HEAVY}"), pytest.importorskip("datasets", reason=HEAVY)
    args = trl.DPOConfig(str(folder), bf16=False, gradient_checkpointing=False, **QUIET)
    rows = [{"prompt": t[:4], "chosen": t[4:], "rejected": t[:3:-1]} for t in texts()]
    given = {"ref_model": llama(), "processing_class": tokenizer(), "callbacks": callbacks}
    return trl.DPOTrainer(llama(), args=args, train_dataset=data.Dataset.from_list(rows), **given)


def embedding(folder, callbacks):
    """The one of sentence-transformers, on pairs, with a loss that holds the model."""
    st = pytest.importorskip("sentence_transformers", reason=f"sentence-transformers {HEAVY}")
    data = pytest.importorskip("datasets", reason=HEAVY)
    BertModel(bert().config).save_pretrained(folder / "bert")
    tokenizer().save_pretrained(folder / "bert")
    model = st.SentenceTransformer(str(folder / "bert"))
    args = st.SentenceTransformerTrainingArguments(str(folder), **QUIET)
    rows = data.Dataset.from_list([{"anchor": text, "positive": text[: len(text) // 2]} for text in texts()])
    loss = import_module("sentence_transformers.sentence_transformer.losses").MultipleNegativesRankingLoss(model)
    return st.SentenceTransformerTrainer(model, args, train_dataset=rows, loss=loss, callbacks=callbacks)


MADE = [sequence_to_sequence, supervised, preferring, embedding]


@pytest.mark.parametrize("made", MADE, ids=lambda made: made.__name__)
def test_a_search_inside_a_subclass_leaves_no_trace(tmp_path, made):
    """It finds a curve through the subclass's own loss, and the training, its metrics too, is as without it."""
    auto, traces = AutoLRCallback(**{**SHORT, "steps": 80, "mode": "report"}), []

    for name, callbacks in (("searched", [auto]), ("plain", [])):
        random.seed(0)
        torch.manual_seed(0)
        (tmp_path / name).mkdir()
        trainer = made(tmp_path / name, callbacks)
        trainer.train()
        traces.append(trace_of(trainer))

    assert len(auto.result.trials[0].losses) > 1
    assert traces[0].rows == traces[1].rows
    assert traces[0].weights == traces[1].weights
    assert traces[0].optimizer == traces[1].optimizer
