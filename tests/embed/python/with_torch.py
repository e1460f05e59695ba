"""tandem's NF4 linear inside a torch model: run by hand's choice of interpreter (TANDEM_TEST_PYTHON)."""
import unittest

import torch

import tandem


class Nf4Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.weight = weight
        return torch.from_dlpack(weight.matmul(x.detach().contiguous()))

    @staticmethod
    def backward(ctx, dy):
        return torch.from_dlpack(ctx.weight.input_gradient(dy.contiguous())), None


class Block(torch.nn.Module):
    """A frozen 4-bit projection between two trained ones."""

    def __init__(self, project, width=64, inner=96):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = torch.nn.Linear(width, width), torch.nn.Linear(inner, 1)
        self.project = project

    def forward(self, x):
        return self.last(torch.tanh(self.project(torch.relu(self.first(x))))).square().mean()


class WithTorch(unittest.TestCase):
    def test_gradients_are_torchs_on_the_dequantized_weight(self):
        for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 2**-5)):
            torch.manual_seed(1)
            weight = tandem.quantize(torch.randn(96, 64, dtype=dtype) / 8, "nf4")
            dense = torch.from_dlpack(weight.dequantize("bfloat16" if dtype == torch.bfloat16 else "float32"))
            x = torch.randn(5, 7, 64, dtype=dtype)
            results = []
            for project in (lambda h: Nf4Linear.apply(h, weight), lambda h: h @ dense.T):
                model, input = Block(project).to(dtype), x.clone().requires_grad_()
                loss = model(input)
                loss.backward()
                results.append([loss.detach(), input.grad, *(p.grad for p in model.parameters())])
            for mine, theirs in zip(*results):
                torch.testing.assert_close(mine, theirs, rtol=tolerance, atol=tolerance * float(theirs.abs().max()))

    def test_no_copy_both_ways(self):
        for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.bool):
            a = torch.zeros(3, 4, dtype=dtype)
            t = tandem.from_dlpack(a)
            self.assertEqual(torch.from_dlpack(t).data_ptr(), a.data_ptr())
            self.assertEqual(torch.from_dlpack(t).dtype, dtype)
