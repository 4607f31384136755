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
    ],
    "my_graph": [
        *(("    return x * edf.Tanh(edf.Exp(-x))",
           f"    return {product}",
           r"x\.grad is \[.*\], expected \[0\.7615942, 0\.3273984, 1\.0382654\], one of the "
           r"two paths from x is cut: use x itself in both places, not its \.value")
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
         "from its end, not from the loss"),
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
         r"the gradient of \S+ is \[.*\], expected \[.*\]"),
        ("                gradients[source] = gradients.get(source, 0) + share",
         "                if source in gradients:\n"
         "                    gradients[source] += share\n"
         "                else:\n"
         "                    gradients[source] = share",
         r"the gradient of Transpose\[2\] is \[.*\], expected \[.*\], was it "
         r"changed in place, with \+=, after it had been right\?"),
        ("    for node in reversed(edf.components):",
         "    for node in edf.components:",
         r"Tanh\(x \(3,\)\) got no gradient: is the list walked from its end\?"),
        ("    gradients = {loss: np.full(loss.value.shape, 1 / loss.value.size)}",
         "    gradients = {loss: np.ones(loss.value.shape)}",
         r"the gradient of Mul\[3\] is \[1\.0, 1\.0, 1\.0\], expected \[.*\], "
         r"is the mean of the 3 entries of the loss differentiated\?"),
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
         r"it has changed x from \[.*\] to \[.*\]"),
        ("        up, down = x.copy(), x.copy()",
         "        up = down = x.copy()",
         r"for the function squares, entry \(0, 0\) is 0, expected 0\.6"),
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
         r"x has shape \(2, 3\), but the result \(6,\)"),
    ],
    "my_check": [
        *(("    return abs(param.grad - expected).max() / size",
           f"    return ({difference}).max() / size",
           r"planted bug slipped through: a backward .* has the error -\S+, expected more than "
           r"1e-3, all differences are negative: is abs taken before max\?")
          for difference in ("param.grad - expected", "expected - param.grad")),
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
         "dx returns the same whatever dy is: it is to compute with dy, not with self.grad"),
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
    "MyLeakyReLU": [
        ("        return np.where(x > 0, dy, slope * dy)",
         "        return np.where(x > 0, dy, slope)",
         r"wrong gradient: MyLeakyReLU\[\d\]\.dx gives \S+ at entry \(.*\), "
         "central differences give .*, in dx of .*"),
        ("        return np.where(x > 0, dy, slope * dy)",
         "        return np.where(x > 0, dy, 0)",
         r"wrong gradient: MyLeakyReLU\[\d\]\.dx gives \S+ at entry \(.*\), "
         "central differences give .*, in dx of .*"),
        ("        return np.where(x > 0, x, slope * x)",
         "        return np.where(x > 0, x, 0.01 * x)",
         "the value is .*, expected .*"),
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
    "MyMatMul": [
        ("        return dy @ b.T",
         "        return b @ dy",
         r"in da: b \(3, 4\) @ dy \(2, 4\) do not fit, line \d+ of the cell: return b @ dy, "
         r"in da of MyMatMul\(.*, where dy is \(2, 4\)"),
        ("        return dy @ b.T",
         "        return b @ dy.T",
         r"ValueError: the gradient has shape \(3, 2\), but the value has shape \(2, 3\), in "
         r"da of MyMatMul\(.*"),
        ("        return dy @ b.T",
         "        return dy * b",
         r"in da: dy \(2, 4\) \* b \(3, 4\) do not fit, .*, in da of MyMatMul\(.*"),
        ("        return dy @ b.T",
         "        return b.sum(axis=1) * np.ones_like(a)",
         r"wrong gradient: MyMatMul\[\d\]\.da gives \S+ at entry \(.*\), "
         "central differences give .*, in da of .*"),
        ("        return dy @ b.T",
         "        return dy @ (b if b.shape == a.shape else b.T)",
         r"wrong gradient: MyMatMul\[\d\]\.da gives \S+ at entry \(.*\), "
         "central differences give .*, in da of .*"),
        ("        return a.T @ dy",
         "        return dy.T @ a",
         r"ValueError: the gradient has shape \(4, 3\), but the value has shape \(3, 4\), in "
         r"db of MyMatMul\(.*, is it transposed\?"),
        ("        return a.T @ dy",
         "        a.T @ dy",
         r"TypeError: the formula returned None: is its return missing\?, in db of .*"),
        ("        return a.T @ dy",
         "        return a.T @ dy / len(a)",
         r"wrong gradient: MyMatMul\[\d\]\.db gives \S+ at entry \(.*\), "
         "central differences give .*, in db of .*, all entries of db are 0.5 times the right "
         "ones"),
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
         "0, as y depends on differences of a row of x only"),
        ("        return self.value * (dy - inner)",
         "        return self.value * (dy - (dy * self.value).sum())",
         r"wrong gradient: MySoftmax\[\d\]\.dx gives \S+ at entry \(.*\), "
         r"central differences give .*, in dx of .*, row \d of dx adds up to \S+: it must be "
         "0, as y depends on differences of a row of x only"),
        ("        return self.value * (dy - inner)",
         "        return self.value * dy",
         r"wrong gradient: MySoftmax\[\d\]\.dx gives \S+ at entry \(.*\), "
         r"central differences give .*, in dx of .*, row \d of dx adds up to \S+: it must be "
         "0, as y depends on differences of a row of x only"),
        ("        return self.value * (dy - inner)",
         "        self.value * (dy - inner)",
         r"TypeError: the formula returned None: is its return missing\?, in dx of .*"),
    ],
    "MyLogSoftmax": [
        ("        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))",
         "        return np.log(np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True))",
         r"RuntimeWarning: divide by zero encountered in log, line .*, in f of MyLogSoftmax\(.*"),
        ("        shifted = x - x.max(axis=1, keepdims=True)",
         "        shifted = x",
         r"RuntimeWarning: overflow encountered in exp, line .*, in f of MyLogSoftmax\(.*"),
        ("        shifted = x - x.max(axis=1, keepdims=True)",
         "        shifted = x - x.max()",
         r"RuntimeWarning: divide by zero encountered in log, line .*, in f of MyLogSoftmax\(.*"),
        ("        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))",
         "        return shifted - np.log(np.exp(shifted).sum())",
         "the value is .*, expected .*"),
        ("        return dy - np.exp(self.value) * dy.sum(axis=1, keepdims=True)",
         "        return dy - np.exp(self.value) * dy",
         r"wrong gradient: MyLogSoftmax\[\d\]\.dx gives \S+ at entry \(.*\), "
         "central differences give .*, in dx of .*"),
        ("        return dy - np.exp(self.value) * dy.sum(axis=1, keepdims=True)",
         "        return dy - np.exp(self.value)",
         r"wrong gradient: MyLogSoftmax\[\d\]\.dx gives \S+ at entry \(.*\), "
         "central differences give .*, in dx of .*"),
        ("        return dy - np.exp(self.value) * dy.sum(axis=1, keepdims=True)",
         "        return dy - np.exp(self.value) * dy.sum(axis=0)",
         r"wrong gradient: MyLogSoftmax\[\d\]\.dx gives \S+ at entry \(.*\), "
         "central differences give .*, in dx of .*"),
        ("        return dy - np.exp(self.value) * dy.sum(axis=1, keepdims=True)",
         "        return dy - self.value * dy.sum(axis=1, keepdims=True)",
         r"wrong gradient: MyLogSoftmax\[\d\]\.dx gives \S+ at entry \(.*\), "
         r"central differences give .*, in dx of .*, row \d of dx adds up to \S+: it must be 0, "
         ".*"),
    ],
    "MySoftmaxCrossEntropy": [
        ("        grad = self.p.copy()",
         "        grad = self.p",
         "lost gradient: .* or writes into what f has kept, in dscores of .*"),
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
         r"in all; expected 16, 16, 16, 2, 16, \.\.\., 40 in all \(50 points, 10 epochs\)"),
        ("        for net.x.value, net.labels.value in edf.batches(points, labels, "
         "size=size):",
         "        for net.x.value, net.labels.value in edf.batches(points[:48], labels[:48], "
         "size=size):",
         "the steps were taken on batches of 16, 16, 16, 16, .* 30 in all; .*"),
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
         r"the mean loss of epoch 1 is 0\.44\d+, expected 0\.6081292, over "
         r"all 50 examples, each loss from before the step of its batch"),
        ("            optimiser.step()",
         "            optimiser.step()\n"
         "            optimiser.step()",
         "the steps were taken on batches of 16, 16, 16, 16, .* 80 in all; .*"),
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
         "all; .*"),
    ],
    "MySGD": [
        ("        for w in edf.params:",
         "        for w in [node for node in edf.components if node.grad is not None]:",
         r"step has changed the value of Mul\[3\], which is no Param: go through edf\.params"),
        ("            w.value -= self.lr * w.grad",
         "            w.value -= self.lr * w.grad\n"
         "            return",
         r"step 1, with lr = 0\.1 and the gradient 2\.0, takes b from 3\.0 to 3\.0, expected 2\.8"),
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
         r"step 1, .*, takes w from \[1\.0, -2\.0\] to \[1\.0, -2\.0\], expected \[0\.9, -1\.8\]"),
    ],
    "my_error_rate": [
        ("        return (net.scores.value.argmax(axis=1) != labels).mean()",
         "        return (net.scores.value.argmax(axis=1) == labels).mean()",
         r"with 50 images, and the net's own answers as labels, it is 1\.0, "
         "expected 0"),
        ("        return (net.scores.value.argmax(axis=1) != labels).mean()",
         "        return (net.scores.value.argmax(axis=1) != labels).sum()",
         "with 50 images, and only wrong classes as labels, it is 50, "
         "expected 1"),
        ("        return (net.scores.value.argmax(axis=1) != labels).mean()",
         "        return (net.scores.value.argmax(axis=1) != labels)",
         r"it returned \(50,\) numbers, expected one"),
        ("        return (net.scores.value.argmax(axis=1) != labels).mean()",
         "        (net.scores.value.argmax(axis=1) != labels).mean()",
         r"it returned None: is its return missing\?"),
        ("        return (net.scores.value.argmax(axis=1) != labels).mean()",
         "        return (net.scores.value.argmax(axis=0) != labels).mean()",
         "(ValueError|DeprecationWarning|AssertionError): .*"),
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
         r".* it chose 5, expected 0\.5, the mean .*"),
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
    "MyRMSProp": [
        ('        return grad / (np.sqrt(kept["v"]) + self.eps)',
         '        return grad / (np.sqrt(kept["v"] + self.eps))',
         r"with two parameters, .* eps = 0\.1, three steps take w to .*"),
        ('        return grad / (np.sqrt(kept["v"]) + self.eps)',
         '        return grad / (kept["v"] + self.eps)',
         r".* step 1 leads to w = 9\.\S+e-07, expected 0\.9"),
        ('        kept["v"] = self.alpha * kept.get("v", 0) + (1 - self.alpha) * grad ** 2',
         '        kept["v"] = (1 - self.alpha) * kept.get("v", 0) + self.alpha * grad ** 2',
         r".* step 1 leads to w = 0\.98\d+, expected 0\.9"),
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
         r".* step 1 leads to w = 0\.968\d+, expected 0\.99"),
        ('        m, v = kept["m"] / (1 - beta1 ** t), kept["v"] / (1 - beta2 ** t)',
         '        m, v = kept["m"] / (1 - beta1 ** t), kept["v"]',
         r".* step 1 leads to w = 0\.68\d+, expected 0\.99"),
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
         r"wrong gradient: MyMaxPool2d\[1\]\.dx gives .*"),
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
         "the value is .*, expected .*"),
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
         "wrong, at most 15 % are asked for"),
    ],
}
