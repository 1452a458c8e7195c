"""Small text classifiers made at test time: real files (config, tokenizer, ONNX), weights we choose.

They know one word: a text that has it belongs to the last label, whatever else it has.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, PreTrainedTokenizerFast

_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_PIECES = "abcdefghijklmnopqrstuvwxyz0123456789.,!?"
MAX_TOKENS = 512


def make(folder: Path, labels: list[str], word: str) -> Path:
    """Make a classifier in ``folder`` that gives the last of ``labels`` to texts with ``word``."""
    folder.mkdir(parents=True)
    vocabulary = [*_SPECIAL, *_PIECES, *(f"##{piece}" for piece in _PIECES), word]
    tokenizer = Tokenizer(
        models.WordPiece({piece: index for index, piece in enumerate(vocabulary)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=MAX_TOKENS,
    ).save_pretrained(folder)
    BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
        architectures=["BertForSequenceClassification"],
    ).save_pretrained(folder)
    onnx.save(_network(len(vocabulary), len(labels)), folder / "model.onnx")
    return folder


def _network(words: int, labels: int) -> onnx.ModelProto:
    # logits = max over tokens of a table: the last word's row names the last label, every other row none.
    table = np.full((words, labels), -9, dtype="f4")
    table[:, 0] = 0 if labels > 1 else -9
    table[-1, -1] = 9
    ids, mask, logits = (
        helper.make_tensor_value_info(name, kind, ["batch", size])
        for name, kind, size in (
            ("input_ids", TensorProto.INT64, "length"),
            ("attention_mask", TensorProto.INT64, "length"),
            ("logits", TensorProto.FLOAT, labels),
        )
    )
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
            helper.make_node("Cast", ["attention_mask"], ["kept"], to=TensorProto.BOOL),
            helper.make_node("Unsqueeze", ["kept", "last"], ["keeps"]),
            helper.make_node("Where", ["keeps", "rows", "least"], ["seen"]),
            helper.make_node("ReduceMax", ["seen"], ["logits"], axes=[1], keepdims=0),
        ],
        "one_word",
        [ids, mask],
        [logits],
        [
            numpy_helper.from_array(table, "table"),
            numpy_helper.from_array(np.array([2], dtype="i8"), "last"),
            numpy_helper.from_array(np.array(-9, dtype="f4"), "least"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model
