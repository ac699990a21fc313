"""Libraries written against PyTorch, run under the alias in a process of their own; each is skipped where it is not installed.

Last run with einops 0.8.2, torchmetrics 1.9.0, torchdiffeq 0.2.5, safetensors 0.8.0, transformers 5.23.0, timm 1.0.31, lightning 2.6.6,
accelerate 1.15.0, torch_optimizer 0.3.0, pytorch-ignite 0.5.5, kornia 0.9.0.
"""

import importlib.util
import os
import subprocess
import sys

import pytest

import facula

PROGRAMS = {
    "einops": """
from einops import rearrange, reduce, einsum
from einops.layers.torch import Rearrange, EinMix
x = torch.arange(24.).reshape(2, 3, 4).requires_grad_()
assert rearrange(x, "b c d -> b (c d)").shape == (2, 12) and einsum(x, x, "b c d, b e d -> b c e").shape == (2, 3, 3)
net = torch.nn.Sequential(Rearrange("b c d -> b (c d)"), torch.nn.Linear(12, 3), EinMix("b a -> b c", weight_shape="a c", a=3, c=5))
net(x).sum().backward()
assert reduce(x, "b c d -> b", "mean").tolist() == [5.5, 17.5] and x.grad.shape == x.shape
""",
    "torchmetrics": """
import torchmetrics
p, t = torch.tensor([[.8, .2], [.3, .7], [.6, .4], [.1, .9]]), torch.tensor([0, 1, 1, 1])
metrics = torchmetrics.MetricCollection([torchmetrics.Accuracy("multiclass", num_classes=2), torchmetrics.AUROC("multiclass", num_classes=2)])
assert {k: round(v.item(), 4) for k, v in metrics(p, t).items()} == {"MulticlassAccuracy": 0.75, "MulticlassAUROC": 1.0}
assert round(torchmetrics.SpearmanCorrCoef()(torch.tensor([1., 2., 3., 4.]), torch.tensor([1., 3., 2., 4.])).item(), 4) == 0.8
""",
    "torchdiffeq": """
from torchdiffeq import odeint, odeint_adjoint
class Decay(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.rate = torch.nn.Parameter(torch.tensor(2.0))
    def forward(self, t, y):
        return -self.rate * y
f, t = Decay(), torch.linspace(0.0, 1.0, 3)
for method in ("dopri5", "rk4", "adaptive_heun"):
    assert abs(odeint(f, torch.ones(1), t, method=method)[-1].item() - 0.1353) < 2e-2
odeint_adjoint(f, torch.ones(1), t)[-1].sum().backward()
assert abs(f.rate.grad.item() + 0.1353) < 1e-3
""",
    "safetensors": """
import os, tempfile
from safetensors.torch import load, load_file, load_model, save, save_file, save_model
path = os.path.join(tempfile.mkdtemp(), "a.safetensors")
state = {"a": torch.randn(3, 4), "b": torch.arange(5), "c": torch.ones(2, dtype=torch.bfloat16), "none": torch.zeros(2, 0)}
save_file(state, path)
for read in (load_file(path), load(save(state)), torch.load(path)):
    assert all(torch.equal(read[k], v) and read[k].dtype == v.dtype for k, v in state.items())
save_model(torch.nn.Linear(3, 4), path)
assert load_model(torch.nn.Linear(3, 4), path) == (set(), [])
""",
    "transformers": """
import tempfile, transformers
transformers.logging.set_verbosity_error()
ids = torch.arange(14).reshape(2, 7) * 3 % 50
small = dict(vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, max_position_embeddings=32)
bert = transformers.BertForSequenceClassification(transformers.BertConfig(**small, num_labels=3))
optimizer = torch.optim.AdamW(bert.parameters(), lr=1e-2)
for _ in range(3):
    loss = bert(ids, attention_mask=torch.ones_like(ids), labels=torch.tensor([0, 2])).loss
    optimizer.zero_grad(); loss.backward(); optimizer.step()
gpt = transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=50, n_embd=16, n_layer=2, n_head=2, n_positions=32, bos_token_id=0, eos_token_id=49)).eval()
assert gpt.generate(ids[:1], max_new_tokens=4, num_beams=2, do_sample=False, pad_token_id=0).shape[0] == 1
llama = transformers.LlamaForCausalLM(transformers.LlamaConfig(**small, num_key_value_heads=1, pad_token_id=0, bos_token_id=1, eos_token_id=2)).eval()
llama(ids, labels=ids).loss.backward()
folder = tempfile.mkdtemp()
llama.save_pretrained(folder)
assert torch.equal(transformers.LlamaForCausalLM.from_pretrained(folder)(ids).logits, llama(ids).logits)
""",
    "timm": """
import timm
for name in ("resnet18", "vit_tiny_patch16_224"):
    model = timm.create_model(name, num_classes=7, **({"img_size": 32} if name.startswith("vit") else {}))
    out = model(torch.randn(2, 3, 32, 32))
    out.sum().backward()
    assert out.shape == (2, 7) and all(p.grad is not None for p in model.parameters())
""",
    "lightning": """
import logging, tempfile, warnings
warnings.simplefilter("ignore")
import lightning as L
class Fit(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.save_hyperparameters()
        self.net = torch.nn.Linear(2, 1)
    def training_step(self, batch, index):
        loss = torch.nn.functional.mse_loss(self.net(batch[0]), batch[1])
        self.log("loss", loss)
        return loss
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 0.1)
x = torch.randn(64, 2)
data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, x.sum(1, keepdim=True)), 16)
trainer = L.Trainer(max_epochs=8, accelerator="cpu", logger=False, enable_progress_bar=False, default_root_dir=tempfile.mkdtemp())
model = Fit()
trainer.fit(model, data)
assert trainer.callback_metrics["loss"] < 0.5
Fit.load_from_checkpoint(trainer.checkpoint_callback.best_model_path)
""",
    "accelerate": """
import tempfile
from accelerate import Accelerator
a = Accelerator(cpu=True)
x = torch.randn(32, 2)
model, data = torch.nn.Linear(2, 1), torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, x.sum(1, keepdim=True)), 8)
model, optimizer, data = a.prepare(model, torch.optim.SGD(model.parameters(), 0.1), data)
for batch, target in data:
    loss = torch.nn.functional.mse_loss(model(batch), target)
    a.backward(loss); a.clip_grad_norm_(model.parameters(), 1.0); optimizer.step(); optimizer.zero_grad()
folder = tempfile.mkdtemp()
a.save_state(folder); a.load_state(folder)
""",
    "torch_optimizer": """
import torch_optimizer
for name in ("RAdam", "Lamb", "Yogi", "AdaBound", "DiffGrad", "Shampoo"):
    net = torch.nn.Linear(3, 2)
    optimizer = getattr(torch_optimizer, name)(net.parameters(), lr=0.01)
    before = net.weight.detach().clone()
    net(torch.ones(1, 3)).pow(2).sum().backward()
    optimizer.step()
    assert not torch.equal(before, net.weight)
""",
    "ignite": """
import warnings
warnings.simplefilter("ignore")
from ignite.engine import create_supervised_evaluator, create_supervised_trainer
from ignite.metrics import Accuracy, Loss
net, data = torch.nn.Linear(2, 3), torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(30, 2), torch.arange(30) % 3), 10)
create_supervised_trainer(net, torch.optim.SGD(net.parameters(), 0.1), torch.nn.CrossEntropyLoss()).run(data, 2)
evaluator = create_supervised_evaluator(net, {"accuracy": Accuracy(), "loss": Loss(torch.nn.CrossEntropyLoss())})
evaluator.run(data)
assert 0 <= evaluator.state.metrics["accuracy"] <= 1
""",
    "kornia": """
import kornia
x = torch.rand(1, 3, 16, 16, requires_grad=True)
assert kornia.filters.gaussian_blur2d(x, (3, 3), (1.0, 1.0)).shape == x.shape == kornia.color.rgb_to_lab(x).shape
assert kornia.geometry.warp_perspective(x, torch.eye(3)[None], (8, 8)).shape == (1, 3, 8, 8)
kornia.losses.ssim_loss(x, x.detach() * 0.9, 5).backward()
augment = kornia.augmentation.AugmentationSequential(kornia.augmentation.RandomAffine(10.0, p=1.0), kornia.augmentation.ColorJitter(0.1, 0.1, 0.1, 0.1, p=1.0))
assert augment(x).shape == x.shape
""",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_runs(name, tmp_path):
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    (tmp_path / "program.py").write_text("import torch\ntorch.manual_seed(0)\n" + PROGRAMS[name])
    env = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(facula.__file__)), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-W", "ignore", "-m", "facula", "program.py"], capture_output=True, text=True, cwd=tmp_path, env=env, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
