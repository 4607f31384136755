"""EDF without its seat belts: the whole engine, and what a small network needs."""

import numpy as np

components, params = [], []     # in the order in which they were built

def forward():
    for component in components:
        component.forward()

def backward(loss):
    for component in components:
        component.grad = None
    loss.grad = np.full_like(loss.value, 1 / loss.value.size)
    for component in reversed(components):
        if component.grad is not None:
            component.backward()

class Component:                # a function of others: f, and d<input> for each that is learned
    needs_grad = False
    def __init__(self, **inputs):
        self.inputs = inputs
        self.needs_grad = any(x.needs_grad for x in inputs.values())
        components.append(self)
    def forward(self):
        self.value = self.f(*[x.value for x in self.inputs.values()])
    def backward(self):
        values = [x.value for x in self.inputs.values()]
        for name, x in self.inputs.items():
            if x.needs_grad:
                dx = getattr(self, "d" + name)(self.grad, *values)
                x.grad = dx if x.grad is None else x.grad + dx

class Input(Component):
    def forward(self): pass
class Param(Input):
    def __init__(self, value):
        super().__init__()
        self.value, self.needs_grad = np.array(value, np.float32), True
        params.append(self)

class Affine(Component):        # x (B, D), w (D, H), b (H,)  ->  (B, H)
    def f(self, x, w, b): return x @ w + b
    def dx(self, dy, x, w, b): return dy @ w.T
    def dw(self, dy, x, w, b): return x.T @ dy
    def db(self, dy, x, w, b): return np.ones(len(dy), np.float32) @ dy     # the sum of its rows
class ReLU(Component):
    def f(self, x): return np.maximum(x, 0)
    def dx(self, dy, x): return dy * (x > 0)
class SoftmaxCrossEntropy(Component):       # scores (B, K), labels (B,)  ->  (B,)
    def f(self, scores, labels):
        exp = np.exp(scores - scores.max(axis=1, keepdims=True))
        self.p = exp / exp.sum(axis=1, keepdims=True)
        return -np.log(self.p[np.arange(len(labels)), labels])
    def dscores(self, dy, scores, labels):
        return dy[:, None] * (self.p - np.eye(scores.shape[1], dtype=np.float32)[labels])

def sgd(lr):
    for param in params:
        param.value -= lr * param.grad
