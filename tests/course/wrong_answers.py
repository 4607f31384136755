"""Wrong answers to the exercises of the problem set, and what the checks say of them.

{exercise: [(a line of the right answer, what is written instead, what is said)]}; the last is a
pattern for what follows "not right yet", its lines joined by ", ".
"""

WRONG = {
    "my_prediction": [
        ("    return -4, -2, 2",
         "    return -4, 1, -2, 2",
         r"it returned \(-4, 1, -2, 2\), but three numbers are asked for"),
        ("    return -4, -2, 2",
         "    return -4, -3, 2",
         r"p\.grad is not -3"),
        ("    return -4, -2, 2",
         "    p, q = edf.Param(2.0), edf.Param(-3.0)\n"
         "    loss = p * q + p\n"
         "    edf.forward()\n"
         "    edf.backward(loss)\n"
         "    return loss.value, p.grad, q.grad",
         "predict on paper: build no graph here, and return three numbers"),
    ],
    "my_graph": [
        *(("    return x * edf.Tanh(edf.Exp(-x))",
           f"    return {product}",
           r"x\.grad is \[.*\], expected \[0\.7615942, 0\.3273984, 1\.0382654\], one of the "
           r"two paths from x is cut: use x itself in both places, not its \.value or a new Param")
          for product in ("edf.Input(x.value) * edf.Tanh(edf.Exp(-x))",
                          "x * edf.Tanh(edf.Exp(-edf.Param(x.value)))",
                          "x * edf.Tanh(edf.Exp(edf.Input(-x.value)))")),
        ("    return x * edf.Tanh(edf.Exp(-x))",
         "    x * edf.Tanh(edf.Exp(-x))",
         r"it returned None: is its return missing\?"),
        ("    return x * edf.Tanh(edf.Exp(-x))",
         "    return x * np.tanh(edf.Exp(-x))",
         r"TypeError: functions of NumPy take arrays, not components: use edf\.Exp, "
         r"edf\.Tanh, \*\* 0\.5 and so on, line 3 of the cell: return x \* np\.tanh\(.*"),
        ("    return x * edf.Tanh(edf.Exp(-x))",
         "    return x * edf.Tanh(edf.Exp(x))",
         r"the value is \[.*\], expected \[0\.0, 0\.2708402, -0\.9913289\]"),
    ],
    "my_gradients": [
        ("    for node in reversed(edf.components):",
         "    seen = set()\n"
         "    def visit(node):                      # depth first\n"
         "        seen.add(node)\n"
         "        for source, share in shares(node, gradients[node]):\n"
         "            gradients[source] = gradients.get(source, 0) + share\n"
         "            if source not in seen:\n"
         "                visit(source)\n"
         "    visit(loss)\n"
         "    for node in []:",
         r"the gradient of x is \[.*\], expected \[.*\], for h \* Tanh\(h\), where h = Exp\(x\) is "
         "used twice: its gradient must be complete before it is passed on: walk edf.components "
         "from its end, and do not follow the inputs"),
        ("    for node in reversed(edf.components):",
         "    def visit(node):                      # without a set of those seen\n"
         "        for source, share in shares(node, gradients[node]):\n"
         "            gradients[source] = gradients.get(source, 0) + share\n"
         "            visit(source)\n"
         "    visit(loss)\n"
         "    for node in []:",
         r"the gradient of x is .*, for h \* Tanh\(h\), where .*"),
        ("    for node in reversed(edf.components):",
         "    queue = [loss]                        # breadth first\n"
         "    for node in queue:\n"
         "        for source, share in shares(node, gradients[node]):\n"
         "            if source not in gradients:\n"
         "                queue.append(source)\n"
         "            gradients[source] = gradients.get(source, 0) + share\n"
         "    for node in []:",
         r"the gradient of x is .*, for h \* Tanh\(h\), where .*"),
        ("    for node in reversed(edf.components):",
         "    stack = [loss]                        # the last one found first\n"
         "    while stack:\n"
         "        node = stack.pop()\n"
         "        for source, share in shares(node, gradients[node]):\n"
         "            if source not in gradients:\n"
         "                stack.append(source)\n"
         "            gradients[source] = gradients.get(source, 0) + share\n"
         "    for node in []:",
         r"the gradient of x is .*, for Tanh\(h\) \* h, where .*"),
        ("                gradients[source] = gradients.get(source, 0) + share",
         "                gradients[source] = share",
         r"the gradient of x is \[.*\], expected \[.*\], x is used twice: are both of its shares "
         r"in it\?"),
        ("                gradients[source] = gradients.get(source, 0) + share",
         "                if source in gradients:\n"
         "                    gradients[source] += share\n"
         "                else:\n"
         "                    gradients[source] = share",
         r"the gradient of Reshape\[2\] is \[.*\], expected \[.*\], it was "
         r"right, but then changed in place: add with p \+ q, not with \+="),
        ("        if node in gradients:",
         "        if True:",
         r"KeyError: .*, line \d+ of the cell: for source, share in shares\(.*\):, "
         "if it has no gradient, it does not lead to the loss: skip it"),
        ("    for node in reversed(edf.components):",
         "    for node in edf.components:",
         r"Tanh\(x \(3,\)\) got no gradient: is the list walked from its end\?"),
        ("    gradients = {loss: np.full(loss.value.shape, 1 / loss.value.size)}",
         "    gradients = {loss: np.ones(loss.value.shape)}",
         r"the gradient of Mul\[3\] is \[1\.0, 1\.0, 1\.0\], expected \[.*\], "
         "differentiate the mean of the loss: start with 1 / 3"),
        ("    gradients = {loss: np.full(loss.value.shape, 1 / loss.value.size)}",
         "    gradients = {loss: 1 / loss.value.size}",
         r"the gradient of Mul\[3\] has shape \(\), but its value has shape "
         r"\(3,\)"),
        ("    return gradients",
         "    gradients",
         r"it returned None: is its return missing\?"),
        ("    return gradients",
         "    edf.backward(loss)\n"
         "    return {node: node.grad for node in edf.components}",
         r"it has set \S+\.grad: use the dictionary only"),
    ],
    "my_second_derivative": [
        ("    return (slopes[0] - slopes[1]) / (2 * h)",
         "    return (slopes[0] - slopes[1]) / h",
         r"example_a at 2\.0 gives 320\.\d+, but it is 160"),
        ("    return (slopes[0] - slopes[1]) / (2 * h)",
         "    (slopes[0] - slopes[1]) / (2 * h)",
         r"it returned None: is its return missing\?"),
        ("    return (slopes[0] - slopes[1]) / (2 * h)",
         "    return slopes",
         r"it returned \[.*\], but one number is asked for"),
    ],
    "my_naive_rule": [
        ("    return np.exp(y * z) * (z ** 2 * g2 + y ** 2 * h2)",
         "    return np.exp(y * z) * (y ** 2 * g2 + z ** 2 * h2)",
         r"at x = 0\.5 it gives -0\.\d{7}, expected -0\.3918779"),
        ("    h2 = -2 * z * (1 - z ** 2)",
         "    h2 = -2 * z",
         r"at x = 0\.5 it gives -0\.\d{7}, expected -0\.3918779"),
        ("    return np.exp(y * z) * (z ** 2 * g2 + y ** 2 * h2)",
         "    g1, h1 = y * (1 - y), 1 - z ** 2\n"
         "    return np.exp(y * z) * (z ** 2 * g1 ** 2 + 2 * (1 + y * z) * g1 * h1\n"
         "                            + y ** 2 * h1 ** 2 + z * g2 + y * h2)",
         r"at x = 0\.5 it gives 0\.3311317, expected -0\.3918779, this is "
         r"the true second derivative; the naive rule is asked for"),
        ("    return np.exp(y * z) * (z ** 2 * g2 + y ** 2 * h2)",
         "    return (np.exp(y * z) * (z ** 2 * g2 + y ** 2 * h2)).sum()",
         r"for an array of shape \(4,\) it returns one of shape \(\)"),
        ("    return np.exp(y * z) * (z ** 2 * g2 + y ** 2 * h2)",
         "    np.exp(y * z) * (z ** 2 * g2 + y ** 2 * h2)",
         r"it returned None: is its return missing\?"),
    ],
    "my_slope": [
        ("    return (function(x + h) - function(x - h)) / (2 * h)",
         "    return (function(x + h) - function(x)) / h",
         r"the central difference of x\^3 at 1\.0 with h = 0\.5 is 3\.25, but "
         r"it gives 4\.75"),
        ("    return (function(x + h) - function(x - h)) / (2 * h)",
         "    return function(x + h) - function(x - h) / 2 * h",
         r"the central difference of x\^3 at 1\.0 .* is 3\.25, but it gives .*"),
        ("    return (function(x + h) - function(x - h)) / (2 * h)",
         "    (function(x + h) - function(x - h)) / (2 * h)",
         r"it returned None: is its return missing\?"),
        ("    return (function(x + h) - function(x - h)) / (2 * h)",
         "    return (function(x + h) - function(x - h)) / 2 * h",
         r"the central difference of x\^3 at 1\.0 .* but it gives 0\.8125"),
    ],
    "my_numeric_gradient": [
        ("        up, down = x.copy(), x.copy()",
         "        up, down = x, x.copy()",
         r"it has changed x from \[.*\] to \[.*\], two copies are needed, .*"),
        ("        up, down = x.copy(), x.copy()",
         "        up, down = x, x",
         r"for the function squares, entry \(0, 0\) is 0, expected 0\.6, are up and down two "
         r"copies\?"),
        ("        up, down = x.copy(), x.copy()",
         "        up = down = x.copy()",
         r"for the function squares, entry \(0, 0\) is 0, expected 0\.6, are up and "
         r"down two copies\?"),
        ("        slopes[i] = (function(up) - function(down)) / (2 * h)",
         "        slopes[i] = (function(x + h) - function(x - h)) / (2 * h)",
         r"for the function squares, entry \(0, 0\) is 20\.3, expected 0\.6, move one entry only"),
        ("        slopes[i] = (function(up) - function(down)) / (2 * h)",
         "        slopes[i] = (function(up) - function(x)) / h",
         r"for the function squares, entry \(\d, \d\) is \S+, expected \S+"),
        ("        slopes[i] = (function(up) - function(down)) / (2 * h)",
         "        slopes[i] = (function(up) - function(down)) / 2e-5",
         r"for sum x\^3 at \(1, 2\) with h = 0\.1 it gives \[.*\], expected "
         r"\[3\.01, 12\.01\], is h used, on both sides\?"),
        ("    for i in np.ndindex(x.shape):",
         "    for i in range(len(x)):",
         "for the function squares, entry .*"),
        ("    return slopes",
         "    slopes",
         r"it returned None: is its return missing\?"),
        ("    return slopes",
         "    return slopes.ravel()",
         r"x has shape \(2, 3\), but the result has shape \(6,\)"),
    ],
    "my_check": [
        *(("    return abs(param.grad - expected).max() / size",
           f"    return ({difference}).max() / size",
           r"planted bug slipped through: a backward .* has the error -\S+, expected more than "
           r"1e-3, all differences are negative: is abs taken before max\?")
          for difference in ("param.grad - expected", "expected - param.grad")),
        *(("    return abs(param.grad - expected).max() / size",
           f"    difference = abs(param.grad - expected)\n    return {formula}",
           r"if backward gives .* in place of .*, the error is \S+, expected 4 / 8: the largest "
           r"difference, divided by the largest entry of both")
          for formula in ("difference.mean() / size", "difference.sum() / size",
                          "difference.max() / abs(expected).max()",
                          "difference.max() / abs(param.grad).max()",
                          "difference.max() / (abs(param.grad) + abs(expected)).max()",
                          "(difference ** 2).sum() ** 0.5 / (expected ** 2).sum() ** 0.5")),
        ("    return abs(param.grad - expected).max() / size",
         "    return (abs(param.grad - expected)\n"
         "            / np.maximum(abs(param.grad), abs(expected))).max()",
         r"RuntimeWarning: invalid value encountered in divide, line \d+ of the cell: return .*, "
         "for ReLU the error is nan: divide by the largest entry of the whole gradient"),
        ("    return abs(param.grad - expected).max() / size",
         "    with np.errstate(all='ignore'):\n"
         "        return (abs(param.grad - expected) / abs(param.grad)).max()",
         "for ReLU the error is nan: divide by the largest entry of the whole gradient"),
        ("    r = edf.Input(edf.rng.normal(size=node.value.shape))",
         "    r = edf.Input(np.ones(node.value.shape))",
         "planted bug slipped through: a backward without the upstream "
         r"gradient dy has the error \S+, expected more than 1e-3"),
        ("    r = edf.Input(edf.rng.normal(size=node.value.shape))",
         "    r = edf.Input(np.full(node.value.shape, 0.7))",
         "planted bug slipped through: a backward that is right only where "
         r"dy is the same along a row has the error \S+, expected more than 1e-3"),
        ("    r = edf.Input(edf.rng.normal(size=node.value.shape))",
         "    r = edf.Input(edf.rng.normal(size=x.shape))",
         r"in f: a \(2, 3\) \* b \(2,\) do not fit, line \d+ of the cell: edf\.forward\(\), in f "
         r"of Mul\(.*"),
        ("    return abs(param.grad - expected).max() / size",
         "    return abs(abs(param.grad) - abs(expected)).max() / size",
         "planted bug slipped through: a backward with the wrong sign has .*"),
        ("    return abs(param.grad - expected).max() / size",
         "    return abs(param.grad - expected).max()",
         "the gradient of 1,000,000 times Sigmoid is right, but the error is "
         r"\S+, expected less than 1e-6, is the error relative\?"),
        ("    return abs(param.grad - expected).max() / size",
         "    return abs(param.grad - expected).flat[0] / size",
         "planted bug slipped through: a backward that is wrong in one entry "
         ".*"),
        ("    return abs(param.grad - expected).max() / size",
         "    return abs(param.grad - expected) / size",
         r"it returned \[\[.*, expected one number"),
        ("    return abs(param.grad - expected).max() / size",
         "    abs(param.grad - expected).max() / size",
         r"it returned None: is its return missing\?"),
        ("    edf.backward(loss)",
         "    edf.backward(node)",
         "the gradient of Sigmoid is right, but the error is .*"),
        ("    loss_at(x)",
         "    pass",
         r"the gradient of .* is right, but the error is \S+, .* is "
         r"param\.value x .*"),
        ("    return abs(param.grad - expected).max() / size",
         "    return 0.0",
         "planted bug slipped through: a backward without the upstream "
         "gradient .*"),
    ],
    "MyTanh": [
        ("        return dy * (1 - self.value ** 2)",
         "        return -dy * (1 - self.value ** 2)",
         r"wrong gradient: .*, in dx of .*, all entries of dx are -1 times the right ones"),
        ("        return dy * (1 - self.value ** 2)",
         "        return (dy * (1 - self.value ** 2))[None]",
         r"ValueError: the gradient has shape \(1, 2, 3\), .*, where NumPy repeated x, "
         r"edf\.unbroadcast\(grad, x\.shape\) sums over the copies"),
        *((f"        return {right}", f"        return {wrong}",
           r"TypeError: inside a formula everything is an array: np\.tanh, not edf\.Tanh; what f "
           r"computed is self\.value, (line \d+ of the cell: return .*, )?in (f|dx) of MyTanh\(x "
           r"\(2, 3\)\).*")
          for right, wrong in (("np.tanh(x)", "edf.Tanh(x)"),
                               ("np.tanh(x)", "np.tanh(self.x)"),
                               ("np.tanh(x)", "edf.Tanh(self.x)"),
                               ("dy * (1 - self.value ** 2)", "dy * (1 - edf.Tanh(x) ** 2)"),
                               ("dy * (1 - self.value ** 2)", "dy * (1 - self ** 2)"))),
        ("        return dy * (1 - self.value ** 2)",
         "        return self.grad * (1 - self.value ** 2)",
         "dx returns the same whatever dy is: use dy, not self.grad"),
        ("        return dy * (1 - self.value ** 2)",
         "        return dy @ (1 - self.value ** 2)",
         r"in dx: dy \(2, 3\) @ \(1 - self\.value \*\* 2\) \(2, 3\) do not fit, line \d+ of the "
         r"cell: return .*, in dx of MyTanh\(x \(2, 3\)\), where dy is \(2, 3\)"),
        ("        return dy * (1 - self.value ** 2)",
         "        return dy * (1 - self.value)",
         r"wrong gradient: MyTanh\[\d\]\.dx gives \S+ at entry \(.*\), "
         "central differences give .*, in dx of .*"),
        ("        return dy * (1 - self.value ** 2)",
         "        return 1 - self.value ** 2",
         r"wrong gradient: MyTanh\[\d\]\.dx gives \S+ at entry \(.*\), "
         r"central differences give .*, dx returns the same whatever dy is: is dy used\?"),
        ("        return dy * (1 - self.value ** 2)",
         "        dy * (1 - self.value ** 2)",
         r"TypeError: the formula returned None: is its return missing\?, in dx of .*"),
    ],
    "MyReLU": [
        ("        return np.maximum(x, 0)",
         "        return max(x, 0)",
         r"ValueError: max compares whole arrays: np\.maximum takes the larger number in every "
         r"entry, line 3 of the cell: return max\(x, 0\), in f of MyReLU\(.*"),
        ("        return dy * (x > 0)",
         "        return (x > 0) * 1.0",
         r"wrong gradient: MyReLU\[\d\]\.dx gives \S+ at entry \(.*\), "
         "central differences give .*, in dx of .*"),
        ("        return dy * (x > 0)",
         "        return dy * (x >= 0)",
         r"at the kink x = 0 the gradient is 1\.0, expected 0"),
        ("        return dy * (x > 0)",
         "        return (dy * (x > 0)).sum()",
         r"ValueError: the gradient has shape \(\), but the value has shape \(2, 3\), in dx "
         r"of MyReLU\(x \(2, 3\)\), where dy is \(2, 3\)"),
        ("        return np.maximum(x, 0)",
         "        return abs(x)",
         r"the value is \[\[2\.0, 0\.5, 1\.5\], \[0\.5, 2\.0, 1\.0\]\], expected \[\[0, 0, 1\.5\], "
         r"\[0\.5, 2\.0, 0\]\]"),
    ],
    "MyDivide": [
        ("        return dy / b",
         "        return 1 / b",
         r"wrong gradient: MyDivide\[\d\]\.da gives \S+ at entry \(.*\), "
         "central differences give .*, in da of .*"),
        ("        return dy / b",
         "        dy / b",
         r"TypeError: the formula returned None: is its return missing\?, in da of .*"),
        ("        return -dy * a / b ** 2",
         "        return dy * a / b ** 2",
         r"wrong gradient: MyDivide\[\d\]\.db gives \S+ at entry \(.*\), "
         "central differences give .*, in db of .*"),
        ("        return -dy * a / b ** 2",
         "        return -a / b ** 2",
         r"wrong gradient: MyDivide\[\d\]\.db gives \S+ at entry \(.*\), "
         "central differences give .*, in db of .*"),
        ("        return -dy * a / b ** 2",
         "        return -dy * a / b",
         r"wrong gradient: MyDivide\[\d\]\.db gives \S+ at entry \(.*\), "
         "central differences give .*, in db of .*"),
        ("        return dy / b",
         "        return (dy / b).sum(axis=0)",
         r"ValueError: the gradient has shape \(3,\), but the value has shape \(2, 3\), in da "
         r"of MyDivide\(.*\), where dy is \(2, 3\)"),
    ],
    "MyAffine": [
        ("        return dy @ w.T",
         "        return w @ dy",
         r"in dx: w \(3, 4\) @ dy \(2, 4\) do not fit, line \d+ of the cell: return w @ dy, "
         r"in dx of MyAffine\(.*, where dy is \(2, 4\)"),
        ("        return dy @ w.T",
         "        return w @ dy.T",
         r"ValueError: the gradient has shape \(3, 2\), but the value has shape \(2, 3\), in "
         r"dx of MyAffine\(.*"),
        ("        return dy @ w.T",
         "        return dy * w",
         r"in dx: dy \(2, 4\) \* w \(3, 4\) do not fit, .*, in dx of MyAffine\(.*"),
        ("        return dy @ w.T",
         "        return w.sum(axis=1) * np.ones_like(x)",
         r"wrong gradient: MyAffine\[\d\]\.dx gives \S+ at entry \(.*\), "
         "central differences give .*, in dx of .*"),
        ("        return dy @ w.T",
         "        return dy @ (w if w.shape == x.shape else w.T)",
         r"wrong gradient: MyAffine\[\d\]\.dx gives \S+ at entry \(.*\), "
         "central differences give .*, in dx of .*"),
        ("        return x.T @ dy",
         "        return dy.T @ x",
         r"ValueError: the gradient has shape \(4, 3\), but the value has shape \(3, 4\), in "
         r"dw of MyAffine\(.*, is it transposed\?"),
        ("        return x.T @ dy",
         "        x.T @ dy",
         r"TypeError: the formula returned None: is its return missing\?, in dw of .*"),
        ("        return x.T @ dy",
         "        return x.T @ dy / len(x)",
         r"wrong gradient: MyAffine\[\d\]\.dw gives \S+ at entry \(.*\), "
         "central differences give .*, in dw of .*, all entries of dw are 0.5 times the right "
         "ones"),
        ("        return dy.sum(axis=0)",
         "        return dy",
         r"ValueError: the gradient has shape \(2, 4\), but the value has shape \(4,\), in db .*, "
         r"the bias is added to every row: what does each row add to the gradient\?"),
        ("        return dy.sum(axis=0)",
         "        return dy[0]",
         r"wrong gradient: MyAffine\[\d\]\.db gives .*"),
        ("        return dy.sum(axis=0)",
         "        return dy.sum(axis=1)",
         r"ValueError: the gradient has shape \(2,\), but the value has shape \(4,\), in db of .*"),
        ("        return dy.sum(axis=0)",
         "        return dy.sum(axis=0, keepdims=True)",
         r"ValueError: the gradient has shape \(1, 4\), but the value has shape \(4,\), in db .*"),
    ],
    "my_unbroadcast": [
        ("    return grad.sum(axis=repeated, keepdims=True)",
         "    grad.sum(axis=repeated, keepdims=True)",
         r"it returned None: is its return missing\?"),
        ("    return grad.sum(axis=repeated, keepdims=True)",
         "    return grad.sum(axis=repeated)",
         r"grad of shape \(2, 3\) for an array of shape \(1, 3\): the result "
         r"has shape \(3,\)"),
        ("    return grad.sum(axis=repeated, keepdims=True)",
         "    return grad",
         r"grad of shape \(2, 3\) for an array of shape \(1, 3\): the result "
         r"has shape \(2, 3\)"),
        ("    return grad.sum(axis=repeated, keepdims=True)",
         "    return grad.mean(axis=repeated, keepdims=True)",
         r"grad of shape \(2, 3\) for an array of shape \(1, 3\): the result "
         r"is \[\[1\.5, 2\.5, 3\.5\]\], expected \[\[3, 5, 7\]\]"),
        ("    grad = grad.sum(axis=tuple(range(missing)))",
         "    grad = grad.sum(axis=tuple(range(-missing, 0)))",
         r"grad of shape \(2, 3\) for an array of shape \(3,\): the result "
         r"has shape \(2,\)"),
        ("    grad = grad.sum(axis=tuple(range(missing)))",
         "    grad = grad.sum(axis=missing)",
         r"grad of shape \(2, 3\) for an array of shape \(2, 3\): the result "
         r"has shape \(3,\)"),
        ("    grad = grad.sum(axis=tuple(range(missing)))",
         "    grad *= 1.0\n"
         "    return grad.reshape(shape)",
         r"ValueError: cannot reshape array of size 6 into shape \(3,\), line \d+ of the cell: "
         r"return grad\.reshape\(shape\), grad of shape \(2, 3\) for an array of shape \(3,\)"),
    ],
    "MyNormalize": [
        ("        return (dy - inner) / self.s",
         "        return dy / self.s",
         r"dy is the same in all entries, so the gradient must be 0 \(each "
         r"row of y adds up to 1 whatever x is\), but it is up to 0\.0\d+"),
        ("        return (dy - inner) / self.s",
         "        return dy / self.s - dy * x / self.s ** 2",
         "dy is the same in all entries, so the gradient must be 0 .*"),
        ("        return (dy - inner) / self.s",
         "        return dy - inner",
         r"wrong gradient: MyNormalize\[\d\]\.dx gives \S+ at entry \(.*\), "
         "central differences give .*, in dx of .*"),
        ("        return (dy - inner) / self.s",
         "        (dy - inner) / self.s",
         r"TypeError: the formula returned None: is its return missing\?, in dx of .*"),
        ("        inner = (dy * self.value).sum(axis=1, keepdims=True)",
         "        inner = (dy * self.value).sum()",
         "dy is the same in all entries, so the gradient must be 0 .*"),
        ("        inner = (dy * self.value).sum(axis=1, keepdims=True)",
         "        inner = (dy * self.value).sum(axis=1)",
         r"in dx: dy \(2, 3\) - inner \(2,\) do not fit, .*, in dx of MyNormalize\(.*"),
        ("        inner = (dy * self.value).sum(axis=1, keepdims=True)",
         "        inner = dy.mean(axis=1, keepdims=True)",
         r"wrong gradient: MyNormalize\[\d\]\.dx gives \S+ at entry \(.*\), "
         "central differences give .*, in dx of .*"),
    ],
    "MySelect": [
        ("        return x[np.arange(len(x)), index]",
         "        return x[:, index]",
         r"the value is .*, expected \[3\.0, 4\.0\], for a batch of 2 with "
         r"index \[2, 0\]"),
        ("        return x[np.arange(len(x)), index]",
         "        return np.take_along_axis(x, index[:, None], axis=1).squeeze()",
         r"the value is 8\.0, expected \[8\.0\], for a batch of 1 with index "
         r"\[1\]"),
        ("        scattered[np.arange(len(x)), index] = dy",
         "        scattered[:, index] = dy",
         r"wrong gradient: MySelect\[\d\]\.dx gives \S+ at entry \(.*\), "
         r"central differences give .*, in dx of .*, for a batch of 2 with index \[2, 0\]"),
        ("        scattered[np.arange(len(x)), index] = dy",
         "        scattered[np.arange(len(x)), index] = 1",
         r"wrong gradient: MySelect\[\d\]\.dx gives \S+ at entry \(.*\), "
         r"central differences give .*, in dx of .*, for a batch of 2 with index \[2, 0\]"),
        ("        return scattered",
         "        return dy",
         r"ValueError: the gradient has shape \(2,\), but the value has shape \(2, 3\), in dx "
         r"of MySelect\(.*\), where dy is \(2,\), for a batch of 2 with index \[2, 0\]"),
        ("        return scattered",
         "        scattered",
         r"TypeError: the formula returned None: is its return missing\?, in dx of .*"),
    ],
    "MyRowSum": [
        ("        return np.broadcast_to(dy[:, None], x.shape)",
         "        return np.ones_like(x)",
         r"wrong gradient: MyRowSum\[\d\]\.dx gives \S+ at entry \(.*\), "
         "central differences give .*, in dx of .*"),
        ("        return np.broadcast_to(dy[:, None], x.shape)",
         "        return np.ones_like(x) * dy",
         r"in dx: np\.ones_like\(x\) \(2, 3\) \* dy \(2,\) do not fit, .*, in dx of MyRowSum\(x "
         r"\(2, 3\)\), where dy is \(2,\)"),
        ("        return np.broadcast_to(dy[:, None], x.shape)",
         "        return dy[:, None] if x.shape == (2, 3) else np.ones_like(x) * dy",
         r"ValueError: the gradient has shape \(2, 1\), but the value has shape \(2, 3\), in "
         "dx of .*"),
        ("        return np.broadcast_to(dy[:, None], x.shape)",
         "        return np.resize(dy, x.shape)",
         r"wrong gradient: MyRowSum\[\d\]\.dx gives \S+ at entry \(.*\), "
         "central differences give .*, in dx of .*"),
        ("        return np.broadcast_to(dy[:, None], x.shape)",
         "        dy[:, None] * np.ones_like(x)",
         r"TypeError: the formula returned None: is its return missing\?, in dx of .*"),
    ],
    "MySoftmax": [
        ("        return self.value * (dy - inner)",
         "        return dy * self.value * (1 - self.value)",
         r"wrong gradient: MySoftmax\[\d\]\.dx gives \S+ at entry \(.*\), "
         r"central differences give .*, in dx of .*, row \d of dx adds up to \S+: it must be "
         "0, as a number added to a whole row of x changes nothing"),
        ("        return self.value * (dy - inner)",
         "        return self.value * (dy - (dy * self.value).sum())",
         r"wrong gradient: MySoftmax\[\d\]\.dx gives \S+ at entry \(.*\), "
         r"central differences give .*, in dx of .*, row \d of dx adds up to \S+: it must be "
         "0, as a number added to a whole row of x changes nothing"),
        ("        return self.value * (dy - inner)",
         "        return self.value * dy",
         r"wrong gradient: MySoftmax\[\d\]\.dx gives \S+ at entry \(.*\), "
         r"central differences give .*, in dx of .*, row \d of dx adds up to \S+: it must be "
         "0, as a number added to a whole row of x changes nothing"),
        ("        return self.value * (dy - inner)",
         "        self.value * (dy - inner)",
         r"TypeError: the formula returned None: is its return missing\?, in dx of .*"),
    ],
    "MySoftmaxCrossEntropy": [
        ("        grad = self.p.copy()",
         "        grad = self.p",
         r"called a second time, it gives something else: it writes into what f has kept, such as "
         r"self\.p; copy that first, in dscores of .*"),
        ("        return dy[:, None] * grad",
         "        return grad",
         r"wrong gradient: MySoftmaxCrossEntropy\[\d\]\.dscores gives \S+ at "
         r"entry \(.*\), central differences give .*, in dscores of .*"),
        ("        return dy[:, None] * grad",
         "        return dy * grad",
         r"in dscores: dy \(4,\) \* grad \(4, 3\) do not fit, .*, in dscores of .*"),
        ("        return dy[:, None] * grad",
         "        return dy[:, None] * grad / len(labels)",
         r"wrong gradient: MySoftmaxCrossEntropy\[\d\]\.dscores gives \S+ at "
         r"entry \(.*\), central differences give .*, in dscores of .*"),
    ],
    "my_forward": [
        ("    h = 1 / (1 + np.exp(-(x @ W + b)))",
         "    h = x @ W + b",
         r"h of 1 row is \[\[2\.1, -1\.7, -0\.95\]\], expected \[\[0\.89.*"),
        ("    h = 1 / (1 + np.exp(-(x @ W + b)))",
         "    h = 1 / (1 + np.exp(x @ W + b))",
         r"h of 1 row is \[\[0\.109\S+, .*"),
        ("    exp = np.exp(o - o.max(axis=1, keepdims=True))",
         "    exp = np.exp(o)",
         "RuntimeWarning: overflow encountered in exp, line .*, for scores of about 1000: "
         "subtract the largest of each row first"),
        ("    return h, exp / exp.sum(axis=1, keepdims=True)",
         "    return h, exp / exp.sum()",
         r"y of 3 rows is \[\[.*\]\], expected \[\[0\.73\S+, .*"),
        ("    return h, exp / exp.sum(axis=1, keepdims=True)",
         "    return h, exp / exp.sum(axis=1)",
         r"in my_forward: exp \(3, 2\) / exp\.sum\(axis=1\) \(3,\) do not fit, .*"),
        ("    return h, exp / exp.sum(axis=1, keepdims=True)",
         "    return h, o",
         r"y of 1 row is \[\[1\.0228342, 0\.0016928\]\], expected "
         r"\[\[0\.73\S+, .*"),
        ("    return h, exp / exp.sum(axis=1, keepdims=True)",
         "    return exp / exp.sum(axis=1, keepdims=True)",
         r"it returned \[\[.*\]\], not tuple"),
        ("    return h, exp / exp.sum(axis=1, keepdims=True)",
         "    h, exp / exp.sum(axis=1, keepdims=True)",
         r"it returned None: is its return missing\?"),
    ],
    "my_backward": [
        ("    o_grad = (y - np.eye(y.shape[1])[labels]) / len(y)",
         "    o_grad = y - np.eye(y.shape[1])[labels]",
         "the gradient of c of the batch of three is 3 times too large: it "
         "is that of the sum of the losses, not of their mean"),
        ("    o_grad = (y - np.eye(y.shape[1])[labels]) / len(y)",
         "    o_grad = (np.eye(y.shape[1])[labels] - y) / len(y)",
         r"the gradient of c of class 0 is \[0\.2648051, -0\.2648051\], expected "
         r"\[.*"),
        ("    o_grad = (y - np.eye(y.shape[1])[labels]) / len(y)",
         "    o_grad = y\n"
         "    o_grad[np.arange(len(y)), labels] -= 1\n"
         "    o_grad = o_grad / len(y)",
         "it writes into y: the caller still needs it"),
        ("    k_grad = o_grad @ V.T * h * (1 - h)",
         "    k_grad = o_grad @ V.T",
         r"the gradient of b of class 0 is \[-0\.5296103, .*"),
        ("    k_grad = o_grad @ V.T * h * (1 - h)",
         "    k_grad = o_grad @ V * h * (1 - h)",
         r"in my_backward: o_grad \(1, 2\) @ V \(3, 2\) do not fit, line \d+ of the cell: .*"),
        ("    return x.T @ k_grad, k_grad.sum(axis=0), h.T @ o_grad, o_grad.sum(axis=0)",
         "    return x.T @ k_grad, k_grad, h.T @ o_grad, o_grad",
         r"the gradient of c of class 0 has shape \(1, 2\), expected \(2,\)"),
        ("    return x.T @ k_grad, k_grad.sum(axis=0), h.T @ o_grad, o_grad.sum(axis=0)",
         "    return x.T @ k_grad, k_grad.sum(axis=0), o_grad.T @ h, o_grad.sum(axis=0)",
         r"the gradient of V of class 0 has shape \(2, 3\), expected \(3, 2\)"),
        ("    return x.T @ k_grad, k_grad.sum(axis=0), h.T @ o_grad, o_grad.sum(axis=0)",
         "    return x.T @ k_grad, k_grad.mean(axis=0), h.T @ o_grad, o_grad.mean(axis=0)",
         r"the gradient of c of the batch of three is \[0\.0160388, .*"),
        ("    return x.T @ k_grad, k_grad.sum(axis=0), h.T @ o_grad, o_grad.sum(axis=0)",
         "    return x.T @ k_grad, h.T @ o_grad",
         "it returned 2 results, but 4 are asked for: W, b, V, c"),
    ],
    "my_network": [
        ("    h = activation(edf.Affine(x, W, b))",
         "    h = edf.Sigmoid(edf.Affine(x, W, b))",
         r"the mean loss of labels \[0, 1, 1\] with Tanh is 0\.2620096, "
         r"expected 0\.1298938"),
        ("    h = activation(edf.Affine(x, W, b))",
         "    h = edf.Affine(x, W, b)",
         r"the mean loss of labels \[0\] with Sigmoid is .*, expected "
         r"0\.3076197"),
        ("    return edf.SoftmaxCrossEntropy(edf.Affine(h, V, c), labels)",
         "    return edf.SoftmaxCrossEntropy(edf.Softmax(edf.Affine(h, V, c)), labels)",
         "SoftmaxCrossEntropy contains the softmax: hand it the scores"),
        ("    return edf.SoftmaxCrossEntropy(edf.Affine(h, V, c), labels)",
         "    edf.SoftmaxCrossEntropy(edf.Affine(h, V, c), labels)",
         r"it returned None: is its return missing\?"),
        ("    return edf.SoftmaxCrossEntropy(edf.Affine(h, V, c), labels)",
         "    return edf.Affine(h, V, c)",
         r"the mean loss of labels \[0\] with Sigmoid is 0\.51\S+, expected .*"),
    ],
    "my_baselines": [
        ("    counts = np.unique(labels, return_counts=True)[1]",
         "    counts = np.bincount(labels)",
         r"RuntimeWarning: divide by zero encountered in log, line .*, for labels \[3, 1, 1, 3\]: "
         r"is there a class with the share 0\?"),
        ("    return p.max(), -(p * np.log(p)).sum()",
         "    return p.max(), -(p * np.log2(p)).sum()",
         r"the entropy of labels \[0, 0, 1, 0\] is 0\.8112781, expected "
         r"0\.5623351"),
        ("    return p.max(), -(p * np.log(p)).sum()",
         "    return p[0], -(p * np.log(p)).sum()",
         r"the share of labels \[2, 0, 1, 2, 2, 1\] is 0\.1666667, expected "
         r"0\.5"),
        ("    return p.max(), -(p * np.log(p)).sum()",
         "    return p.max()",
         r"it returned 0\.75, not tuple"),
    ],
    "my_training": [
        ("        for net.x.value, net.labels.value in edf.batches(points, labels, "
         "size=size):",
         "        for net.x.value, net.labels.value in edf.batches(points, labels, size=128):",
         r"the steps were taken on batches of 50, 50, 50, 50, 50, \.\.\., 10 "
         r"in all, expected 16, 16, 16, 2, 16, \.\.\., 40 in all \(50 points, 10 epochs\)"),
        ("        for net.x.value, net.labels.value in edf.batches(points, labels, "
         "size=size):",
         "        for net.x.value, net.labels.value in edf.batches(points[:48], labels[:48], "
         "size=size):",
         "the steps were taken on batches of 16, 16, 16, 16, .* 30 in all, .*"),
        ("            optimiser.step()",
         "            pass",
         r"step\(\) of the optimiser that it was handed was never called"),
        ("            edf.backward(net.loss)",
         "",
         r"the first step comes before backward: there is no gradient yet, line .*\.step\(\)"),
        ("            edf.forward()",
         "",
         "TypeError: SoftmaxCrossEntropy.* has no value yet: .*"),
        ("            optimiser.step()",
         "            optimiser.step()\n"
         "            edf.forward()",
         r"the mean loss of epoch 1 is 0\.44\d+, expected 0\.6081292, add "
         r"up the losses of all 50 examples, each from before the step of its batch"),
        ("            optimiser.step()",
         "            optimiser.step()\n"
         "            optimiser.step()",
         "the steps were taken on batches of 16, 16, 16, 16, .* 80 in all, .*, "
         "one step for each batch"),
        ("        for net.x.value, net.labels.value in edf.batches(points, labels, "
         "size=size):",
         "        for net.x, net.labels in edf.batches(points, labels, size=size):",
         r"AttributeError: assign to the values of the Inputs: net\.x\.value and "
         r"net\.labels\.value, line 6 of the cell: .*"),
        ("            total += net.loss.value.sum()",
         "            total += net.loss.value",
         r"ValueError: total is one number: \.sum\(\), line \d+ of the cell: .*"),
        ("            total += net.loss.value.sum()",
         "            total += net.loss.value.mean() * len(points) / 4",
         r"the mean loss of epoch 1 is 0\.66\d+, expected 0\.6081292, .*"),
        ("        losses.append(total / len(points))",
         "        losses.append(total)",
         r"the mean loss of epoch 1 is 30\.\d+, expected 0\.6081292, .*"),
        ("        losses.append(total / len(points))",
         "        losses.append(net.loss.value)",
         r"the loss of epoch 1 has shape \(2,\), not \(\)"),
        ("        losses.append(total / len(points))",
         "        return total / len(points)",
         r"the steps were taken on batches of 16, 16, 16, 2, \.\.\., 4 in "
         "all, .*"),
    ],
    "MySGD": [
        ("        for w in edf.params:",
         "        for w in [node for node in edf.components if node.grad is not None]:",
         r"step has changed the value of Mul\[4\], which is no Param: go through edf\.params"),
        ("        for w in edf.params:",
         "        for w in edf.components:",
         r"TypeError: unsupported operand .*, line \d+ of the cell: .*, only edf\.params learn: "
         r"other components may have no grad"),
        ("        for w in edf.params:",
         "        for w in edf.params[:2]:",
         r"step 1, with lr = 0\.1 and the gradient 1\.0, takes c from 0\.0 to 0\.0, expected "
         r"-0\.1, assign to param\.value"),
        ("            w.value -= self.lr * w.grad",
         "            w.value -= self.lr * w.grad\n"
         "            return",
         r"step 1, with lr = 0\.1 and the gradient 2\.0, takes b from 3\.0 to 3\.0, expected 2\.8, "
         r"assign to param\.value"),
        ("            w.value -= self.lr * w.grad",
         "            w.value += self.lr * w.grad",
         r"step 1, .*, takes w from \[1\.0, -2\.0\] to \[1\.1, -2\.2\], expected \[0\.9, -1\.8\]"),
        ("            w.value -= self.lr * w.grad",
         "            w.value -= 0.1 * w.grad",
         r"step 3, with lr = 0\.5 and .* takes w .*"),
        ("            w.value -= self.lr * w.grad",
         "            w = w - self.lr * w.grad",
         r"TypeError: .*, change param\.value, not param"),
        ("            w.value -= self.lr * w.grad",
         "            w = w.value - self.lr * w.grad",
         r"step 1, .*, takes w from \[1\.0, -2\.0\] to \[1\.0, -2\.0\], expected \[0\.9, -1\.8\], "
         r"assign to param\.value"),
    ],
    "my_error_rate": [
        ("        return (net.scores.value.argmax(axis=1) != labels).mean()",
         "        return (net.scores.value.argmax(axis=1) == labels).mean()",
         r"with 50 images, and the net's own answers as labels, it is 1\.0, expected 0, is it "
         r"the share of right answers, or are the scores older than forward\(\)\?"),
        ("        edf.forward()",
         "        answers = net.scores.value.argmax(axis=1)\n"
         "        edf.forward()\n"
         "        return (answers != labels).mean()",
         r"with 50 images, and the net's own answers as labels, it is 1\.0, expected 0, is it "
         r"the share of right answers, or are the scores older than forward\(\)\?"),
        ("        return (net.scores.value.argmax(axis=1) != labels).mean()",
         "        return np.round((net.scores.value.argmax(axis=1) != labels).mean(), 1)",
         r"with 50 images, and one wrong class in three as labels, it is 0\.3, expected 0\.32"),
        ("        return (net.scores.value.argmax(axis=1) != labels).mean()",
         "        return (net.scores.value.argmax(axis=1) != labels).sum()",
         "with 50 images, and only wrong classes as labels, it is 50, "
         "expected 1"),
        ("        return (net.scores.value.argmax(axis=1) != labels).mean()",
         "        return (net.scores.value.argmax(axis=1) != labels)",
         r"it returned an array of shape \(50,\), expected one number"),
        ("        return (net.scores.value.argmax(axis=1) != labels).mean()",
         "        (net.scores.value.argmax(axis=1) != labels).mean()",
         r"it returned None: is its return missing\?"),
        ("        return (net.scores.value.argmax(axis=1) != labels).mean()",
         "        return (net.scores.value.argmax(axis=0) != labels).mean()",
         r"(in my_error_rate: net\S+ \(10,\) != labels \(50,\) do not fit|DeprecationWarning: ).*"),
        ("        net.x.value, net.labels.value = images.reshape(len(images), -1), labels",
         "        images, labels = data.train_images[:1000], data.train_labels[:1000]\n"
         "        net.x.value, net.labels.value = images.reshape(len(images), -1), labels",
         "it was handed 50 images, but those that went through the net are "
         "1000, or others"),
        ("        net.x.value, net.labels.value = images.reshape(len(images), -1), labels",
         "        net.x.value, net.labels.value = data.test_images.reshape(-1, 784), labels",
         r"ValueError: labels must be one class number for each row of \(\d+, 10\), got shape "
         r"\(50,\): set both to the same batch.*"),
        ("        net.x.value, net.labels.value = images.reshape(len(images), -1), labels",
         "        net.x.value, net.labels.value = images.reshape(-1, 784), labels",
         r"ValueError: cannot reshape array of size 2250 into shape \(784\), line .*"),
        ("        net.x.value, net.labels.value = images.reshape(len(images), -1), labels",
         "        net.x.value = images.reshape(len(images), -1)",
         r"ValueError: labels must be one class number for each row of \(50, 10\), got shape "
         r"\(1,\): set both to the same batch.*"),
        ("        net.x.value, net.labels.value = images.reshape(len(images), -1), labels",
         "        net.x.value, net.labels.value = images.reshape(len(images), -1), labels\n"
         "        edf.training = True",
         "it ran the net as in training: keep the with line"),
        ("        net.x.value, net.labels.value = images.reshape(len(images), -1), labels",
         "        rates = []\n"
         "        for net.x.value, net.labels.value in edf.batches(\n"
         "                images.reshape(len(images), -1), labels, size=32):\n"
         "            edf.forward()\n"
         "            rates.append((net.scores.value.argmax(axis=1) != "
         "net.labels.value).mean())\n"
         "        return np.mean(rates)",
         "with 50 images, and half right, half wrong classes as labels, it "
         r"is 0\.60\d+, expected 0\.5"),
    ],
    "my_sd": [
        ("    return np.sqrt(2 / (fan_in * (1 + slope ** 2)))",
         "    return np.sqrt(1 / fan_in)",
         r"for fan_in = 50 and slope = 0 it is 0\.1414\d+, expected 0\.2, this keeps the mean "
         r"square of the sums s: what does the activation do to it\?"),
        ("    return np.sqrt(2 / (fan_in * (1 + slope ** 2)))",
         "    return 2 / (fan_in * (1 + slope ** 2))",
         r".* it is 0\.04, expected 0\.2, that is the variance: .*"),
        ("    return np.sqrt(2 / (fan_in * (1 + slope ** 2)))",
         "    return np.sqrt(2 / fan_in)",
         r"for fan_in = 8 and slope = 1 it is 0\.5, expected 0\.3535534, negative sums .*"),
        ("    return np.sqrt(2 / (fan_in * (1 + slope ** 2)))",
         "    return np.sqrt(2 / (fan_in * (1 + slope)))",
         r"for fan_in = 40 and slope = 0\.5 it is .*, expected 0\.2, a s, squared, is what .*"),
        ("    return np.sqrt(2 / (fan_in * (1 + slope ** 2)))",
         "    np.sqrt(2 / (fan_in * (1 + slope ** 2)))",
         r"it returned None: is its return missing\?"),
        ("    return np.sqrt(2 / (fan_in * (1 + slope ** 2)))",
         "    return edf.he(fan_in, fan_in)",
         r"it returned \[\[.*\]\], not Real"),
    ],
    "my_sweep": [
        ("    return np.array([[run(value, seed) for seed in seeds] for value in values])",
         "    return np.array([[run(value, seed) for value in values] for seed in seeds])",
         r"for 3 values and 2 seeds it has shape \(2, 3\), expected \(3, 2\)"),
        ("    return np.array([[run(value, seed) for seed in seeds] for value in values])",
         "    return [[run(value, seed) for seed in seeds] for value in values]",
         r"it returned \[\[0\.05, .*\]\], not ndarray"),
        ("    return np.array([[run(value, seed) for seed in seeds] for value in values])",
         "    return np.nan_to_num([[run(value, seed) for seed in seeds] for value in "
         "values])",
         r"entry \(1, 0\) is 0\.0, but run\(5, 3\) returned nan"),
        ("    return np.array([[run(value, seed) for seed in seeds] for value in values])",
         "    return np.array([[run(value, 3) for seed in seeds] for value in values])",
         r"entry \(0, 1\) is 0\.05, but run\(0\.1, 8\) returned 0\.06"),
        ("    return np.array([[run(value, seed) for seed in seeds] for value in values])",
         "    return np.array([[run(value, i) for i in range(2)] for value in values])",
         r"it called run\(0\.1, 0\), but there is no such value or no such "
         "seed, line .*"),
        ("    return np.array([[run(value, seed) for seed in seeds] for value in values])",
         "    np.array([[run(value, seed) for seed in seeds] for value in values])",
         r"it returned None: is its return missing\?"),
        ("    return np.array([[run(value, seed) for seed in seeds] for value in values])",
         "    [run(values[0], seed) for seed in seeds]\n"
         "    return np.array([[run(value, seed) for seed in seeds] for value in values])",
         "it called run 8 times: once for each entry is enough"),
    ],
    "my_choice": [
        ("    return values[np.nanargmin(means)]",
         "    return values[np.argmin(means)]",
         r"with the values \[5, 1, 0\.5, 0\.1\] and the errors \[\[nan, "
         r"0\.9\], .*\] it chose 5, expected 0\.1, a value with a run that diverged is out"),
        ("    return values[np.nanargmin(means)]",
         "    return values[np.nanargmin(np.nanmin(errors, axis=1))]",
         r".* chose 1, expected 0\.5, the mean over the seeds counts, not the "
         "best run"),
        ("    return values[np.nanargmin(means)]",
         "    return values[np.nanargmin(np.nanmean(errors, axis=1))]",
         r".* it chose 1, expected 0\.1, a value with a run that diverged is "
         "out"),
        ("    return values[np.nanargmin(means)]",
         "    return np.nanargmin(means)",
         r"it chose 2, which is none of the values \[5, 1, 0\.5, 0\.1\]"),
        ("    return values[np.nanargmin(means)]",
         "    return values[np.nanargmax(means)]",
         r".* it chose 0\.1, expected 0\.5, that is the largest mean"),
        ("    return values[np.nanargmin(means)]",
         "    return values[np.nanargmin(errors.mean(axis=0))]",
         r".* it chose 5, expected 0\.5, a mean for each value is one over axis 1"),
        *(("    return values[np.nanargmin(means)]",
           f"    return values[np.nanargmin({what})]",
           r".* it chose 1, expected 0\.5, the mean counts, not the largest, the middle or the "
           "last of the errors")
          for what in ("errors.max(axis=1)", "np.median(errors, axis=1)", "errors[:, -1]",
                       "means + errors.std(axis=1)")),
        ("    return values[np.nanargmin(means)]",
         "    values[np.nanargmin(means)]",
         r"it returned None: is its return missing\?"),
    ],
    "my_spread": [
        ("    return errors.mean(axis=1), errors.std(axis=1, ddof=1)",
         "    return errors.mean(axis=1), errors.std(axis=1)",
         r"the standard deviation of \[0\.02, 0\.03, 0\.04\] is 0\.00816497, "
         r"expected 0\.01"),
        ("    return errors.mean(axis=1), errors.std(axis=1, ddof=1)",
         "    return errors.mean(axis=0), errors.std(axis=0, ddof=1)",
         r"for errors \(4, 3\) the mean has shape \(3,\), expected \(4,\)"),
        ("    return errors.mean(axis=1), errors.std(axis=1, ddof=1)",
         "    return np.nanmean(errors, axis=1), np.nanstd(errors, axis=1, ddof=1)",
         r"the mean of \[0\.05, nan, 0\.07\] is 0\.06, expected nan"),
        ("    return errors.mean(axis=1), errors.std(axis=1, ddof=1)",
         "    return errors.mean(axis=1), errors.var(axis=1, ddof=1)",
         r"the standard deviation of \[0\.02, .*\] is 0\.0001, expected 0\.01"),
        ("    return errors.mean(axis=1), errors.std(axis=1, ddof=1)",
         "    return errors.mean(axis=1)",
         "it returned 4 things, expected two: mean, standard deviation"),
        ("    return errors.mean(axis=1), errors.std(axis=1, ddof=1)",
         "    errors.mean(axis=1), errors.std(axis=1, ddof=1)",
         r"it returned None: is its return missing\?"),
    ],
    "MyMomentum": [
        ('        return kept["m"]',
         '        kept["m"]',
         r"direction returned None: is its return missing\?"),
        ('        return kept["m"]',
         '        return self.lr * kept["m"]',
         r"with the loss w\^2 / 2, w = 1 and lr = 0\.01, step 1 leads to w = "
         r"0\.9999, expected 0\.99, is lr in the direction\? step multiplies by it"),
        ('        return kept["m"]',
         '        return -kept["m"]',
         r".* step 1 leads to w = 1\.01, expected 0\.99, this goes uphill, .*"),
        ('        return kept["m"]',
         '        return kept["m"].sum()',
         r"direction returns shape \(\) for a gradient of shape \(1, 3\)"),
        ('        kept["m"] = self.momentum * kept.get("m", 0) + grad',
         '        kept["m"] = self.momentum * kept.get("m", 0) + (1 - self.momentum) * grad',
         r".* step 1 leads to w = 0\.999, expected 0\.99"),
        ('        kept["m"] = self.momentum * kept.get("m", 0) + grad',
         '        kept["m"] = grad',
         r".* step 2 leads to w = 0\.9801, expected 0\.9711, step 1 was "
         "right, .*"),
        ('        kept["m"] = self.momentum * kept.get("m", 0) + grad',
         '        self.m = kept["m"] = self.momentum * getattr(self, "m", 0) + grad',
         "ValueError: .*, with two parameters: what is kept of one must be in `kept`, not on "
         "self"),
        ('        kept["m"] = self.momentum * kept.get("m", 0) + grad',
         '        kept["m"] = 0.9 * kept.get("m", 0) + grad',
         r"with two parameters, lr = 0\.1, 0\.1, 0\.5, momentum = 0\.5, three "
         r"steps take w to .* are all options used\?"),
        ('        kept["m"] = self.momentum * kept.get("m", 0) + grad',
         '        grad += self.momentum * kept.get("m", 0)\n'
         '        kept["m"] = grad + 0',
         r"direction changes param\.grad in place: make a new array"),
    ],
    "MyNesterov": [
        ('        return grad + self.momentum * kept["m"]',
         '        return kept["m"]',
         r".* step 1 leads to w = 0\.99, expected 0\.981, in its first step Nesterov's momentum "
         "moves by more than the gradient"),
        ('        return grad + self.momentum * kept["m"]',
         '        return kept["m"] + self.momentum * kept["m"]',
         r".* step 2 leads to w = .*, expected 0\.954261, step 1 was right, .*"),
        ('        return grad + self.momentum * kept["m"]',
         '        kept["m"] = grad + self.momentum * kept["m"]\n'
         '        return kept["m"]',
         r".* step 2 leads to w = .*, expected 0\.954261, step 1 was right, .*"),
        ('        return grad + self.momentum * kept["m"]',
         '        grad + self.momentum * kept["m"]',
         r"direction returned None: is its return missing\?"),
        ('        return grad + self.momentum * kept["m"]',
         '        return grad + 0.9 * kept["m"]',
         r"with two parameters, .* momentum = 0\.5, three steps .* are all options used\?"),
        ('        return grad + self.momentum * kept["m"]',
         '        return self.lr * (grad + self.momentum * kept["m"])',
         r".* step 1 leads to w = 0\.99981, .* is lr in the direction\? .*"),
    ],
    "MyRMSProp": [
        ('        return grad / (np.sqrt(kept["v"]) + self.eps)',
         '        return grad / (np.sqrt(kept["v"] + self.eps))',
         r"with two parameters, .* eps = 0\.1, three steps take w to .*"),
        ('        return grad / (np.sqrt(kept["v"]) + self.eps)',
         '        return grad / (kept["v"] + self.eps)',
         r".* step 1 leads to w = 9\.\S+e-07, expected 0\.9"),
        ('        kept["v"] = self.alpha * kept.get("v", 0) + (1 - self.alpha) * grad ** 2',
         '        kept["v"] = (1 - self.alpha) * kept.get("v", 0) + self.alpha * grad ** 2',
         r".* step 1 leads to w = 0\.98\d+, expected 0\.9, alpha is the share of the old v, .*"),
        ('        kept["v"] = self.alpha * kept.get("v", 0) + (1 - self.alpha) * grad ** 2',
         '        kept["v"] = (1 - self.alpha) * grad ** 2',
         r".* step 2 leads to w = 0\.8, expected 0\.832918, step 1 was right, "
         ".*"),
        ('        return grad / (np.sqrt(kept["v"]) + self.eps)',
         '        grad / (np.sqrt(kept["v"]) + self.eps)',
         r"direction returned None: is its return missing\?"),
    ],
    "MyAdam": [
        ('        m, v = kept["m"] / (1 - beta1 ** t), kept["v"] / (1 - beta2 ** t)',
         '        m, v = kept["m"], kept["v"]',
         r".* step 1 leads to w = 0\.968\d+, expected 0\.99, m and v are too small: where is the "
         r"bias correction\?"),
        ('        m, v = kept["m"] / (1 - beta1 ** t), kept["v"] / (1 - beta2 ** t)',
         '        m, v = kept["m"] / (1 - beta1 ** t), kept["v"]',
         r".* step 1 leads to w = 0\.68\d+, expected 0\.99, is v corrected too\?"),
        ('        m, v = kept["m"] / (1 - beta1 ** t), kept["v"] / (1 - beta2 ** t)',
         '        m, v = kept["m"] / (1 - beta1), kept["v"] / (1 - beta2)',
         ".* step 2 leads to w = .* step 1 was right, .*"),
        ('        t = kept["t"] = kept.get("t", 0) + 1',
         '        t = self.t = getattr(self, "t", 0) + 1',
         "with two parameters, .* is anything kept on self .*"),
        ("        return m / (np.sqrt(v) + self.eps)",
         "        return m / np.sqrt(v + self.eps)",
         r"with two parameters, .* eps = 0\.1, three steps take w to .*"),
        ('        t = kept["t"] = kept.get("t", 0) + 1',
         '        t = kept["t"] = kept.get("t", 0)',
         r"\w+: .*"),
    ],
    "MyAdamW": [
        ("                d = self.adam.direction(param.grad, kept) + self.decay * param.value",
         "                d = self.adam.direction(param.grad, kept)",
         r".* weight_decay = 0\.5, step 1 leads to w = 0\.99, expected 0\.985, no decay .*"),
        ("                d = self.adam.direction(param.grad, kept) + self.decay * param.value",
         "                d = self.adam.direction(param.grad + self.decay * param.value, kept)",
         r".* step 1 leads to w = 0\.99, expected 0\.985, no decay is left: added to the "
         "gradient, Adam divides it away"),
        ("                param.value -= self.lr * d",
         "                param.value -= self.lr * (d - self.decay * param.value)\n"
         "                param.value -= self.decay * param.value",
         r".* step 1 leads to w = .*, expected 0\.985"),
        ("                d = self.adam.direction(param.grad, kept) + self.decay * param.value",
         "                d = self.adam.direction(param.grad, kept) - self.decay * param.value",
         r".* step 1 leads to w = 0\.995, expected 0\.985, the decay makes w larger"),
        ("                d = self.adam.direction(param.grad, kept) + self.decay * param.value",
         "                d = self.adam.direction(param.grad, kept)\n"
         "                param.value -= self.decay * param.value",
         r".* step 1 leads to w = 0\.49, expected 0\.985, the decay is multiplied by the rate too"),
        ("                param.value -= self.lr * d",
         "                param.value -= self.lr * (d - self.decay * param.value)\n"
         "                param.value -= self.lr * self.decay * param.value",
         r".* step 1 leads to w = 0\.98505, expected 0\.985, both moves start from the same w: .*"),
        ("                param.value -= self.lr * d",
         "                param.value = d",
         r".* step 1 leads to w = 1\.5, expected 0\.985"),
    ],
    "my_rate": [
        ("        return lr * (step + 1) / warm",
         "        return lr * step / warm",
         r"for step = 0, steps = 100, lr = 0\.5, warm = 10 it is 0, expected 0\.05, this is still "
         "the rise"),
        ("    return lr * (1 + np.cos(np.pi * (step - warm) / (steps - warm))) / 2",
         "    return lr * (1 + np.cos(np.pi * step / steps)) / 2",
         r"for step = 10, .* the cosine begins at step `warm`, and has steps - warm steps to fall"),
        ("    return lr * (1 + np.cos(np.pi * (step - warm) / (steps - warm))) / 2",
         "    return lr * (1 + np.cos(np.pi * (step - warm) / steps)) / 2",
         r"for step = 40, steps = 100, .* expected 0\.375"),
        ("    return lr * (1 + np.cos(np.pi * (step - warm) / (steps - warm))) / 2",
         "    return lr * np.cos(np.pi * (step - warm) / (steps - warm) / 2)",
         r"for step = 40, steps = 100, .* expected 0\.375"),
        ("    if step < warm:",
         "    if step < warm or lr * (step + 1) / warm < lr:",
         r"ZeroDivisionError: .*, for step = 0, steps = 8, lr = 2, warm = 0: divide by warm only "
         "while it lasts"),
        ("    return lr * (1 + np.cos(np.pi * (step - warm) / (steps - warm))) / 2",
         "    lr * (1 + np.cos(np.pi * (step - warm) / (steps - warm))) / 2",
         r"it returned None: is its return missing\?"),
    ],
    "my_stopping": [
        ("    return epoch, best",
         "    return (epoch, best) if epoch - best == patience else (len(errors) - 1,) * 2",
         r".* it returned \(2, 2\), expected \(2, 1\), the epochs end before the patience does"),
        ("        if error < errors[best]:",
         "        if error < errors[epoch - 1]:",
         r"for the errors .* and patience 3 it returned .*, expected .*"),
        ("        if error < errors[best]:",
         "        if error <= errors[best]:",
         r"for the errors \[0\.5, 0\.4, 0\.4, .* an error that is equal is no better"),
        ("    return epoch, best",
         "    return epoch, int(np.argmin(errors))",
         r".* it returned \(5, 6\), expected \(5, 2\), .* epoch 6 never takes place"),
        ("    return epoch, best",
         "    return epoch + 1, best",
         r".* it returned \(6, 2\), expected \(5, 2\), .*"),
        ("        if epoch - best == patience:",
         "        if epoch - best > patience:",
         r".* it returned \(6, 6\), expected \(5, 2\), .*"),
        ("    return epoch, best",
         "    return best",
         "it returned 2, but two numbers are asked for"),
        ("    return epoch, best",
         "    epoch, best",
         r"it returned None: is its return missing\?"),
    ],
    "MyDropout": [
        ("        self.m = (edf.rng.random(x.shape) >= p) / (1 - p) if edf.training else 1.0",
         "        self.m = (edf.rng.random(x.shape) >= p) * 1.0 if edf.training else 1.0",
         r"with p = 0\.2 what is left is multiplied by 1, so the mean of y is not x"),
        ("        return x * self.m",
         "        x *= self.m\n"
         "        return x",
         r"f has changed x in place: make a new array, x \* m"),
        ("        self.m = (edf.rng.random(x.shape) >= p) / (1 - p) if edf.training else 1.0",
         "        self.m = (edf.rng.random(x.shape) < p) / p if edf.training else 1.0",
         r"with p = 0\.2 the share of zeros is 0\.\d+, p is the probability of a 0"),
        ("        self.m = (edf.rng.random(x.shape) >= p) / (1 - p) if edf.training else 1.0",
         "        self.m = (edf.rng.random(x.shape) >= p) / (1 - p)",
         "in evaluation, y must be x"),
        ("        self.m = (edf.rng.random(x.shape) >= p) / (1 - p) if edf.training else 1.0",
         "        self.m = ((edf.rng.random(x.shape[1]) >= p) / (1 - p) + 0 * x if edf.training\n"
         "                  else 1.0)",
         "(whole rows or columns are dropped: each number is drawn by itself|"
         r"with p = 0\.2 the share of zeros is .*)"),
        ("        self.m = (edf.rng.random(x.shape) >= p) / (1 - p) if edf.training else 1.0",
         "        numbers = np.random.default_rng().random(x.shape)\n"
         "        self.m = (numbers >= p) / (1 - p) if edf.training else 1.0",
         "after edf.seed, the same numbers should be dropped again: draw from edf.rng"),
        ("        return dy * self.m",
         "        return dy * (self.m > 0)",
         "the gradient must pass where the value has passed, multiplied by the same number"),
        ("        return dy * self.m",
         "        return dy * (edf.rng.random(x.shape) >= p) / (1 - p)",
         "the gradient must pass where the value has passed, multiplied by the same number"),
    ],
    "my_penalty": [
        ("        loss = loss + 0.5 * strength * edf.Sum(w * w)",
         "        loss = loss + strength * edf.Sum(w * w)",
         r".* it adds \[1\.525, .*\], expected 0\.7625, is it half of the sum\?"),
        ("        loss = loss + 0.5 * strength * edf.Sum(w * w)",
         "        loss = loss + 0.5 * strength * edf.Input((w.value ** 2).sum())",
         "no gradient reaches the first weights: use the component itself, not its .value"),
        ("        loss = loss + 0.5 * strength * edf.Sum(w * w)",
         "        loss = loss + 0.5 * edf.Sum(w * w)",
         r".* it adds \[7\.625, .*\], expected 0\.7625, is strength used\?"),
        ("        loss = loss + 0.5 * strength * edf.Sum(w * w)",
         "        loss = edf.Mean(loss) + 0.5 * strength * edf.Sum(w * w)",
         r"the loss is a single number: add the penalty to the loss of each image, \(B,\)"),
        ("        loss = loss + 0.5 * strength * edf.Sum(w * w)",
         "        total = loss + 0.5 * strength * edf.Sum(w * w)\n"
         "    loss = total",
         r".* it adds \[0\.5, .*\], expected 0\.7625, are all weights in it\?"),
        ("        loss = loss + 0.5 * strength * edf.Sum(w * w)",
         "        loss = loss + 0.5 * strength * edf.Mean(w * w)",
         r".* it adds \[.*\], expected 0\.7625.*"),
        ("    return loss",
         "    loss",
         r"it returned None: is its return missing\?"),
    ],
    "my_moved": [
        ("        result[i] = window[:, :, ::-1] if edf.rng.random() < 0.5 else window",
         "        result[i] = window[:, :, ::-1] if np.random.rand() < 0.5 else window",
         "after edf.seed, the same images should come again: draw from edf.rng"),
        ("        window = image[:, down:down + height, right:right + width]",
         "        window = np.roll(images[i], (down - most, right - most), axis=(1, 2))",
         "with most = 1, an image becomes none of its 18 .* must not come back on the other"),
        ("        result[i] = window[:, :, ::-1] if edf.rng.random() < 0.5 else window",
         "        result[i] = window",
         r"(all images are treated alike: .*|of 200 images none was moved .* and mirrored)"),
        ("        result[i] = window[:, :, ::-1] if edf.rng.random() < 0.5 else window",
         "        result[i] = window[:, ::-1] if edf.rng.random() < 0.5 else window",
         "with most = 0, .* it is upside down: mirror the last axis"),
        ("        down, right = edf.rng.integers(0, 2 * most + 1, size=2)",
         "        down = right = edf.rng.integers(0, 2 * most + 1)",
         r"of 200 images none was moved \(down, right\) by \(.*\) and (not )?mirrored"),
        ("        down, right = edf.rng.integers(0, 2 * most + 1, size=2)",
         "        down, right = edf.rng.integers(0, 2 * most, size=2) if most else (0, 0)",
         r"of 200 images none was moved \(down, right\) by \(.*\) and (not )?mirrored"),
        ("    result = np.empty_like(images)",
         "    result = images",
         r"it has changed the images it was given: \.copy\(\) first"),
        ("    return result",
         "    result",
         r"it returned None: is its return missing\?"),
    ],
    "my_composed_batchnorm": [
        ("    return gamma * (centred / (variance + eps) ** 0.5) + beta",
         "    gamma * (centred / (variance + eps) ** 0.5) + beta",
         r"it returned None: is its return missing\?"),
        ("    return gamma * (centred / (variance + eps) ** 0.5) + beta",
         "    return edf.BatchNorm(x, gamma, beta, eps=eps)",
         "build it from smaller components"),
        ("    return gamma * (centred / (variance + eps) ** 0.5) + beta",
         "    return gamma * (centred / variance ** 0.5) + beta",
         r"with eps = 1\.5 and 4 rows, .* is eps left out\?"),
        ("    return gamma * (centred / (variance + eps) ** 0.5) + beta",
         "    return gamma * (centred / (variance ** 0.5 + eps)) + beta",
         r"with eps = 1\.5 and 4 rows, .*, eps belongs under the root"),
        ("    return gamma * (centred / (variance + eps) ** 0.5) + beta",
         "    return gamma * (centred / (variance + eps)) + beta",
         "with eps = 1e-05 and 4 rows, .* is the root taken, .*"),
        ("    return gamma * (centred / (variance + eps) ** 0.5) + beta",
         "    return centred / (variance + eps) ** 0.5 + beta",
         r"with eps = 1e-05 and 4 rows, .* is gamma used\?"),
        ("    return gamma * (centred / (variance + eps) ** 0.5) + beta",
         "    return gamma * (centred / (variance + eps) ** 0.5)",
         r"\(y - beta\) / gamma has the column means .* is beta added\?"),
        ("    variance = edf.Mean(centred * centred, axis=0)",
         "    variance = edf.Sum(centred * centred, axis=0) / (len(x.value) - 1)",
         r"with eps = 1e-05 and 4 rows, .* divided by B - 1\? it must be B"),
        ("    centred = x - edf.Mean(x, axis=0)",
         "    centred = x - edf.Mean(x, axis=1, keepdims=True)",
         r"\(y - beta\) / gamma has the column means .* taken over axis 0, .*"),
        ("    centred = x - edf.Mean(x, axis=0)",
         "    centred = x - edf.Input(x.value.mean(axis=0))",
         r".*, in a second forward\(\), with another x: build mean .*"),
        ("    variance = edf.Mean(centred * centred, axis=0)",
         "    variance = edf.Input(x.value.var(axis=0))",
         r".*, in a second forward\(\), with another x: build mean .*"),
    ],
    "MyBatchNorm": [
        ("        return (dz - dz.mean(axis=0) - self.z * slope) / self.sd",
         "        return (dz - self.z * slope) / self.sd",
         r"wrong gradient: MyBatchNorm\[3\]\.dx gives .* expected 0: the "
         "share through the mean is missing or wrong"),
        ("        return (dz - dz.mean(axis=0) - self.z * slope) / self.sd",
         "        return (dz - dz.mean(axis=0)) / self.sd",
         r"wrong gradient: MyBatchNorm\[3\]\.dx gives .* expected 0: the "
         "share through the variance is missing or wrong"),
        ("        return (dz - dz.mean(axis=0) - self.z * slope) / self.sd",
         "        return dz / self.sd",
         r"wrong gradient: MyBatchNorm\[3\]\.dx gives .* as if mean and "
         "variance were constants, or both shares are wrong"),
        ("        return (dz - dz.mean(axis=0) - self.z * slope) / self.sd",
         "        return (dz - dz.mean(axis=0) - self.z * slope) / x.std(axis=0, ddof=1)",
         r"wrong gradient: MyBatchNorm\[3\]\.dx gives .* and with B and not B "
         r"- 1\?"),
        ("        return (dz - dz.mean(axis=0) - self.z * slope) / self.sd",
         "        return (dz - dz.mean(axis=0) - self.z * slope) / (x.std(axis=0) + 1e-5)",
         "wrong gradient: .* is the standard deviation that of f, with eps, "
         ".*"),
        ("        return (dz - dz.mean(axis=0) - self.z * slope) / self.sd",
         "        return (dz - dz.mean(axis=0) - self.z * slope) / x.std(axis=0)",
         "wrong gradient: .* is the standard deviation that of f, with eps, "
         ".*"),
        ("        return (dz - dz.mean(axis=0) - self.z * slope) / self.sd",
         "        return (dz - dz.mean() - self.z * slope) / self.sd",
         "wrong gradient: .* the share through the mean is missing or wrong"),
        ("        return (dz - dz.mean(axis=0) - self.z * slope) / self.sd",
         "        (dz - dz.mean(axis=0) - self.z * slope) / self.sd",
         r"TypeError: the formula returned None: is its return missing\?, in dx of .*"),
        ("        dz = dy * gamma",
         "        dz = dy",
         r"wrong gradient: MyBatchNorm\[3\]\.dx gives .* look for a wrong "
         "factor .*"),
        ("        return (dy * self.z).sum(axis=0)",
         "        return dy * self.z",
         r"ValueError: the gradient has shape \(4, 3\), but the value has shape \(3,\), in "
         "dgamma .*"),
        ("        return (dy * self.z).sum(axis=0)",
         "        return (dy * self.z).mean(axis=0)",
         r"wrong gradient: MyBatchNorm\[3\]\.dgamma gives .*"),
        ("        return (dy * self.z).sum(axis=0)",
         "        return (dy * x).sum(axis=0)",
         r"wrong gradient: MyBatchNorm\[3\]\.dgamma gives .*"),
        ("        return dy.sum(axis=0)",
         "        return dy.mean(axis=0)",
         r"wrong gradient: MyBatchNorm\[3\]\.dbeta gives .*"),
    ],
    "MyConv1d": [
        ("        return sum(w[t] * x[:, t:t + count] for t in range(len(w)))",
         "        return sum(w[-1 - t] * x[:, t:t + count] for t in range(len(w)))",
         "the kernel is flipped: the first weight meets the first number of a window"),
        ("        return sum(w[t] * x[:, t:t + count] for t in range(len(w)))",
         "        return sum(w[t] * x[:, t:t + count] for t in range(len(w) - 1))",
         r"the value is \[.*\], expected \[\[5\.0, 22\.0, -2\.5\], .*"),
        ("            collected[:, t:t + count] += w[t] * dy",
         "            collected[:, t:t + count] = w[t] * dy",
         r"wrong gradient: MyConv1d\[2\]\.dx gives .*"),
        ("            collected[:, t:t + count] += w[t] * dy",
         "            collected[:, t:t + count] += w[t]",
         r"wrong gradient: MyConv1d\[2\]\.dx gives .* is dy used\?"),
        ("        return np.array([(dy * x[:, t:t + count]).sum() for t in range(len(w))])",
         "        return np.array([(dy * x[:, t:t + count]).mean() for t in range(len(w))])",
         r"wrong gradient: MyConv1d\[2\]\.dw gives .*, all entries of dw are .*"),
        ("        return np.array([(dy * x[:, t:t + count]).sum() for t in range(len(w))])",
         "        return np.array([(dy * x[:, t:t + count]).sum(axis=0) for t in range(len(w))])",
         r"ValueError: the gradient has shape \(4, 3\), but the value has shape \(4,\), .*"),
        ("        return collected",
         "        collected",
         r"TypeError: the formula returned None: is its return missing\?, .*"),
    ],
    "MyMaxPool2d": [
        ("            place += dy * (pixel == self.value)",
         "            place[...] = dy * (pixel == self.value)",
         r"wrong gradient: MyMaxPool2d\[1\]\.dx gives .*, where windows of 2 "
         "x 2 overlap, with stride 1 .*"),
        ("            place += dy * (pixel == self.value)",
         "            place += pixel == self.value",
         r"wrong gradient: MyMaxPool2d\[1\]\.dx gives .*"),
        ("            place += dy * (pixel == self.value)",
         "            place += dy",
         r"wrong gradient: MyMaxPool2d\[1\]\.dx gives .*"),
        ("        return collected",
         "            return collected",
         r"dx is 0 everywhere: g = g \+ \.\.\. makes .* \(or does a return end the loop\?\)"),
        ("            place += dy * (pixel == self.value)",
         "            place = place + dy * (pixel == self.value)",
         r"dx is 0 everywhere: g = g \+ \.\.\. makes a new array, g \+= \.\.\. adds to .*"),
        ("            place += dy * (pixel == self.value)",
         "            count = sum(p == self.value for p in edf.pixels(x, (size, size), stride or "
         "size))\n"
         "            place += dy * (pixel == self.value) / count",
         r"for \[\[2\.0, .* dx is \[\[0\.5, .*, if several pixels are the largest, each has .*"),
        ("            place += dy * (pixel == self.value)",
         "            done = done + hit if place is not collected and 'done' in vars() else 0\n"
         "            hit = (pixel == self.value) & (done == 0)\n"
         "            place += dy * hit",
         r"for \[\[2\.0, .* dx is \[\[1\.0, 0\.0, .*, if several pixels are the largest, .*"),
        ("        return collected",
         "        collected",
         r"TypeError: the formula returned None: is its return missing\?, in dx of .*"),
        ("        return collected",
         "        return collected[0]",
         r"ValueError: the gradient has shape \(1, 4, 4\), but the value has shape .*"),
    ],
    "MyConv2d": [
        ("        y = kernels @ self.cut + b[:, None]",
         "        y = kernels @ self.cut",
         r"the value is \[\[\[\[258\.0, .* expected \[\[\[\[358, 394\], .*"),
        ("        kernels = w.reshape(len(w), -1)",
         "        kernels = w.reshape(len(w), -1)[:, ::-1]",
         "the kernel is flipped: its first weight meets the first pixel of a window"),
        ("        y = kernels @ self.cut + b[:, None]",
         "        y = kernels @ self.cut + b",
         r"in f: kernels @ self\.cut \(2, 3, 4\) \+ b \(3,\) do not fit, .*, for 2 images of "
         r"2 channels, and 3 kernels .*"),
        ("        return each.sum(axis=0).reshape(w.shape)",
         "        return each.mean(axis=0).reshape(w.shape)",
         r"wrong gradient: MyConv2d\[3\]\.dw gives .*, for 2 images of .*"),
        ("        return each.sum(axis=0).reshape(w.shape)",
         "        return each.sum(axis=0)",
         r"ValueError: the gradient has shape \(1, 9\), but the value has shape \(1, 1, 3, "
         r"3\), .*"),
        ("        return each.sum(axis=0).reshape(w.shape)",
         "        each.sum(axis=0).reshape(w.shape)",
         r"TypeError: the formula returned None: is its return missing\?, in dw of .*"),
        ("        each = columns @ self.cut.swapaxes(1, 2)",
         "        each = np.ones_like(columns) @ self.cut.swapaxes(1, 2)",
         r"wrong gradient: MyConv2d\[3\]\.dw gives .*"),
    ],
    "my_residual": [
        ("    return edf.ReLU(x + h)",
         "    return x + edf.ReLU(h)",
         r"if both layers return 0, x = \(2, -1\) becomes \[2\.0, -1\.0\], expected \[2, 0\], is x "
         r"added, and is the last ReLU behind the sum\?"),
        ("    return edf.ReLU(x + h)",
         "    return edf.ReLU(h)",
         r"if both layers return 0, x = \(2, -1\) becomes \[0\.0, 0\.0\], expected \[2, 0\], .*"),
        ("    h = layer(h, n_out, n_out, 3)",
         "    h = edf.ReLU(layer(h, n_out, n_out, 3))",
         r"if the second layer returns minus what it gets, .* no ReLU stands between the second "
         "layer and the sum"),
        ("    h = edf.ReLU(layer(x, n_in, n_out, 3))",
         "    h = layer(x, n_in, n_out, 3)",
         r"if both layers return minus .* becomes \[4\.0, 0\.0\], expected \[2, 0\], is a ReLU .*"),
        ("    h = layer(h, n_out, n_out, 3)",
         "    h = layer(h, n_in, n_out, 3)",
         r"with n_in = 1 and n_out = 2 it builds layers .* on the way around"),
        ("        x = layer(x, n_in, n_out, 1)",
         "        x = edf.ReLU(layer(x, n_in, n_out, 1))",
         r"if the first layer returns \(-x, -3 x\), .* the way around has no ReLU, .*"),
        ("    return edf.ReLU(x + h)",
         "    edf.ReLU(x + h)",
         r"it returned None: is its return missing\?"),
    ],
    "my_diagnosis": [
        *(('    return {"A": "order", "B": "mode", "C": "dead"',
           f"    return {wrong}",
           said) for wrong, said in (
            ('{"A": "order", "B": "mode", "C": "rate", "D": "labels", "E": "test mean", '
             '"F": "dead"}', "4 of 6 are right"),
            ('{"A": "order", "B": "mode"}', "its keys are A, B, expected A to F"),
            ('{"A": "order", "B": "mode", "C": "dead", "D": "labels", "E": "order", "F": "rate"}',
             "'order' stands there more than once: each has a cause of its own"),
            ('{"A": "sorted", "B": "mode", "C": "dead", "D": "labels", "E": "test mean", '
             '"F": "rate"}', "A has the cause 'sorted', which is none of .*"),
            ('["order", "mode", "dead", "labels", "test mean", "rate"]',
             r"it returned \[.*\], not dict"),
            ('None', r"it returned None: is its return missing\?"))),
    ],
    "suspect_data": [
        ("    images, labels = images[order], labels[order]",
         "    images, labels = images[order], edf.rng.permutation(labels)",
         r"\d+ of 60 images have the label of another image"),
        ("    images, labels = images[order], labels[order]",
         "    images, labels = images, labels",
         "the images are in the order in which they came"),
        ("    mean, sd = images.mean(), images.std()",
         "    mean, sd = test_images.mean(), test_images.std()",
         "the training images have mean .* whose mean and deviation are used.*"),
        ("    mean, sd = images.mean(), images.std()",
         "    both = np.concatenate([images, test_images])\n"
         "    mean, sd = both.mean(), both.std()",
         "the training images have mean .*"),
        ("    mean, sd = images.mean(), images.std()",
         "    mean, sd = images.mean(axis=0), images.std(axis=0) + 1e-9",
         "not all pixels are changed by the same two numbers: .*"),
        ("    mean, sd = images.mean(), images.std()",
         "    mean, sd = images.mean(), images.std()\n"
         "    test_images = (test_images - test_images.mean()) / test_images.std() * sd + mean",
         "the test images are changed by other numbers than the training images"),
        ("    return (images - mean) / sd, labels, (test_images - mean) / sd",
         "    return (images - mean) / sd, (test_images - mean) / sd",
         "it returned 2 things, expected three"),
    ],
    "suspect_training": [
        *(("    net = mlp(",
           f"    net = mlp([images.shape[1], 64, 10], {activation}, edf.he)",
           r"Dropout with p = 0\.5 is none of the faults: put it back")
          for activation in ("edf.ReLU", "lambda h: edf.Dropout(edf.ReLU(h), p=0.0)")),
        ("    sgd, shuffle = edf.SGD(lr=0.05), True",
         "    sgd, shuffle = edf.SGD(lr=0.05), True\n"
         "    edf.training = False",
         r"it also trains in evaluation mode, where Dropout does nothing, line \d+ .*"),
        ("    sgd, shuffle = edf.SGD(lr=0.05), True",
         "    sgd, shuffle = edf.SGD(lr=0.05), True\n"
         "    edf.params[1].value -= 1",
         r"the first biases do not start at 0: what are they changed for\?"),
        ("    sgd, shuffle = edf.SGD(lr=0.05), True",
         "    sgd, shuffle = edf.SGD(lr=0.05), True\n"
         "    images, labels = test_images, test_labels",
         r"it trains on other images than the training images, line \d+ of the cell: .*"),
        ("    return net, (net.scores.value.argmax(axis=1) != test_labels).mean()",
         "    return net, (net.scores.value.argmax(axis=1) != test_labels).mean() / 2",
         r"it says that .* are wrong, but in evaluation it is \d+\.\d%"),
        ("    sgd, shuffle = edf.SGD(lr=0.05), True",
         "    sgd, shuffle = edf.SGD(lr=2.0), True",
         r"(the loss is no longer a finite number: .*|\d+% of the hidden units are 0 .*)"),
        ("    sgd, shuffle = edf.SGD(lr=0.05), True",
         "    edf.params[1].value -= 100\n"
         "    sgd, shuffle = edf.SGD(lr=0.05), True",
         r"100% of the hidden units are 0 for every image: were they so at the start, .*"),
        ("    sgd, shuffle = edf.SGD(lr=0.05), True",
         "    sgd, shuffle = edf.SGD(lr=0.05), False",
         r"\d+\.\d% of 400 other digits are wrong, at most 15 % are asked for.*"),
        ("    with edf.evaluating():",
         "    if True:",
         r"it says that .* are wrong, but in evaluation it is .*: was Dropout still at work\?"),
        ("            sgd.step()",
         "            pass",
         r"\d+\.\d% of 400 other digits are wrong, .*"),
        ("    return net, (net.scores.value.argmax(axis=1) != test_labels).mean()",
         "    net, (net.scores.value.argmax(axis=1) != test_labels).mean()",
         r"it returned None: is its return missing\?"),
    ],
    "my_best_convnet": [
        ("    return net",
         "    net",
         r"it returned None: is its return missing\?"),
        ("            adam.step()",
         "            pass",
         r"after three epochs on 1,397 digits it gets .* of 400 others wrong, .*"),
        ("    for _ in range(epochs):",
         "    images -= images.mean()\n"
         "    for _ in range(1):",
         r"it has changed the images it was given: \.copy\(\) first"),
        ("    for _ in range(epochs):",
         "    labels[0] = labels[1]\n"
         "    for _ in range(1):",
         r"it has changed the labels it was given: \.copy\(\) first"),
        ("    return net",
         "    return net.scores",
         r"it returned .*, not Net"),
    ],
    "SuspectReLU": [
        ("        return np.where(z > 0, dy, 0)",
         "        return dy",
         r"wrong gradient: SuspectReLU\[1\]\.dz gives .*"),
        ("        return np.where(z > 0, dy, 0)",
         "        return dy * np.maximum(z, 0)",
         r"wrong gradient: SuspectReLU\[1\]\.dz gives .*"),
        ("        return np.where(z > 0, dy, 0)",
         "        np.where(z > 0, dy, 0)",
         r"TypeError: the formula returned None: is its return missing\?, in dz of .*"),
        ("        return np.where(z > 0, dy, 0)",
         "        return dy[z > 0]",
         r"ValueError: the gradient has shape \(3,\), but the value has shape \(2, 3\), in dz "
         "of .*"),
    ],
    "suspect_layer": [
        ("    return images @ weights + bias",
         "    return weights @ images + bias",
         r"images \(4, 3\), .* together: in f of MatMul\(a \(3, 2\), b \(4, "
         r"3\)\)"),
        ("    return images @ weights + bias",
         "    return edf.Transpose(weights) @ edf.Transpose(images) + bias",
         r"images \(4, 3\), .* together: in f of Add\(a \(2, 4\), b \(2,\)\)"),
        ("    return images @ weights + bias",
         "    return images @ weights",
         r"the value is .*, expected \[\[12, 24\], .*"),
        ("    return images @ weights + bias",
         "    images @ weights + bias",
         r"it returned None: is its return missing\?"),
    ],
    "SuspectMatMul": [
        ("        return dy @ v.T ",
         "        return dy @ v",
         r"wrong gradient: SuspectMatMul\[2\]\.dh gives .*"),
        ("        return h.T @ dy ",
         "        return dy @ h.T",
         r"wrong gradient: SuspectMatMul\[2\]\.dv gives .*"),
        ("        return h.T @ dy ",
         "        return (dy.T @ h).T if len(h) == 3 else dy.T @ h",
         r"ValueError: the gradient has shape \(2, 3\), but the value has shape \(3, 2\), in "
         "dv of .*"),
        ("        return dy @ v.T ",
         "        dy @ v.T",
         r"TypeError: the formula returned None: is its return missing\?, in dh of .*"),
    ],
    "SuspectSimilarity": [
        ("        return dy @ keys ",
         "        return dy @ keys.T",
         r"wrong gradient: SuspectSimilarity\[2\]\.dqueries gives .*"),
        ("        return dy.T @ queries ",
         "        return dy @ queries",
         r"wrong gradient: SuspectSimilarity\[2\]\.dkeys gives .*"),
        ("        return dy.T @ queries ",
         "        return dy.T @ queries if len(dy) == 3 else dy @ queries",
         r"in dkeys: dy \(2, 4\) @ queries \(2, 3\) do not fit, line \d+ of the cell: .*, in "
         r"dkeys of SuspectSimilarity\(.*\), where dy is \(2, 4\)"),
    ],
    "SuspectRepeat": [
        ("        return dy.sum(axis=1, keepdims=True) ",
         "        return dy",
         r"ValueError: the gradient has shape \(3, 4\), but the value has shape \(3, 1\), in "
         "dx of .*"),
        ("        return dy.sum(axis=1, keepdims=True) ",
         "        return dy.mean(axis=1, keepdims=True)",
         r"wrong gradient: SuspectRepeat\[1\]\.dx gives .*"),
        ("        return dy.sum(axis=1, keepdims=True) ",
         "        return dy.sum(axis=1)",
         r"ValueError: the gradient has shape \(3,\), but the value has shape \(3, 1\), in dx "
         "of .*"),
        ("        return dy.sum(axis=1, keepdims=True) ",
         "        return sum(dy[:, [column]] for column in range(4))",
         "the sum of 16 copies has the slope 16, not 4"),
    ],
    "SuspectNormalize": [
        ("        return dy / s - (dy * t).sum(axis=1, keepdims=True) / s ** 2",
         "        return dy / s",
         r"SuspectNormalize\[1\]\.dt gives .* for an upstream gradient of "
         "ones: .*"),
        ("        return dy / s - (dy * t).sum(axis=1, keepdims=True) / s ** 2",
         "        return dy / s - (dy * t).sum() / s ** 2",
         r"SuspectNormalize\[1\]\.dt gives .* for an upstream gradient of "
         "ones: .*"),
        ("        return dy / s - (dy * t).sum(axis=1, keepdims=True) / s ** 2",
         "        return (dy * t).sum(axis=1, keepdims=True) / s ** 2 - dy / s",
         r"wrong gradient: SuspectNormalize\[1\]\.dt gives .*"),
        ("        return dy / s - (dy * t).sum(axis=1, keepdims=True) / s ** 2",
         "        dy / s - (dy * t).sum(axis=1, keepdims=True) / s ** 2",
         r"TypeError: the formula returned None: is its return missing\?, in dt of .*"),
    ],
    "suspect_jacobian": [
        ("            jacobian[i, j] = -e[i] * e[j] / total ** 2",
         "            jacobian[i, j] = -e[j] * e[j] / total ** 2",
         "row 1, column 0, .*"),
        ("            jacobian[i, j] = -e[i] * e[j] / total ** 2",
         "            jacobian[i, j] = e[i] * e[j] / total ** 2",
         r"row 1, column 0, .* is 0\.0220330, but differences give "
         r"-0\.0220330 .*"),
        ("            jacobian[i, j] = -e[i] * e[j] / total ** 2",
         "            jacobian[i, j] = -e[i] * e[j] / total",
         "row 1, column 0, .*"),
        ("    return jacobian",
         "    jacobian",
         r"it returned None: is its return missing\?"),
        ("    return jacobian",
         "    return jacobian.sum(axis=1)",
         r"the matrix has shape \(3,\), expected \(3, 3\)"),
    ],
    "SuspectCrossEntropy": [
        ("        return -dy[:, None] * is_right / p ",
         "        return -1.0 * is_right / p",
         r"wrong gradient: SuspectCrossEntropy\[2\]\.dp gives .*"),
        ("        return -dy[:, None] * is_right / p ",
         "        return p - is_right",
         r"wrong gradient: SuspectCrossEntropy\[2\]\.dp gives .*"),
        ("        return -dy[:, None] * is_right / p ",
         "        return -dy / p[is_right]",
         r"ValueError: the gradient has shape \(4,\), but the value has shape \(4, 3\), in dp "
         "of .*"),
    ],
    "SuspectSoftmax": [
        ("        average = (dy * y).sum(axis=1, keepdims=True) ",
         "        average = (dy * y).sum()",
         r"row \d of what SuspectSoftmax\[1\]\.do returns adds up to .*"),
        ("        return y * (dy - average) ",
         "        return y * dy",
         r"row \d of what SuspectSoftmax\[1\]\.do returns adds up to .*"),
        ("        return y * (dy - average) ",
         "        return y * (average - dy)",
         r"wrong gradient: SuspectSoftmax\[1\]\.do gives .*"),
        ("        return y * (dy - average) ",
         "        y * (dy - average)",
         r"TypeError: the formula returned None: is its return missing\?, in do of .*"),
    ],
    "my_best_net": [
        *(("    epochs, lr, step = 20, 0.1, 0",
           f"    {name}{change}\n"
           "    epochs, lr, step = 2, 0.1, 0",
           f"it has changed the {name} it was given: \\.copy\\(\\) first")
          for name, change in (("images", " -= images.mean()"),
                               ("labels", "[0] = labels[1]"))),
        ("    return net",
         "",
         r"it returned None: is its return missing\?"),
        ("            sgd.step()",
         "            pass",
         r"after training on 1,397 digits it gets \d\d\.\d% of 400 others "
         "wrong, expected at most 15 %"),
    ],
    "my_bigrams": [
        ("    np.add.at(table, (numbers[:-1], numbers[1:]), 1)",
         "    table[numbers[:-1], numbers[1:]] += 1",
         r"for the text \[0, 1, 0, 1, 1, 2, 0, 1\], row 0 is .*, expected .*, is every occurrence "
         r"of a pair counted\? table\[i, j\] \+= 1 with arrays counts it once"),
        ("    np.add.at(table, (numbers[:-1], numbers[1:]), 1)",
         "    np.add.at(table, (numbers[1:], numbers[:-1]), 1)",
         r"for the text \[0, 1, 0, 1, 1, 2, 0, 1\], row 0 is .*, expected .*, are rows and "
         r"columns exchanged\? the first letter of a pair is the row"),
        ("    table = np.ones((count, count))",
         "    table = np.full((count, count), 1e-9)",
         r"for the text \[0, 1, 0, 1, 1, 2, 0, 1\], row 0 is .*, expected .*, is each pair "
         r"counted once more than it occurs, also one that never does\?"),
        ("    return table / table.sum(axis=1, keepdims=True)",
         "    return table / table.sum()",
         r"for the text \[0, 1, 0, 1, 1, 2, 0, 1\], row 0 is .*, expected .*, it adds up to 1 as "
         "a whole: each row has to"),
        ("    return table / table.sum(axis=1, keepdims=True)",
         "    return table / table.sum(axis=0)",
         r"for the text \[0, 1, 0, 1, 1, 2, 0, 1\], row 0 is .*, expected .*, each row has to add "
         "up to 1: divide by its sum"),
        ("    return table / table.sum(axis=1, keepdims=True)",
         "    return table",
         r"for the text \[0, 1, 0, 1, 1, 2, 0, 1\], row 0 is .*, expected .*, each row has to add "
         "up to 1: divide by its sum"),
        ("    return table / table.sum(axis=1, keepdims=True)",
         "    table / table.sum(axis=1, keepdims=True)",
         r"it returned None: is its return missing\?"),
        ("    np.add.at(table, (numbers[:-1], numbers[1:]), 1)",
         "    np.add.at(table, (numbers, np.roll(numbers, -1)), 1)",
         r"for the text \[0, 1, 0, 1, 1, 2, 0, 1\], row 1 is .*, expected .*, the last letter and "
         "the first are no pair: 8 letters have 7 pairs"),
        ("    np.add.at(table, (numbers[:-1], numbers[1:]), 1)",
         "    np.add.at(table, (numbers[:-2], numbers[1:-1]), 1)",
         r"for the text \[0, 1, 0, 1, 1, 2, 0, 1\], row 0 is .*, expected .*, is the pair at one "
         r"end left out\? 8 letters have 7 pairs"),
    ],
    "MyEmbedding": [
        ("        np.add.at(dw, index, dy)",
         "        dw[index] += dy",
         r"wrong gradient: MyEmbedding\[2\]\.dw gives .* at entry \(2, 2\), central differences "
         r"give .*, in dw of MyEmbedding\(w \(5, 3\), index \(2, 4\)\), row 2 is used four times "
         r"and row 0 twice: does each get the sum of its shares\? row 3 is not used: is its "
         r"gradient 0\?"),
        ("        np.add.at(dw, index, dy)",
         "        dw[index] = dy",
         r"wrong gradient: MyEmbedding\[2\]\.dw gives .* at entry \(2, 2\), central differences "
         r"give .*, in dw of MyEmbedding\(w \(5, 3\), index \(2, 4\)\), row 2 is used four times "
         r"and row 0 twice: does each get the sum of its shares\? row 3 is not used: is its "
         r"gradient 0\?"),
        ("        np.add.at(dw, index, dy)",
         "        np.add.at(dw, index, 1.0)",
         r"wrong gradient: MyEmbedding\[2\]\.dw gives 4 at entry \(2, 2\), central differences "
         r"give .*, in dw of MyEmbedding\(w \(5, 3\), index \(2, 4\)\), dw returns the same "
         r"whatever dy is: is dy used\?, row 2 is used four times and row 0 twice: does each get "
         r"the sum of its shares\? row 3 is not used: is its gradient 0\?"),
        ("        np.add.at(dw, index, dy)",
         "        np.add.at(dw, index, dy * w[index])",
         r"wrong gradient: MyEmbedding\[2\]\.dw gives .* at entry \(4, 0\), central differences "
         r"give .*, in dw of MyEmbedding\(w \(5, 3\), index \(2, 4\)\), row 2 is used four times "
         r"and row 0 twice: does each get the sum of its shares\? row 3 is not used: is its "
         r"gradient 0\?"),
        ("        dw = np.zeros_like(w)",
         "        dw = np.ones_like(w)",
         r"wrong gradient: MyEmbedding\[2\]\.dw gives .* at entry \(2, 0\), central differences "
         r"give .*, in dw of MyEmbedding\(w \(5, 3\), index \(2, 4\)\), row 2 is used four times "
         r"and row 0 twice: does each get the sum of its shares\? row 3 is not used: is its "
         r"gradient 0\?"),
        ("        return dw",
         "        return dy",
         r"ValueError: the gradient has shape \(2, 4, 3\), but the value has shape \(5, 3\), in "
         r"dw of MyEmbedding\(w \(5, 3\), index \(2, 4\)\), where dy is \(2, 4, 3\)"),
        ("        return dw",
         "        dw",
         r"TypeError: the formula returned None: is its return missing\?, in dw of MyEmbedding\(w "
         r"\(5, 3\), index \(2, 4\)\), where dy is \(2, 4, 3\)"),
    ],
    "my_rnn": [
        ("        states.append(h)",
         "        pass",
         "with steps = 3 it returned 0 states, expected 3: those after 1, 2 and 3 letters, "
         "without the one at the start"),
        ("        h = edf.Tanh(",
         "        h = edf.Tanh(edf.Affine(x[:, t], w, b))",
         "state 1 is .*, expected .*, it lacks h @ u: the first state comes from the h that is "
         "given"),
        ("        h = edf.Tanh(",
         "        h = edf.Tanh(edf.Affine(x[:, 0], w, b) + h @ u)",
         "state 2 is .*, expected .*, state 1 is right: does state 2 use it, and the letter "
         r"x\[:, 1\]\?"),
        ("        h = edf.Tanh(",
         "        h = edf.Affine(x[:, t], w, b) + h @ u",
         r"state 1 is .*, expected .*, is tanh left out\?"),
        ("        h = edf.Tanh(",
         "        new = edf.Tanh(edf.Affine(x[:, t], w, b) + h @ u)\n"
         "        states.append(new)\n"
         "        continue",
         "state 2 is .*, expected .*, state 1 is right: does state 2 use it, and the letter "
         r"x\[:, 1\]\?"),
        ("        h = edf.Tanh(",
         "        h = edf.Tanh(edf.Affine(x[t], w, b) + h @ u)",
         r"in f: a \(5, 4\) \+ b \(2, 4\) do not fit, line 5 of the cell: h = "
         r"edf\.Tanh\(edf\.Affine\(x\[t\], w, b\) \+ h @ u\), in f of Add\(a \(5, 4\), b \(2, "
         r"4\)\)"),
        ("    states = []",
         "    states = [h]",
         "with steps = 3 it returned 4 states, expected 3: those after 1, 2 and 3 letters, "
         "without the one at the start"),
        ("    return states",
         "    return h",
         r"it returned Tanh\(x \(no value yet\)\), expected a list of states"),
        ("    return states",
         "",
         r"it returned None: is its return missing\?"),
    ],
    "my_lstm": [
        ("    i, f, o = (",
         "    f, i, o = (edf.Sigmoid(columns[:, k * H:(k + 1) * H]) for k in range(3))",
         r"with the input gate shut and the forget gate open \(columns in the order i, f, o, g\), "
         "the next c is .*, expected .*"),
        ("    i, f, o = (",
         "    i, o, f = (edf.Sigmoid(columns[:, k * H:(k + 1) * H]) for k in range(3))",
         r"with the input gate open and the forget gate shut \(columns in the order i, f, o, g\), "
         "the next c is .*, expected .*"),
        ("    g = edf.Tanh(",
         "    g = edf.Sigmoid(columns[:, 3 * H:])",
         r"with the input gate open and the forget gate shut \(columns in the order i, f, o, g\), "
         "the next c is .*, expected .*"),
        ("    columns = edf.Affine(",
         "    columns = edf.Affine(x, w, b)",
         "c is .*, expected .*, gates that are open or shut do what they should: are x w, h u "
         r"and b all in their scores, and is h the old one\?"),
        ("    c = f * c + i * g",
         "    c = f * c + g",
         r"with the input gate shut and the forget gate open \(columns in the order i, f, o, g\), "
         "the next c is .*, expected .*"),
        ("    return o * edf.Tanh(c), c",
         "    return o * c, c",
         r"h is .*, expected .*, c is right: is h the output gate times tanh of the new c\?"),
        ("    return o * edf.Tanh(c), c",
         "    return c, o * edf.Tanh(c)",
         r"with the input gate shut and the forget gate open \(columns in the order i, f, o, g\), "
         "the next c is .*, expected .*, it is what was returned first: the order is h, c"),
        ("    return o * edf.Tanh(c), c",
         "    return o * edf.Tanh(c)",
         "it has to return two components, h and c"),
        ("    columns = edf.Affine(",
         "    columns = edf.Affine(x, w, b) + edf.Input(h.value) @ u",
         r"no gradient reaches Param \(2, 4\): use it itself, not its \.value, nor a new Param"),
    ],
    "my_gru": [
        ("    z, r = gates[:, :H], gates[:, H:]",
         "    r, z = gates[:, :H], gates[:, H:]",
         r"with z = 0 and r = 1 \(columns in the order z, r, n\), the next h is .*, expected .*"),
        ("    return z * h + (1 - z) * n",
         "    return (1 - z) * h + z * n",
         r"with z = 1 \(columns in the order z, r, n\), the next h is .*, expected .*"),
        ("    return z * h + (1 - z) * n",
         "    return z * h + n",
         r"with z = 1 \(columns in the order z, r, n\), the next h is .*, expected .*"),
        ("    n = edf.Tanh(",
         "    n = edf.Tanh(columns[:, 2 * H:] + h @ u[:, 2 * H:])",
         r"with z = 0 and r = 0 \(columns in the order z, r, n\), the next h is .*, expected .*"),
        ("    n = edf.Tanh(",
         "    n = edf.Tanh(columns[:, 2 * H:] + r * (h @ u[:, 2 * H:]))",
         "h is .*, expected .*, gates that are open or shut do what they should: are x w, h u "
         r"and b all in the scores of z and r, and is r h what U_n multiplies\?"),
        ("    gates = edf.Sigmoid(",
         "    gates = edf.Sigmoid(columns[:, :2 * H])",
         "h is .*, expected .*, gates that are open or shut do what they should: are x w, h u "
         r"and b all in the scores of z and r, and is r h what U_n multiplies\?"),
        ("    return z * h + (1 - z) * n",
         "    z * h + (1 - z) * n",
         r"it returned None: is its return missing\?"),
    ],
    "my_attention": [
        ("    scores = q @",
         "    scores = q @ edf.Transpose(k, (0, 2, 1))",
         "the weights of the first letter are .*, expected .*, all scores are 2 times the right "
         "ones: with width = 4 they are divided by 2"),
        ("    scores = q @",
         "    scores = q @ edf.Transpose(k, (0, 2, 1)) / width",
         "the weights of the first letter are .*, expected .*, all scores are .* times the right "
         "ones: with width = 4 they are divided by 2"),
        ("    scores = q @",
         "    scores = k @ edf.Transpose(q, (0, 2, 1)) / np.sqrt(width)",
         r"the weights of the first letter are .*, expected .*, are queries and keys exchanged\? "
         "row i belongs to query i"),
        ("    scores = q @",
         "    scores = q @ edf.Transpose(k) / np.sqrt(width)",
         r"in f: a \(2, 3, 4\) @ b \(4, 3, 2\) do not fit, line 3 of the cell: scores = q @ "
         r"edf\.Transpose\(k\) / np\.sqrt\(width\), in f of MatMul\(a \(2, 3, 4\), b \(4, 3, "
         r"2\)\), M is 4 in a, but 3 in b"),
        ("    return edf.Softmax(scores + mask) @ v",
         "    return edf.Softmax(scores) @ v",
         r"with -inf in the mask the first letter has the weights .*, expected \[1, 0, 0\], is "
         r"the mask added to the scores, before the softmax\?"),
        ("    return edf.Softmax(scores + mask) @ v",
         "    return edf.Transpose(edf.Softmax(edf.Transpose(scores + mask, (0, 2, 1))), (0, 2, "
         "1)) @ v",
         "the weights of a letter are .*, which add up to .*, expected 1, its columns add up to 1 "
         "instead: the softmax is along the axis of the queries"),
        ("    return edf.Softmax(scores + mask) @ v",
         "    return edf.Softmax(scores) * edf.Exp(mask) @ v",
         "with the mask the weights add up to .*, expected 1: the mask belongs before the softmax"),
        ("    return edf.Softmax(scores + mask) @ v",
         "    return (scores + mask) @ v",
         "with all queries 0 the weights of a letter are .*, expected .*, is it a softmax of the "
         r"scores\?"),
        ("    return edf.Softmax(scores + mask) @ v",
         "    edf.Softmax(scores + mask) @ v",
         r"it returned None: is its return missing\?"),
        ("    return edf.Softmax(scores + mask) @ v",
         "    return edf.Softmax(edf.Input(scores.value) + mask) @ v",
         r"TypeError: an Input has no value: set \.value before forward\(\), line 4 of the cell: "
         r"return edf\.Softmax\(edf\.Input\(scores\.value\) \+ mask\) @ v, in forward of Input "
         r"Add\[8\]\.a \(no value yet\)"),
        ("    scores = q @",
         "    scores = (q @ edf.Transpose(k, (0, 2, 1)) + mask) / np.sqrt(width)\n"
         "    return edf.Softmax(scores) @ v",
         "with 1 in the mask for the second letter, the weights of the first are .*, expected .*, "
         r"is the mask itself added, after the division by the root\?"),
    ],
    "MyAttention": [
        ("        return self.dscores(dy, v) @ k / np.sqrt(q.shape[-1])",
         "        return self.dscores(dy, v) @ k",
         r"wrong gradient: MyAttention\[4\]\.dq gives .* at entry \(0, 1, 3\), central "
         r"differences give .*, in dq of MyAttention\(q \(2, 3, 4\), k \(2, 3, 4\), v \(2, 3, "
         r"5\), mask \(3, 3\)\), all entries of dq are 2 times the right ones"),
        ("        return self.dscores(dy, v).swapaxes(-1, -2) @ q",
         "        return self.dscores(dy, v) @ q / np.sqrt(q.shape[-1])",
         r"wrong gradient: MyAttention\[4\]\.dk gives .* at entry \(0, 1, 0\), central "
         r"differences give .*, in dk of MyAttention\(q \(2, 3, 4\), k \(2, 3, 4\), v \(2, 3, "
         r"5\), mask \(3, 3\)\)"),
        ("        return self.p.swapaxes(-1, -2) @ dy",
         "        return self.p @ dy",
         r"wrong gradient: MyAttention\[4\]\.dv gives .* at entry \(0, 1, 2\), central "
         r"differences give .*, in dv of MyAttention\(q \(2, 3, 4\), k \(2, 3, 4\), v \(2, 3, "
         r"5\), mask \(3, 3\)\)"),
        ("        return self.p.swapaxes(-1, -2) @ dy",
         "        return self.p.T @ dy",
         r"in dv: self\.p\.T \(3, 3, 2\) @ dy \(2, 3, 5\) do not fit, line 22 of the cell: return "
         r"self\.p\.T @ dy, in dv of MyAttention\(q \(2, 3, 4\), k \(2, 3, 4\), v \(2, 3, 5\), "
         r"mask \(3, 3\)\), where dy is \(2, 3, 5\)"),
        ("        return self.p.swapaxes(-1, -2) @ dy",
         "        self.p.swapaxes(-1, -2) @ dy",
         r"TypeError: the formula returned None: is its return missing\?, in dv of MyAttention\(q "
         r"\(2, 3, 4\), k \(2, 3, 4\), v \(2, 3, 5\), mask \(3, 3\)\), where dy is \(2, 3, 5\)"),
        ("        return self.p * (dp -",
         "        return self.p * dp",
         r"wrong gradient: MyAttention\[4\]\.dq gives .* at entry \(1, 0, 2\), central "
         r"differences give 0, in dq of MyAttention\(q \(2, 3, 4\), k \(2, 3, 4\), v \(2, 3, 5\), "
         r"mask \(3, 3\)\), a row of dscores "
         "adds up to .*, expected 0, as the weights add up to 1 whatever the scores"),
        ("        return self.p * (dp -",
         "        return dp",
         r"wrong gradient: MyAttention\[4\]\.dq gives .* at entry \(1, 0, 3\), central "
         r"differences give 0, in dq of MyAttention\(q \(2, 3, 4\), k \(2, 3, 4\), v \(2, 3, 5\), "
         r"mask \(3, 3\)\), a row of dscores "
         "adds up to .*, expected 0, as the weights add up to 1 whatever the scores"),
        ("        return self.p * (dp -",
         "        return self.p * (dp - (dp * self.p).sum())",
         r"wrong gradient: MyAttention\[4\]\.dq gives .* at entry \(0, 0, 2\), central "
         r"differences give 0, in dq of MyAttention\(q \(2, 3, 4\), k \(2, 3, 4\), v \(2, 3, 5\), "
         r"mask \(3, 3\)\), a row of dscores "
         "adds up to .*, expected 0, as the weights add up to 1 whatever the scores"),
        ("        return self.p * (dp -",
         "        return self.p * (dp - (dp * self.p).sum(axis=-2, keepdims=True))",
         r"wrong gradient: MyAttention\[4\]\.dq gives .* at entry \(0, 1, 3\), central "
         r"differences give .*, in dq of MyAttention\(q \(2, 3, 4\), k \(2, 3, 4\), v \(2, 3, "
         r"5\), mask \(3, 3\)\), a row of dscores "
         "adds up to .*, expected 0, as the weights add up to 1 whatever the scores"),
        ("        return self.p.swapaxes(-1, -2) @ dy",
         "        return self.p.transpose(0, 2, 1) @ dy",
         r"ValueError: axes don't match array, line 22 of the cell: return self\.p\.transpose\(0, "
         r"2, 1\) @ dy, in dv of MyAttention\(q \(2, 2, 3, 4\), k \(2, 2, 3, 4\), v \(2, 2, 3, "
         r"5\), mask \(3, 3\)\), where dy is \(2, 2, 3, 5\), for arrays \(2, 2, 3, 4\), with two "
         r"leading axes \(with one it is right\): exchange the last two axes only, by "
         r"swapaxes\(-1, -2\)"),
    ],
    "my_mask": [
        ("    return np.triu(",
         "    return np.triu(np.full((length, length), -np.inf))",
         r"entry \(0, 0\) is -inf, expected 0, for letter 0, letter 0 is that letter itself"),
        ("    return np.triu(",
         "    return np.tril(np.full((length, length), -np.inf), -1)",
         r"entry \(0, 1\) is 0, expected -inf, for letter 0, letter 1 is later"),
        ("    return np.triu(",
         "    return np.triu(np.full((length, length), -np.inf), 2)",
         r"entry \(0, 1\) is 0, expected -inf, for letter 0, letter 1 is later"),
        ("    return np.triu(",
         "    return np.triu(np.full((length, length), -1e9), 1)",
         r"entry \(0, 1\) is -1e\+09, expected -inf, for letter 0, letter 1 is later, a large "
         "negative number hides a letter only while all scores are small beside it"),
        ("    return np.triu(",
         "    return np.tri(length)",
         r"entry \(0, 0\) is 1, expected 0, for letter 0, letter 0 is that letter itself"),
        ("    return np.triu(",
         "    with np.errstate(all='ignore'):\n"
         "        return (1 - np.tri(length)) * -np.inf",
         "it contains nan: 0 times infinity is nan, so do not multiply by it"),
        ("    return np.triu(",
         "    np.triu(np.full((length, length), -np.inf), 1)",
         r"it returned None: is its return missing\?"),
    ],
    "my_sees_later": [
        ("    for t in range(1, len(x)):",
         "    for t in [len(x) - 1]:",
         "it returned False, where row 2 depends on row 3, and all else is causal"),
        ("    for t in range(1, len(x)):",
         "    for t in [1]:",
         "it returned False, where row 2 depends on row 3, and all else is causal"),
        ("        changed = x.copy()",
         "        changed = x",
         "it has changed x: change a copy"),
        ("        changed[t:] += ",
         "        changed[t - 1:] += edf.rng.normal(size=changed[t - 1:].shape)",
         "it returned True, where row t is the mean of the rows 0 to t"),
        ("        changed[t:] += ",
         "        changed[t:, 0] += 1.0",
         r"it returned False, where the last column of row t is that of row t \+ 1 of x"),
        ("        if abs(function(changed)[:t] - y[:t]).max() > 1e-12:",
         "        if (function(changed)[:t] - y[:t]).sum() > 1e-12:",
         "it returned False, where row 2 depends on row 3, and all else is causal"),
        ("        if abs(function(changed)[:t] - y[:t]).max() > 1e-12:",
         "        if abs(function(changed)[:t] - y[:t]).max() > 0.01:",
         "it returned False, where each row depends on the next by a millionth"),
        ("        if abs(function(changed)[:t] - y[:t]).max() > 1e-12:",
         "        if abs(function(changed) - y).max() > 1e-12:",
         "it returned True, where row t is row t - 1 of x"),
        ("    return False",
         "    ",
         r"it returned None: is its return missing\?"),
        ("    return False",
         "    return y",
         "it returned .*, expected True or False"),
        *(("    for t in range(1, len(x)):", f"    for t in {times}:",
           f"it returned False, where {words}")
          for times, words in (
            ("range(2, len(x))", "row 0 depends on row 1, and all else is causal"),
            ("range(1, len(x) - 1)",
             "the last row but one depends on the last, and all else is causal"))),
        *(("        if abs(function(changed)[:t] - y[:t]).max() > 1e-12:", f"        if {test}:",
           "it returned True, where each row depends on the next by 1e-14, which is rounding")
          for test in ("abs(function(changed)[:t] - y[:t]).max() > 0",
                       "(function(changed)[:t] != y[:t]).any()")),
    ],
    "my_heads": [
        ("        y = edf.Transpose(edf.Reshape(y, (-1, T, count, D // count)), (0, 2, 1, 3))",
         "        pass",
         "if the last letter is changed, so are the outputs of earlier ones: is the mask used, "
         r"and are letters and heads kept apart\?"),
        ("    y = attention(cut(x @ wq)",
         "    y = attention(cut(x @ wq), cut(x @ wk), cut(x @ wv), mask, D)",
         "the value is .*, expected .*, windows, letters and heads are kept apart as they "
         r"should: is the width of a head D / count = 2, are q and k in their places, and is wo "
         r"the last matrix\?"),
        ("    y = attention(cut(x @ wq)",
         "    y = attention(cut(x @ wq), cut(x @ wk), cut(x @ wv), edf.Input(np.zeros((T, T))), "
         "D // count)",
         "if the last letter is changed, so are the outputs of earlier ones: is the mask used, "
         r"and are letters and heads kept apart\?"),
        ("    y = attention(cut(x @ wq)",
         "    y = attention(cut(x @ wk), cut(x @ wq), cut(x @ wv), mask, D // count)",
         "the value is .*, expected .*, windows, letters and heads are kept apart as they "
         r"should: is the width of a head D / count = 2, are q and k in their places, and is wo "
         r"the last matrix\?"),
        ("    y = edf.Transpose(edf.Reshape(y, (-1, count, T, D // count)), (0, 2, 1, 3))",
         "    ",
         "if the last letter is changed, so are the outputs of earlier ones: is the mask used, "
         r"and are letters and heads kept apart\?"),
        ("    return edf.Reshape(y, (-1, T, D)) @ wo",
         "    return edf.Reshape(y, (-1, T, D))",
         "the value is .*, expected .*, windows, letters and heads are kept apart as they "
         r"should: is the width of a head D / count = 2, are q and k in their places, and is wo "
         r"the last matrix\?"),
        ("    return edf.Reshape(y, (-1, T, D)) @ wo",
         "    edf.Reshape(y, (-1, T, D)) @ wo",
         r"it returned None: is its return missing\?"),
        ("    y = attention(cut(x @ wq)",
         "    return attention(x @ wq, x @ wk, x @ wv, mask, D) @ wo",
         r"if the queries of the second head \(columns 2 and 3\) are changed, and wo is the "
         "identity, columns 0 and 1 of the result change: does each head have its own columns, "
         r"and its own weights\?"),
        ("    y = edf.Transpose(edf.Reshape(y, (-1, count, T, D // count)), (0, 2, 1, 3))",
         "    return y @ wo",
         r"in f: a \(4, 3, 2\) @ b \(4, 4\) do not fit, line 9 of the cell: return y @ wo, in f "
         r"of MatMul\(a \(4, 3, 2\), b \(4, 4\)\), M is 2 in a, but 4 in b"),
        ("    y = attention(cut(x @ wq)",
         "    y = attention(cut(x @ wq), cut(x @ wk), cut(x @ wk), mask, D // count)",
         r"if the values of the second head \(of wv\) are changed, nothing changes: are the values "
         r"x @ wv\?"),
        ("    y = attention(cut(x @ wq)",
         "    def cut(y):\n"
         "        return edf.Reshape(y, (-1, T, D // count))\n"
         "    y = attention(cut(x @ wq), cut(x @ wk), cut(x @ wv), mask, D // count)\n"
         "    return edf.Reshape(y, (-1, T, D)) @ wo",
         r"if the values of the second head \(columns 2 and 3\) are changed, and wo is the "
         "identity, columns 0 and 1 of the result change: a reshape alone mixes heads and letters, "
         "so move the heads in front of the letters"),
    ],
    "my_block": [
        ("    h = x + attend(norms[0](x))",
         "    h = attend(norms[0](x))",
         "with w2 = 0 and b2 = 0, a block is x plus the attention: it is .*, expected .*, the "
         "first part replaces x: it has to be added to it"),
        ("    h = x + attend(norms[0](x))",
         "    n = norms[0](x)\n"
         "    h = n + attend(n)",
         "with w2 = 0 and b2 = 0, a block is x plus the attention: it is .*, expected .*, what is "
         "added to is not to be normalized"),
        ("    h = x + attend(norms[0](x))",
         "    h = norms[0](x + attend(x))",
         r"the order is attend, norms\[0\], norms\[1\], expected norms\[0\], attend, norms\[1\]"),
        ("    h = x + attend(norms[0](x))",
         "    h = x + attend(x)",
         r"norms\[0\] is called 0 times, expected once"),
        ("    return h + edf.Affine(",
         "    return edf.Affine(edf.ReLU(edf.Affine(norms[1](h), w1, b1)), w2, b2)",
         "with w2 = 0 and b2 = 0, a block is x plus the attention: it is .*, expected .*, the "
         "second part replaces what came in: it has to be added to it"),
        ("    return h + edf.Affine(",
         "    return x + edf.Affine(edf.ReLU(edf.Affine(norms[1](h), w1, b1)), w2, b2)",
         "with w2 = 0 and b2 = 0, a block is x plus the attention: it is .*, expected .*, the "
         "second part is added to x: it has to be added to the result of the first"),
        ("    return h + edf.Affine(",
         "    return h + edf.Affine(edf.ReLU(edf.Affine(norms[1](x), w1, b1)), w2, b2)",
         r"norms\[1\] gets x: the second part goes on from the result of the first"),
        ("    return h + edf.Affine(",
         "    return h + edf.Affine(edf.Affine(norms[1](h), w1, b1), w2, b2)",
         "the value is .*, expected .*, the attention is right: is the perceptron Affine, "
         r"edf\.ReLU, Affine of what norms\[1\] gives\?"),
        ("    return h + edf.Affine(",
         "    return h",
         r"norms\[1\] is called 0 times, expected once"),
        ("    return h + edf.Affine(",
         "    h + edf.Affine(edf.ReLU(edf.Affine(norms[1](h), w1, b1)), w2, b2)",
         r"it returned None: is its return missing\?"),
    ],
    "my_gpt": [
        ("    causal = edf.Input(mask(length))",
         "    causal = edf.Input(np.zeros((length, length)))",
         "if the letters from place 1 on are changed, so are scores before it, is the mask an "
         r"Input with -inf for what comes later\?"),
        ("    h = edf.Embedding(table, x) + places",
         "    h = edf.Embedding(table, x)",
         r"no gradient reaches Param places \(6, 8\): is what it is for used in what follows\?"),
        ("    for _ in range(layers):",
         "    for _ in range(1):",
         "with layers = 2 there are 1 attentions, expected 2"),
        ("    h = layer_norm(width)(h)",
         "",
         r"it has 1915 parameters, expected 1931, is the last norm there\?"),
        ("    scores = edf.Reshape(",
         "    scores = edf.Affine(h, weights(width, letters), zeros(letters))",
         r"ValueError: scores \(2, 6, 11\) must be a matrix: write edf\.Reshape\(scores, \(-1, "
         r"K\)\) for K classes, and labels\.reshape\(-1\), line 13 of the cell: return Net\(x, "
         r"labels, scores, edf\.SoftmaxCrossEntropy\(scores, labels\)\), in f of "
         r"SoftmaxCrossEntropy\(scores \(2, 6, 11\), labels \(12,\)\), B is 6 in scores, but 12 "
         "in labels"),
        ("    scores = edf.Reshape(",
         "    scores = edf.Reshape(edf.MatMul(h, weights(width, letters)), (-1, letters))",
         "it has 1920 parameters, expected 1931, is the last layer affine, with "
         r"zeros\(letters\)\?"),
        ("    scores = edf.Reshape(",
         "    scores = edf.Softmax(edf.Reshape(edf.Affine(h, weights(width, letters), "
         "zeros(letters)), (-1, letters)))",
         "scores are no probabilities: the softmax is in SoftmaxCrossEntropy"),
        ("    return Net(x, labels",
         "    return scores",
         r"it returned Reshape\(x \(no value yet\), shape \(-1, 11\)\), not Net"),
        ("    return Net(x, labels",
         "    Net(x, labels, scores, edf.SoftmaxCrossEntropy(scores, labels))",
         r"it returned None: is its return missing\?"),
        ("        h = new_block(h",
         "        new_block(h, width, count, causal, block, heads)",
         r"no gradient reaches Param MatMul\[20\]\.b \(8, 8\): is what it is for used in what "
         r"follows\?"),
        ("        h = new_block(h",
         "        h = new_block(h, width, 1, causal, block, heads)",
         "for 2 windows and count = 2, an attention has weights for 2 windows, expected 4: has "
         r"each block `count` heads\?"),
        *((line, answer, "where the matrices of all blocks are 0, so that they add nothing, the "
           "first scores are .*, expected .*, which is .*, are the positions added once, is each "
           r"block's result the next h, and is nothing else in between\?")
          for line, answer in (
            ("        h = new_block(h", "        h = h + new_block(h, width, count, causal)"),
            ("        h = new_block(h", "        h = new_block(h, width, count, causal) + places"),
            ("    h = edf.Embedding(", "    h = edf.Embedding(table, x) * places"),
            ("    h = edf.Embedding(", "    h = edf.Embedding(table, x) - places"),
            ("    h = layer_norm(width)(h)", "    h = edf.ReLU(layer_norm(width)(h))"),
            ("    return Net(x, labels", "    scores = edf.Tanh(scores)\n"
             "    return Net(x, labels, scores, edf.SoftmaxCrossEntropy(scores, labels))"))),
        *((line, answer, "where all letters of a window are the same, the first block looks at all "
           r"of them alike: are the positions added before it\?")
          for line, answer in (
            ("    h = edf.Embedding(table, x) + places",
             "    h = edf.Embedding(table, x)\n"
             "    h = new_block(h, width, count, causal) + places\n"
             "    layers = layers - 1"),
            ("    h = edf.Embedding(table, x) + places",
             "    h = edf.Embedding(table, x)\n"
             "    for _ in range(layers):\n"
             "        h = new_block(h, width, count, causal)\n"
             "    h, layers = h + places, 0"))),
    ],
    "my_chances": [
        ("    exp = np.exp(",
         "    exp = np.exp(scores / temperature)",
         r"RuntimeWarning: overflow encountered in exp, line 6 of the cell: exp = np\.exp\(scores "
         r"/ temperature\)"),
        ("    exp = np.exp(",
         "    exp = np.exp((scores - scores.max()) * temperature)",
         "for scores .* with temperature .* the chances are .*, expected .*"),
        ("        least = np.sort(scores)[-top_k]",
         "        least = np.sort(scores)[top_k]",
         "for scores .* with top_k = 2 the chances are .*, expected .*"),
        ("        scores = np.where(",
         "        scores[scores < least] = -np.inf",
         "it has changed the scores it was given"),
        ("        scores = np.where(",
         "        scores = np.where(scores >= least, scores, 0)",
         "for scores .* with top_k = 2 the chances are .*, expected .*"),
        ("        scores = np.where(",
         "        scores = np.where(scores > least, scores, -np.inf)",
         "for scores .* with top_k = 2 the chances are .*, expected .*"),
        ("    return exp / exp.sum()",
         "    return exp",
         "without options the chances add up to .*, expected 1"),
        ("    return exp / exp.sum()",
         "    exp / exp.sum()",
         r"it returned None: is its return missing\?"),
        ("    return exp / exp.sum()",
         "    return (exp / exp.sum()).max()",
         r"for 5 scores it has shape \(\), expected \(5,\)"),
    ],
    "suspect_mask": [
        ("    too_far = i - j >= reach",
         "    too_far = i - j > reach + 1",
         r"with length 5 and reach 1, letter 1 may look at \[0, 1\], expected \[1\]"),
        ("    too_far = i - j >= reach",
         "    too_far = i - j >= reach - 1",
         r"with length 5 and reach 1, letter 0 may look at \[\], expected \[0\]"),
        ("    too_far = i - j >= reach",
         "    too_far = j - i >= reach",
         r"with length 5 and reach 1, letter 1 may look at \[0, 1\], expected \[1\]"),
        ("    too_far = i - j >= reach",
         "    too_far = abs(i - j) > reach",
         r"with length 5 and reach 1, letter 1 may look at \[0, 1\], expected \[1\]"),
        ("    too_far = i - j >= reach",
         "    too_far = j >= reach",
         r"with length 5 and reach 1, letter 1 may look at \[0\], expected \[1\]"),
    ],
    "suspect_attention": [
        ("    p = edf.Softmax(",
         "    p = edf.Softmax(edf.Transpose(k @ edf.Transpose(q, (0, 2, 1)), (0, 2, 1)))",
         "the value is .*, expected .*"),
        ("    p = edf.Softmax(",
         "    p = edf.Softmax(k @ edf.Transpose(q, (0, 2, 1)) / np.sqrt(width))",
         "the value is .*, expected .*"),
        ("    p = edf.Softmax(",
         "    p = edf.Softmax(edf.Transpose(edf.Softmax(k @ edf.Transpose(q, (0, 2, 1)) / "
         "np.sqrt(width)), (0, 2, 1)))",
         "the value is .*, expected .*"),
        ("    p = edf.Softmax(",
         "    p = edf.Normalize(edf.Transpose(edf.Softmax(k @ edf.Transpose(q, (0, 2, 1)) / "
         "np.sqrt(width)), (0, 2, 1)))",
         "the value is .*, expected .*"),
        ("    return p @ v",
         "    p @ v",
         r"it returned None: is its return missing\?"),
        ("    return p @ v",
         "    return p",
         r"y has shape \(2, 3, 3\), expected \(2, 3, 4\)"),
    ],
    "suspect_pairs": [
        ("    return row[:-1], row[1:]",
         "    return row[1:], row[:-1]",
         r"for the name \[5, 13, 13, 1\] the inputs are \[5, 13, 13, 1, 0\], expected \[0, 5, 13, "
         r"13, 1\]"),
        ("    return row[:-1], row[1:]",
         "    return row[:-2], row[1:-1]",
         r"for the name \[5, 13, 13, 1\] the inputs are \[0, 5, 13, 13\], expected \[0, 5, 13, "
         r"13, 1\]"),
        ("    return row[:-1], row[1:]",
         "    return row, row[1:]",
         r"for the name \[5, 13, 13, 1\] the inputs are \[0, 5, 13, 13, 1, 0\], expected \[0, 5, "
         r"13, 13, 1\]"),
        ("    return row[:-1], row[1:]",
         "    return row[1:], row[1:]",
         r"for the name \[5, 13, 13, 1\] the inputs are \[5, 13, 13, 1, 0\], expected \[0, 5, 13, "
         r"13, 1\], the targets are the inputs: copying is all that it takes"),
        ("    return row[:-1], row[1:]",
         "    return row[:-1]",
         "it has to return two arrays, inputs and targets"),
    ],
    "suspect_rows": [
        ("    rows = rows + places",
         "    rows = rows * places",
         "the value is .*, expected .*"),
        ("    rows = rows + places",
         "    rows = rows + edf.Input(places.value)",
         r"no gradient reaches Param \(4, 3\): use it itself, not its \.value, nor a new Param"),
        ("    rows = rows + places",
         "    rows = rows + edf.Embedding(places, x)",
         "ValueError: index must be row numbers from 0 to 3, got numbers from 0 to 6, line 4 of "
         r"the cell: rows = rows \+ edf\.Embedding\(places, x\), in f of Embedding\(w \(4, 3\), "
         r"index \(2, 4\)\)"),
        ("    rows = rows + places",
         "    rows = rows + places[0]",
         "the value is .*, expected .*"),
        ("    return rows",
         "    rows",
         r"it returned None: is its return missing\?"),
    ],
    "suspect_losses": [
        ("        net.starts[0].value = zeros",
         "        net.starts[0].value = zeros + 1",
         "for three batches the losses are .*, expected .*, each window starts without a past: "
         r"what state does the network start from\?"),
        ("        net.starts[0].value = zeros",
         "        net.starts[0].value = net.ends[0].value if losses else zeros",
         "for three batches the losses are .*, expected .*, each window starts without a past: "
         r"what state does the network start from\?"),
        ("        net.starts[0].value = zeros",
         "        pass",
         "for three batches the losses are .*, expected .*, each window starts without a past: "
         r"what state does the network start from\?"),
        ("        losses.append(",
         "        losses.append(net.loss.value)",
         r"it returned \[array.*, expected a loss for each of three batches"),
        ("        losses.append(",
         "        losses.append(net.loss.value.sum())",
         "for three batches the losses are .*, expected .*, all are 6 times the right ones: the "
         "mean is asked for"),
        ("        losses.append(",
         "        losses = net.loss.value.mean()",
         "it returned .*, expected a loss for each of three batches"),
        ("    return losses",
         "    losses",
         "it returned None, expected a loss for each of three batches"),
    ],
    "suspect_scores": [
        ("        edf.forward()",
         "        pass",
         "TypeError: 'NoneType' object is not subscriptable, line 6 of the cell: return "
         r"net\.scores\.value\[-1\]"),
        ("    with edf.evaluating():",
         "    edf.training = False\n"
         "    if True:",
         r"afterwards edf\.training is False: what trains next would train without dropout"),
        ("    with edf.evaluating():",
         "    edf.seed(1)\n"
         "    if True:",
         "the scores are .*, expected .*"),
        ("    return net.scores.value[-1]",
         "    return net.scores.value",
         r"it has shape \(4, 5\), expected \(5,\)"),
        ("    return net.scores.value[-1]",
         "    return net.scores.value[0]",
         "the scores are .*, expected .*"),
        ("    return net.scores.value[-1]",
         "    edf.forward()\n"
         "    return net.scores.value[-1]",
         "called twice, it gives other scores for the same letters: something still draws random "
         "numbers"),
        ("    return net.scores.value[-1]",
         "    net.scores.value[-1]",
         r"it returned None: is its return missing\?"),
        ("    with edf.evaluating():",
         "    edf.training = False\n"
         "    edf.forward()\n"
         "    edf.training = True\n"
         "    if False:",
         "if edf.training is False before, it is True afterwards: put back what was there"),
    ],
    "my_best_model": [
        ("    params = recurrent_params(",
         "    return",
         r"it returned None: is its return missing\?"),
        ("    params = recurrent_params(",
         "    return gpt(letters, 8, 1, 1, 4)",
         "it has to return two things, the net and the length of its windows"),
        ("    params = recurrent_params(",
         "    return gpt(letters, 96, 1, 1, 8), 8",
         "it has 124,189 parameters, at most 100,000 are allowed"),
        ("    params = recurrent_params(",
         "    numbers[0] = numbers[1]\n"
         "    return gpt(letters, 8, 1, 1, 4), 4",
         "it has changed the numbers it was given"),
        ("    params = recurrent_params(",
         "    return gpt(letters, 8, 1, 1, 4), 4",
         "after 5 seconds on 50,000 letters it has .* bits a letter on 10,000 others, expected "
         r"at most 4 \(frequencies have .*, bigrams .*\)"),
        ("    params = recurrent_params(",
         "    net = gpt(letters, 8, 1, 1, 4)\n"
         "    return net._replace(loss=edf.Mean(net.loss)), 4",
         r"loss, for two windows, has shape \(\), expected \(8,\)"),
        ("    params = recurrent_params(",
         "    def blind(*args):\n"
         "        return heads(*args[:6], edf.Input(np.zeros((4, 4))))\n"
         "    return gpt(letters, 8, 1, 1, 4, heads=blind), 4",
         "if the last letter of a window is changed, the losses of earlier ones change: it looks "
         "ahead"),
    ],
}
