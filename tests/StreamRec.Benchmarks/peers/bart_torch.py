#!/usr/bin/python3
"""The anchor of bench genrec: BART in plain eager PyTorch, with the weights of a directory that BartFiles.Save wrote.

Runs on Debian's python3-torch (apt-get install --no-install-recommends python3-torch libopenblas0-pthread), on one thread.
  bart_torch.py train MODEL WORK.json    padded batches, AdamW; the first steps without dropout, to compare their losses
  bart_torch.py decode MODEL WORK.json   beam search with a key/value cache, only strings of a trie
Both read what the benchmark wrote and print one line of JSON.
"""
import json
import math
import os
import struct
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

ACTIVATIONS = {"gelu": F.gelu, "relu": F.relu, "silu": F.silu}


def read_safetensors(path):
    """Float32 tensors by name: eight bytes with the size of a JSON header, the header, then the elements."""
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        data = bytearray(file.read())
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        assert entry["dtype"] == "F32", f"{name} is {entry['dtype']}"
        begin, end = entry["data_offsets"]
        tensors[name] = torch.frombuffer(data, dtype=torch.float32, count=(end - begin) // 4, offset=begin).reshape(entry["shape"]).clone()
    return tensors


class Attention(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(d, d) for _ in range(4))

    def split(self, x):                                                    # [B, T, d] -> [B, heads, T, d / heads]
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def keys_and_values(self, x):
        return self.split(self.k_proj(x)), self.split(self.v_proj(x))

    def forward(self, x, keys, values, mask=None):
        q = self.split(self.q_proj(x))
        scores = q @ keys.transpose(-1, -2) / math.sqrt(q.shape[-1])
        if mask is not None:
            scores = scores.masked_fill(mask, -math.inf)
        return self.out_proj((scores.softmax(-1) @ values).transpose(1, 2).reshape(x.shape))


class Layer(nn.Module):
    def __init__(self, config, side):
        super().__init__()
        d, heads, wide = config["d_model"], config[f"{side}_attention_heads"], config[f"{side}_ffn_dim"]
        self.self_attn, self.self_attn_layer_norm = Attention(d, heads), nn.LayerNorm(d)
        if side == "decoder":
            self.encoder_attn, self.encoder_attn_layer_norm = Attention(d, heads), nn.LayerNorm(d)
        self.fc1, self.fc2, self.final_layer_norm = nn.Linear(d, wide), nn.Linear(wide, d), nn.LayerNorm(d)
        self.drop, self.activation = nn.Dropout(config["dropout"]), ACTIVATIONS[config["activation_function"]]

    def forward(self, x, mask, past=None, inputs=None, inputs_mask=None):
        """Returns the states and the keys and values of all tokens so far."""
        keys, values = self.self_attn.keys_and_values(x)
        if past is not None:
            keys, values = torch.cat([past[0], keys], 2), torch.cat([past[1], values], 2)
        x = self.self_attn_layer_norm(x + self.drop(self.self_attn(x, keys, values, mask)))
        if inputs is not None:
            x = self.encoder_attn_layer_norm(x + self.drop(self.encoder_attn(x, *inputs, inputs_mask)))
        x = self.final_layer_norm(x + self.drop(self.fc2(self.activation(self.fc1(x)))))
        return x, (keys, values)


class Stack(nn.Module):
    def __init__(self, config, side):
        super().__init__()
        d = config["d_model"]
        self.embed_positions = nn.Embedding(config["max_position_embeddings"] + 2, d)
        self.layernorm_embedding, self.drop = nn.LayerNorm(d), nn.Dropout(config["dropout"])
        self.layers = nn.ModuleList(Layer(config, side) for _ in range(config[f"{side}_layers"]))

    def begin(self, embedded, first=0):
        positions = self.embed_positions.weight[first + 2 : first + 2 + embedded.shape[1]]
        return self.drop(self.layernorm_embedding(embedded + positions))


class Model(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.shared = nn.Embedding(config["vocab_size"], config["d_model"])
        self.encoder, self.decoder = Stack(config, "encoder"), Stack(config, "decoder")


class Bart(nn.Module):
    def __init__(self, directory):
        super().__init__()
        with open(os.path.join(directory, "config.json")) as file:
            self.config = config = json.load(file)
        assert config["tie_word_embeddings"] and not config["scale_embedding"]
        assert config["attention_dropout"] == config["activation_dropout"] == 0
        self.model = Model(config)
        self.register_buffer("final_logits_bias", torch.zeros(1, config["vocab_size"]))
        self.load_state_dict(read_safetensors(os.path.join(directory, "model.safetensors")))

    def encode(self, ids, padding):
        mask = padding[:, None, None, :]
        x = self.model.encoder.begin(self.model.shared(ids))
        for layer in self.model.encoder.layers:
            x, _ = layer(x, mask)
        return x

    def remember(self, encoded):
        return [layer.encoder_attn.keys_and_values(encoded) for layer in self.model.decoder.layers]

    def decode(self, ids, inputs, inputs_mask, past=None):
        T = ids.shape[1]
        x = self.model.decoder.begin(self.model.shared(ids), 0 if past is None else past[0][0].shape[2])
        mask = torch.ones(T, T, dtype=torch.bool).triu(1) if T > 1 else None
        now = []
        for i, layer in enumerate(self.model.decoder.layers):
            x, seen = layer(x, mask, None if past is None else past[i], inputs[i], inputs_mask)
            now.append(seen)
        return x @ self.model.shared.weight.t() + self.final_logits_bias, now


def pad(rows, value):
    x = torch.full((len(rows), max(map(len, rows))), value)
    for i, row in enumerate(rows):
        x[i, : len(row)] = torch.tensor(row)
    return x


def train(bart, work):
    pad_id, start_id = bart.config["pad_token_id"], bart.config["decoder_start_token_id"]
    optimizer = torch.optim.AdamW(bart.parameters(), lr=work["learningRate"], weight_decay=0.01)
    losses, tokens, began = [], 0, None
    for step, batch in enumerate(work["batches"]):
        if step == work["compared"]:
            began = time.perf_counter()
        bart.train(step >= work["compared"])
        ids, labels = pad(batch["inputs"], pad_id), pad(batch["targets"], -100)
        padding = ids == pad_id
        shifted = torch.cat([torch.full((len(labels), 1), start_id), labels[:, :-1].masked_fill(labels[:, :-1] == -100, pad_id)], 1)
        encoded = bart.encode(ids, padding)
        logits, _ = bart.decode(shifted, bart.remember(encoded), padding[:, None, None, :])
        loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if began is not None:
            tokens += sum(map(len, batch["inputs"])) + sum(map(len, batch["targets"]))
    return {"rate": tokens / (time.perf_counter() - began), "losses": losses}


def make_trie(strings, end):
    root = {}
    for item, string in enumerate(strings):
        node = root
        for token in string:
            node = node.setdefault(token, {})
        node[end] = item
    return root


def beam_search(bart, rows, root, beams, end):
    """The best strings of each input: score = mean log-probability, end included. All strings have one length, so all end in one step."""
    B, pad_id = len(rows), bart.config["pad_token_id"]
    ids = pad(rows, pad_id)
    padding = ids == pad_id
    # Keys and values once an input, then a copy for every beam, so that all beams are rows of one batch.
    inputs = [(k.repeat_interleave(beams, 0), v.repeat_interleave(beams, 0)) for k, v in bart.remember(bart.encode(ids, padding))]
    inputs_mask = padding.repeat_interleave(beams, 0)[:, None, None, :]
    tokens = torch.full((B * beams, 1), bart.config["decoder_start_token_id"])
    # At the start all beams are one.
    sums = torch.full((B, beams), -math.inf)
    sums[:, 0] = 0
    nodes, past, length = [root] * (B * beams), None, 0
    while isinstance(nodes[0], dict):
        logits, past = bart.decode(tokens, inputs, inputs_mask, past)
        scores = logits[:, -1].log_softmax(-1)
        closed = torch.full_like(scores, -math.inf)
        for i, node in enumerate(nodes):
            closed[i, list(node)] = 0
        V = scores.shape[1]
        sums, best = ((scores + closed).view(B, beams, V) + sums[:, :, None]).view(B, -1).topk(beams)
        source = (best // V + torch.arange(B)[:, None] * beams).flatten()
        tokens = (best % V).view(-1, 1)
        nodes = [nodes[row].get(token) for row, token in zip(source.tolist(), tokens.flatten().tolist())]
        past = [(k.index_select(0, source), v.index_select(0, source)) for k, v in past]
        length += 1
    return [[[nodes[b * beams + i], sums[b, i].item() / length] for i in range(beams)] for b in range(B)]


def decode(bart, work):
    bart.eval()
    root, lists, count, began = make_trie(work["strings"], bart.config["eos_token_id"]), [], 0, None
    with torch.no_grad():
        for number, rows in enumerate(work["batches"]):
            if number == work["warmUp"]:
                began = time.perf_counter()
            found = beam_search(bart, rows, root, work["beams"], bart.config["eos_token_id"])
            if began is not None:
                lists += found
                count += len(rows)
    return {"rate": count / (time.perf_counter() - began), "lists": lists}


def main():
    torch.set_num_threads(1)
    mode, directory, path = sys.argv[1:]
    with open(path) as file:
        work = json.load(file)
    print(json.dumps({"train": train, "decode": decode}[mode](Bart(directory), work)))


if __name__ == "__main__":
    main()
