"""What students do wrong, as rows: a sentence on it, the code, and all that they then read.

test_errors.py runs each as a file student.py with the names edf and np.
"""

# What is refused, and the kind of error: the message, and the notes below it.  Indented lines
# continue the line before; "…" is for words of NumPy and Python that differ between versions.

MISTAKES = [
    # Building a graph.

    ("the bias of Affine is left out", """
x, w = edf.Input(), edf.Param(np.ones((4, 3)))
edf.Affine(x, w)
""", TypeError, """
Affine(x, w, b): missing a required argument: 'b'
"""),

    ("Affine gets one input too many", """
x, w, b = edf.Input(), edf.Param(np.ones((4, 3))), edf.Param(np.zeros(3))
edf.Affine(x, w, b, b)
""", TypeError, """
Affine(x, w, b): too many positional arguments
"""),

    ("Affine gets a name that it does not have", """
x, w, b = edf.Input(), edf.Param(np.ones((4, 3))), edf.Param(np.zeros(3))
edf.Affine(x, w, bias=b)
""", TypeError, """
Affine(x, w, b): missing a required argument: 'b'
"""),

    ("Affine gets an array as its weights", """
x, b = edf.Input(), edf.Param(np.zeros(3))
edf.Affine(x, np.ones((4, 3)), b)
""", TypeError, """
w of Affine must be a component, not of type ndarray: if it is the value of a component pass that,
    else wrap it: edf.Param(array) if it is learned, edf.Input(array) if it is data
"""),

    ("Affine gets sizes, as layers of other frameworks do", """
edf.Affine(784, 10)
""", TypeError, """
Affine(x, w, b): missing a required argument: 'b'
"""),

    ("Affine gets the values of components", """
x, w, b = edf.Input(np.ones((2, 4))), edf.Param(np.ones((4, 3))), edf.Param(np.zeros(3))
edf.Affine(x.value, w, b)
""", TypeError, """
x of Affine must be a component, not of type ndarray: if it is the value of a component pass that,
    else wrap it: edf.Param(array) if it is learned, edf.Input(array) if it is data
"""),

    ("a loss gets no labels", """
edf.SoftmaxCrossEntropy(edf.Param(np.ones((2, 3))))
""", TypeError, """
SoftmaxCrossEntropy(scores, labels): missing a required argument: 'labels'
"""),

    ("a loss gets an array of labels", """
edf.SoftmaxCrossEntropy(edf.Param(np.ones((2, 3))), np.array([0, 1]))
""", TypeError, """
labels of SoftmaxCrossEntropy must be a component, not of type ndarray: if it is the value of a
    component pass that, else wrap it: edf.Param(array) if it is learned, edf.Input(array) if it
    is data
"""),

    ("a layer gets the class of another, not an object", """
edf.Tanh(edf.ReLU)
""", TypeError, """
x of Tanh must be a component, not the class ReLU: if it is the value of a component pass that, else
    wrap it: edf.Param(array) if it is learned, edf.Input(array) if it is data
"""),

    ("a layer is called on data", """
relu = edf.ReLU(edf.Param(np.ones(3)))
relu(np.ones(3))
""", TypeError, """
'ReLU' object is not callable
"""),

    ("an option of Conv2d is misspelt", """
x, w, b = edf.Input(), edf.Param(np.ones((8, 1, 5, 5))), edf.Param(np.zeros(8))
edf.Conv2d(x, w, b, pad=2)
""", TypeError, """
Conv2d(x, w, b, stride=1, padding=0): got an unexpected keyword argument 'pad'
"""),

    ("an option of LeakyReLU is misspelt", """
edf.LeakyReLU(edf.Param(1.0), alpha=0.1)
""", TypeError, """
LeakyReLU(x, slope=0.01): got an unexpected keyword argument 'alpha'
"""),

    ("an option of Mean has the name that other frameworks use", """
edf.Mean(edf.Param(np.ones((2, 3))), dim=1)
""", TypeError, """
Mean(x, axis=None, keepdims=False): got an unexpected keyword argument 'dim'
"""),

    ("Softmax gets an axis, but it is always the last", """
edf.Softmax(edf.Param(np.ones((2, 3))), axis=1)
""", TypeError, """
Softmax(x): got an unexpected keyword argument 'axis'
"""),

    ("an option is learned", """
edf.Dropout(edf.Param(np.ones(3)), edf.Param(0.5))
""", TypeError, """
p of Dropout is an option: it takes no component
"""),

    ("MaxPool2d gets no size", """
edf.MaxPool2d(edf.Input())
""", TypeError, """
MaxPool2d(x, size, stride=None, padding=0): missing a required argument: 'size'
"""),

    ("BatchNorm gets no parameters", """
edf.BatchNorm(edf.Input())
""", TypeError, """
BatchNorm(x, gamma, beta, momentum=0.1, eps=1e-05): missing a required argument: 'gamma'
"""),

    ("Concat gets a list", """
a, b = edf.Param(np.ones(2)), edf.Param(np.ones(2))
edf.Concat([a, b])
""", TypeError, """
x0 of Concat must be a component, not of type list: if it is the value of a component pass that,
    else wrap it: edf.Param(array) if it is learned, edf.Input(array) if it is data
"""),

    ("Concat gets its axis without a name", """
a, b = edf.Param(np.ones(2)), edf.Param(np.ones(2))
edf.Concat(a, b, 1)
""", TypeError, """
x2 of Concat must be a component, not of type int: if it is the value of a component pass that,
    else wrap it: edf.Param(array) if it is learned, edf.Input(array) if it is data
"""),

    ("Reshape gets lengths, not one shape", """
edf.Reshape(edf.Input(), -1, 24)
""", TypeError, """
Reshape(x, shape): too many positional arguments
"""),

    ("the name of a component is misspelt", """
edf.Relu(edf.Input())
""", AttributeError, """
module 'edf' has no attribute 'Relu'
"""),

    ("a component gets another of a graph that was cleared", """
x = edf.Input(np.ones(3))
edf.clear()
edf.ReLU(x)
""", TypeError, """
x of ReLU was built before clear() or a reload of edf, for the graph of that time:
    build Input (3,) again
"""),

    # Operators.

    ("an array is added", """
edf.Param(np.ones(3)) + np.ones(3)
""", TypeError, """
b of Add must be a component, not of type ndarray: if it is the value of a component pass that,
    else wrap it: edf.Param(array) if it is learned, edf.Input(array) if it is data
"""),

    ("an array is multiplied from the left", """
np.ones(3) * edf.Param(np.ones(3))
""", TypeError, """
a of Mul must be a component, not of type ndarray: if it is the value of a component pass that,
    else wrap it: edf.Param(array) if it is learned, edf.Input(array) if it is data
"""),

    ("a list is added", """
edf.Param(np.ones(3)) + [1, 2, 3]
""", TypeError, """
b of Add must be a component, not of type list: if it is the value of a component pass that, else
    wrap it: edf.Param(array) if it is learned, edf.Input(array) if it is data
"""),

    ("a text is subtracted", """
edf.Param(np.ones(3)) - "1"
""", TypeError, """
b of Sub must be a component, not of type str: if it is the value of a component pass that, else
    wrap it: edf.Param(array) if it is learned, edf.Input(array) if it is data
"""),

    ("a step is written with components in place of values", """
w = edf.Param(np.ones(3))
loss = w * w
edf.forward()
edf.backward(loss)
w = w - 0.1 * w.grad
""", TypeError, """
b of Sub must be a component, not of type ndarray: if it is the value of a component pass that,
    else wrap it: edf.Param(array) if it is learned, edf.Input(array) if it is data
"""),

    ("a number is raised to a component", """
2 ** edf.Param(np.ones(3))
""", TypeError, """
unsupported operand type(s) for ** or pow(): 'int' and 'Param'
"""),

    ("the remainder of a component", """
edf.Param(np.ones(3)) % 2
""", TypeError, """
unsupported operand type(s) for %: 'Param' and 'int'
"""),

    ("the absolute value of a component", """
abs(edf.Param(np.ones(3)))
""", TypeError, """
bad operand type for abs(): 'Param'
"""),

    ("a component is taken for true", """
a, b = edf.Param(1.0, "a"), edf.Param(2.0, "b")
if a and b:
    print("both")
""", TypeError, """
Param a () is a component, neither true nor false: write `is not None`, or use its .value
"""),

    ("a component is formatted as a number", """
print(f"{edf.Param(2.0, 'w'):.3f}")
""", TypeError, """
unsupported format string passed to Param.__format__
"""),

    ("a loop over a component", """
for row in edf.Input(np.ones((2, 3))):
    print(row)
""", TypeError, """
'Input' object is not iterable
"""),

    ("a function of NumPy on a component", """
np.exp(edf.Param(np.ones(3), "w"))
""", TypeError, """
operand 'Param' does not support ufuncs (__array_ufunc__=None)
"""),

    ("a mean by NumPy of a component", """
np.mean(edf.Param(np.ones(3), "w"))
""", TypeError, """
Param w (3,) is a component, not an array: NumPy takes its .value, and edf has functions of its
    own
"""),

    ("a method of arrays on a component", """
edf.Param(np.ones(3)).mean()
""", AttributeError, """
'Param' object has no attribute 'mean'
"""),

    ("the shape of a component", """
edf.Param(np.ones(3)).shape
""", AttributeError, """
'Param' object has no attribute 'shape'
"""),

    ("images that are not flattened", """
x = edf.Input(np.ones((6, 28, 28)))
edf.Affine(x, edf.Param(np.ones((784, 10))), edf.Param(np.zeros(10)))
edf.forward()
""", ValueError, """
matmul: …
in f of Affine(x (6, 28, 28), w (784, 10), b (10,))
D is 28 in x, but 784 in w
built at line 2 of student.py: edf.Affine(x, edf.Param(np.ones((784, 10))), edf.Param(np.zeros(10)))
"""),

    # What an Input and a Param hold.

    ("an Input of text", """
edf.Input(["seven", "eight"])
""", ValueError, """
an Input takes numbers, and at least one: convert with .astype(float) (a mask may also be a key,
    x[mask]); got <U5 of shape (2,)
"""),

    ("an Input of mixed objects", """
edf.Input(np.array([None, 1.0]))
""", ValueError, """
an Input takes numbers, and at least one: convert with .astype(float) (a mask may also be a key,
    x[mask]); got object of shape (2,)
"""),

    ("an Input of rows of unequal length", """
edf.Input([[1, 2], [3]])
""", ValueError, """
setting an array element with a sequence…
"""),

    ("an Input that is empty", """
edf.Input(np.zeros((0, 784)))
""", ValueError, """
an Input takes numbers, and at least one; got float64 of shape (0, 784)
"""),

    ("an Input of true and false", """
edf.Input(np.array([1.0, 2.0]) > 1)
""", ValueError, """
an Input takes numbers, and at least one: convert with .astype(float) (a mask may also be a key,
    x[mask]); got bool of shape (2,)
"""),

    ("an Input of another component", """
edf.Input(edf.Param(np.ones(3), "w"))
""", TypeError, """
Param w (3,) is a component, not an array: NumPy takes its .value, and edf has functions of its
    own
"""),

    ("a Param of another component", """
edf.Param(edf.Input(np.ones(3), "x"))
""", TypeError, """
Input x (3,) is a component, not an array: NumPy takes its .value, and edf has functions of its
    own
"""),

    ("a Param of a shape, where an array of that shape was meant", """
x, w, b = edf.Input(np.ones((2, 784))), edf.Param((784, 10)), edf.Param(np.zeros(10))
edf.Affine(x, w, b)
edf.forward()
""", ValueError, """
matmul: … (size 2 is different from 784)
in f of Affine(x (2, 784), w (2,), b (10,))
w has shape (2,), but is meant to have (D, H)
built at line 2 of student.py: edf.Affine(x, w, b)
"""),

    ("an Input of a shape, where an array of that shape was meant", """
x, w, b = edf.Input((64, 784)), edf.Param(np.ones((784, 10))), edf.Param(np.zeros(10))
edf.Affine(x, w, b)
edf.forward()
""", ValueError, """
an Input holds integers, but Affine[3] takes real numbers: divide images by 255, or convert with
    .astype(float) (or are these the labels?)
in forward of Input Affine[3].x (2,)
built at line 1 of student.py: x, w, b = edf.Input((64, 784)), edf.Param(np.ones((784, 10))),
    edf.Param(np.zeros(10))
"""),

    ("a Param gets an array of another shape", """
w = edf.Param(np.ones((2, 3)))
w.value = np.ones((3, 2))
""", ValueError, """
Param (2, 3) cannot take shape (3, 2)
"""),

    ("a Param gets a number", """
w = edf.Param(np.ones(3))
w.value = 1.0
""", ValueError, """
Param (3,) cannot take shape ()
"""),

    ("a Param is changed in place by another shape", """
w = edf.Param(np.ones(3))
w.value -= np.ones((2, 3))
""", ValueError, """
non-broadcastable output operand with shape (3,) doesn't match the broadcast shape (2,3)
"""),

    ("an Input is never set", """
x, w, b = edf.Input(), edf.Param(np.ones((4, 3))), edf.Param(np.zeros(3))
edf.Affine(x, w, b)
edf.forward()
""", TypeError, """
an Input has no value: set .value before forward()
in forward of Input Affine[3].x (no value yet)
built at line 1 of student.py: x, w, b = edf.Input(), edf.Param(np.ones((4, 3))),
    edf.Param(np.zeros(3))
"""),

    ("the name of an Input was given to what is built from it, and that is set", """
x = edf.Input()
x = edf.Tanh(x * edf.Param(2.0))
x.value = np.ones(3)
edf.forward()
""", TypeError, """
an Input has no value: set .value before forward()
in forward of Input Mul[2].a (no value yet)
built at line 1 of student.py: x = edf.Input()
"""),

    ("integer images", """
x, w, b = edf.Input(np.zeros((2, 4), np.uint8)), edf.Param(np.ones((4, 3))), edf.Param(np.ones(3))
edf.Affine(x, w, b)
edf.forward()
""", ValueError, """
an Input holds integers, but Affine[3] takes real numbers: divide images by 255, or convert with
    .astype(float) (or are these the labels?)
in forward of Input Affine[3].x (2, 4)
built at line 1 of student.py: x, w, b = edf.Input(np.zeros((2, 4), np.uint8)),
    edf.Param(np.ones((4, 3))), edf.Param(np.ones(3))
"""),

    ("integers in a concatenation", """
edf.Concat(edf.Param(np.ones(2)), edf.Input([1, 2]))
edf.forward()
""", ValueError, """
an Input holds integers, but Concat takes real numbers: divide images by 255, or convert with
    .astype(float) (or are these the labels?)
in forward of Input Concat[2].x1 (2,)
built at line 1 of student.py: edf.Concat(edf.Param(np.ones(2)), edf.Input([1, 2]))
"""),

    # Shapes that show when the graph runs.

    ("the images are one pixel too long", """
x, w, b = edf.Input(), edf.Param(np.ones((784, 64))), edf.Param(np.ones(64))
edf.Affine(x, w, b)
x.value = np.ones((32, 785))
edf.forward()
""", ValueError, """
matmul: … (size 784 is different from 785)
in f of Affine(x (32, 785), w (784, 64), b (64,))
D is 785 in x, but 784 in w
built at line 2 of student.py: edf.Affine(x, w, b)
"""),

    ("the weights of Affine come first", """
x, w, b = edf.Input(np.ones((2, 4))), edf.Param(np.ones((4, 3))), edf.Param(np.zeros(3))
edf.Affine(w, x, b)
edf.forward()
""", ValueError, """
matmul: … (size 2 is different from 3)
in f of Affine(x (4, 3), w (2, 4), b (3,))
D is 3 in x, but 2 in w
built at line 2 of student.py: edf.Affine(w, x, b)
"""),

    ("weights and bias of Affine are swapped", """
x, w, b = edf.Input(np.ones((2, 4))), edf.Param(np.ones((4, 3))), edf.Param(np.zeros(3))
edf.Affine(x, b, w)
edf.forward()
""", ValueError, """
matmul: … (size 3 is different from 4)
in f of Affine(x (2, 4), w (3,), b (4, 3))
w has shape (3,), but is meant to have (D, H)
built at line 2 of student.py: edf.Affine(x, b, w)
"""),

    ("the weights are transposed", """
x, w, b = edf.Input(np.ones((2, 4))), edf.Param(np.ones((3, 4))), edf.Param(np.zeros(3))
edf.Affine(x, w, b)
edf.forward()
""", ValueError, """
matmul: … (size 3 is different from 4)
in f of Affine(x (2, 4), w (3, 4), b (3,))
D is 4 in x, but 3 in w
built at line 2 of student.py: edf.Affine(x, w, b)
"""),

    ("the bias is too short", """
x, w, b = edf.Input(np.ones((2, 4))), edf.Param(np.ones((4, 3))), edf.Param(np.zeros(2))
edf.Affine(x, w, b)
edf.forward()
""", ValueError, """
operands could not be broadcast together with shapes (2,3) (2,)…
in f of Affine(x (2, 4), w (4, 3), b (2,))
H is 3 in w, but 2 in b
built at line 2 of student.py: edf.Affine(x, w, b)
"""),

    ("the bias is a column", """
x, w, b = edf.Input(np.ones((3, 4))), edf.Param(np.ones((4, 3))), edf.Param(np.zeros((3, 1)))
y = edf.Affine(x, w, b)
edf.forward()
edf.backward(y)
""", ValueError, """
the gradient has shape (3,), but the value has shape (3, 1)
in db of Affine(x (3, 4), w (4, 3), b (3, 1))
b has shape (3, 1), but is meant to have (H,)
built at line 2 of student.py: y = edf.Affine(x, w, b)
"""),

    ("the bias is a number", """
x, w, b = edf.Input(np.ones((3, 4))), edf.Param(np.ones((4, 3))), edf.Param(0.0)
y = edf.Affine(x, w, b)
edf.forward()
edf.backward(y)
""", ValueError, """
the gradient has shape (3,), but the value has shape ()
in db of Affine(x (3, 4), w (4, 3), b ())
b has shape (), but is meant to have (H,)
built at line 2 of student.py: y = edf.Affine(x, w, b)
"""),

    ("two arrays that do not broadcast are added", """
edf.Param(np.ones((2, 3))) + edf.Param(np.ones((3, 2)))
edf.forward()
""", ValueError, """
operands could not be broadcast together with shapes (2,3) (3,2)…
in f of Add(a (2, 3), b (3, 2))
built at line 1 of student.py: edf.Param(np.ones((2, 3))) + edf.Param(np.ones((3, 2)))
"""),

    ("two matrices that do not fit are multiplied", """
edf.Param(np.ones((2, 3))) @ edf.Param(np.ones((2, 3)))
edf.forward()
""", ValueError, """
matmul: … (size 2 is different from 3)
in f of MatMul(a (2, 3), b (2, 3))
M is 3 in a, but 2 in b
built at line 1 of student.py: edf.Param(np.ones((2, 3))) @ edf.Param(np.ones((2, 3)))
"""),

    ("two vectors are multiplied as matrices", """
edf.Param(np.ones(3)) @ edf.Param(np.ones(3))
edf.forward()
""", ValueError, """
a and b must be matrices (two axes)
in f of MatMul(a (3,), b (3,))
a has shape (3,), but is meant to have (..., N, M)
built at line 1 of student.py: edf.Param(np.ones(3)) @ edf.Param(np.ones(3))
"""),

    ("a power with a component as exponent", """
edf.Param(np.ones(3)) ** edf.Param(np.ones(3))
""", TypeError, """
an exponent is a number: write edf.Exp(b * edf.Log(a)) for a ** b
"""),

    ("a matrix product with a number", """
edf.Param(np.ones((2, 2))) @ 2
edf.forward()
""", ValueError, """
a and b must be matrices (two axes)
in f of MatMul(a (2, 2), b 2)
built at line 1 of student.py: edf.Param(np.ones((2, 2))) @ 2
"""),

    ("labels in a key", """
lp, labels = edf.Param(np.ones((3, 4))), edf.Input([0, 1, 2])
lp[np.arange(3), labels]
""", TypeError, """
key of Slice is an option, which cannot hold components: pass each as an input (in place of
    x[rows, labels] write edf.Select(x, labels))
"""),

    ("parameters in a dictionary", """
class Net(edf.Component):
    def f(self, x, layers):
        return x @ layers["w"].value

Net(edf.Input(np.ones((2, 3))), {"w": edf.Param(np.ones((3, 4)))})
""", TypeError, """
layers of Net is an option, which cannot hold components: pass each as an input (in place of
    x[rows, labels] write edf.Select(x, labels))
"""),

    ("parameters in a list of the component", """
class Net(edf.Component):
    def __init__(self, x, layers):
        super().__init__(x)
        self.layers = layers

    def f(self, x):
        return x @ self.layers[0].value

    def dx(self, dy, x):
        return dy @ self.layers[0].value.T

h = Net(edf.Param(np.ones((2, 3))), [edf.Param(np.ones((3, 4)))])
edf.forward()
edf.backward(h)
""", TypeError, """
layers is no input of Net: to be learned pass it to super().__init__, else set its
    needs_grad = False
in __init__ of Net(x (2, 3))
built at line 12 of student.py: h = Net(edf.Param(np.ones((2, 3))), [edf.Param(np.ones((3, 4)))])
"""),

    ("a formula that uses a parameter from outside", """
scale = edf.Param(2.0)

class Scale(edf.Component):
    def f(self, x):
        return scale.value * x

    def dx(self, dy, x):
        return scale.value * dy

y = Scale(edf.Param([1.0, 2.0]))
edf.forward()
edf.backward(y)
""", TypeError, """
scale is no input of Scale: to be learned pass it to super().__init__, else set its
    needs_grad = False
in __init__ of Scale(x (2,))
built at line 10 of student.py: y = Scale(edf.Param([1.0, 2.0]))
"""),

    ("an option after *", """
class Scale(edf.Component):
    def f(self, x, *, factor=2):
        return factor * x
""", TypeError, """
Scale: f cannot take factor=2: put options before any *
"""),

    ("an option behind *xs", """
class Total(edf.Component):
    def f(self, *xs, scale=2):
        return scale * sum(xs)
""", TypeError, """
Total: f cannot take scale=2: put options before any *
"""),

    ("options by any name", """
class Scale(edf.Component):
    def f(self, x, **options):
        return options["factor"] * x
""", TypeError, """
Scale: f cannot take **options: put options before any *
"""),

    ("a concatenation of all axes", """
edf.Concat(edf.Param([1.0]), edf.Param([2.0]), axis=None)
""", ValueError, """
axis must be a number, got None
"""),

    ("a norm at zero", """
x = edf.Param([0.0, 0.0])
loss = edf.Sum(x * x) ** 0.5
edf.forward()
edf.backward(loss)
""", ValueError, """
the slope is infinite at 0: add a small number to x
in dx of Power(x (), exponent 0.5)
built at line 2 of student.py: loss = edf.Sum(x * x) ** 0.5
"""),

    ("scores and labels of sequences", """
scores, labels = edf.Param(np.ones((2, 3, 4))), edf.Input(np.ones((2, 3), int))
edf.SoftmaxCrossEntropy(scores, labels)
edf.forward()
""", ValueError, """
scores (2, 3, 4) must be a matrix: write edf.Reshape(scores, (-1, K)) for K classes, and
    labels.reshape(-1)
in f of SoftmaxCrossEntropy(scores (2, 3, 4), labels (2, 3))
labels has shape (2, 3), but is meant to have (B,)
built at line 2 of student.py: edf.SoftmaxCrossEntropy(scores, labels)
"""),

    ("an image with a mask", """
edf.Input(np.ma.masked_less([0.0, 1.0], 0.5))
""", ValueError, """
an Input takes no masked array: fill it, .filled(0)
"""),

    ("numbers of a type that truncates", """
edf.dtype = int
edf.Param([0.5])
edf.forward()
""", TypeError, """
edf.dtype is np.float32 or np.float64, not <class 'int'>
"""),

    ("something else in the list of components", """
edf.Param(1.0)
edf.components.append("relu")
edf.forward()
""", AttributeError, """
'str' object has no attribute 'forward'
edf.components holds 'relu', which is no component of edf
"""),

    ("a copy of the parameters", """
import copy
w = edf.Param([1.0], "w")
best = copy.deepcopy(edf.params)
""", TypeError, """
Param w (1,) cannot be copied, as it is part of a graph: keep its numbers, kept = edf.save(), and
    put them back, edf.load(kept)
"""),

    ("a step after a backward that failed", """
class Broken(edf.Component):
    def f(self, x):
        return x

    def dx(self, dy, x):
        return dy[0]

w = edf.Param([1.0, 2.0])
loss = Broken(w) + w
edf.forward()
try:
    edf.backward(loss)
except ValueError:
    edf.forward()
    edf.SGD(0.1).step()
""", TypeError, """
the last backward(loss) did not come to its end: call it again
"""),

    ("an optimiser of a network that was cleared away", """
def build():
    w = edf.Param([1.0, 2.0])
    return w * w

adam, loss = edf.Adam(), build()
edf.forward()
edf.backward(loss)
adam.step()
edf.clear()
loss = build()
edf.forward()
edf.backward(loss)
adam.step()
""", TypeError, """
this Adam remembers Params that clear() took away: make a new one, or clear(keep_params=True)
"""),

    ("a learning rate that climbs", """
edf.SGD(-0.1)
""", ValueError, """
lr of SGD must be from 0 to below inf, got -0.1
"""),

    ("an optimiser gets the parameters, as those of other frameworks do", """
edf.Adam(edf.params)
""", ValueError, """
lr of Adam must be from 0 to below inf, got []
"""),

    ("a setting of Adam that divides by zero", """
edf.Adam(betas=(0.9, 1.0))
""", ValueError, """
betas of Adam must be two numbers from 0 to below 1, got (0.9, 1.0)
"""),

    ("a learning rate of nan, set later", """
sgd = edf.SGD(0.1)
sgd.lr = float("nan")
""", ValueError, """
lr of SGD must be from 0 to below inf, got nan
"""),

    ("batches of a zip", """
next(edf.batches(zip([1, 2], [3, 4]), size=2))
""", ValueError, """
batches are of arrays, or of lists of numbers
"""),

    ("batches of half a row", """
next(edf.batches(np.ones(4), size=2.0))
""", ValueError, """
a batch needs a whole number of rows, at least one, got size 2.0
"""),

    ("targets of another shape than the predictions", """
x, targets = edf.Param(np.ones((3, 1))), edf.Input(np.ones(3))
edf.SquaredError(x, targets)
edf.forward()
""", ValueError, """
x and targets must have one shape, got (3, 1) and (3,)
in f of SquaredError(x (3, 1), targets (3,))
built at line 2 of student.py: edf.SquaredError(x, targets)
"""),

    ("targets of yes or no that are not from 0 to 1", """
edf.SigmoidCrossEntropy(edf.Param(np.ones(2)), edf.Input([-1.0, 1.0]))
edf.forward()
""", ValueError, """
targets must be from 0 to 1
in f of SigmoidCrossEntropy(scores (2,), targets (2,))
built at line 1 of student.py: edf.SigmoidCrossEntropy(edf.Param(np.ones(2)), edf.Input([-1.0,
    1.0]))
"""),

    ("Conv2d gets flat images", """
x, w, b = edf.Input(np.ones((2, 784))), edf.Param(np.ones((8, 1, 5, 5))), edf.Param(np.zeros(8))
edf.Conv2d(x, w, b)
edf.forward()
""", ValueError, """
x must be images (B, C, H, W): for (B, H, W) write x[:, None]
in f of Conv2d(x (2, 784), w (8, 1, 5, 5), b (8,), stride 1, padding 0)
x has shape (2, 784), but is meant to have (B, C, H, W)
built at line 2 of student.py: edf.Conv2d(x, w, b)
"""),

    ("Conv2d gets images with the channels last", """
x, w, b = edf.Input(np.ones((2, 8, 8, 1))), edf.Param(np.ones((8, 1, 5, 5))), edf.Param(np.zeros(8))
edf.Conv2d(x, w, b)
edf.forward()
""", ValueError, """
a window (5, 5) exceeds the image (8, 1)
in f of Conv2d(x (2, 8, 8, 1), w (8, 1, 5, 5), b (8,), stride 1, padding 0)
C is 8 in x, but 1 in w
built at line 2 of student.py: edf.Conv2d(x, w, b)
"""),

    ("Conv2d gets images of other channels than its kernels", """
x, w, b = edf.Input(np.ones((2, 3, 8, 8))), edf.Param(np.ones((8, 1, 5, 5))), edf.Param(np.zeros(8))
edf.Conv2d(x, w, b)
edf.forward()
""", ValueError, """
x and w differ in channels (axis 1)
in f of Conv2d(x (2, 3, 8, 8), w (8, 1, 5, 5), b (8,), stride 1, padding 0)
C is 3 in x, but 1 in w
built at line 2 of student.py: edf.Conv2d(x, w, b)
"""),

    ("Conv2d gets kernels without an axis of channels", """
x, w, b = edf.Input(np.ones((2, 1, 8, 8))), edf.Param(np.ones((8, 5, 5))), edf.Param(np.zeros(8))
edf.Conv2d(x, w, b)
edf.forward()
""", ValueError, """
w must be kernels (O, C, kh, kw)
in f of Conv2d(x (2, 1, 8, 8), w (8, 5, 5), b (8,), stride 1, padding 0)
w has shape (8, 5, 5), but is meant to have (O, C, kh, kw)
built at line 2 of student.py: edf.Conv2d(x, w, b)
"""),

    ("Conv2d gets a bias of another length", """
x, w, b = edf.Input(np.ones((2, 1, 8, 8))), edf.Param(np.ones((8, 1, 5, 5))), edf.Param(np.zeros(5))
edf.Conv2d(x, w, b)
edf.forward()
""", ValueError, """
b must have shape (8,)
in f of Conv2d(x (2, 1, 8, 8), w (8, 1, 5, 5), b (5,), stride 1, padding 0)
O is 8 in w, but 5 in b
built at line 2 of student.py: edf.Conv2d(x, w, b)
"""),

    ("the kernel of Conv2d is larger than the image", """
x, w, b = edf.Input(np.ones((2, 1, 4, 4))), edf.Param(np.ones((8, 1, 5, 5))), edf.Param(np.zeros(8))
edf.Conv2d(x, w, b)
edf.forward()
""", ValueError, """
a window (5, 5) exceeds the image (4, 4)
in f of Conv2d(x (2, 1, 4, 4), w (8, 1, 5, 5), b (8,), stride 1, padding 0)
built at line 2 of student.py: edf.Conv2d(x, w, b)
"""),

    ("Conv2d gets a stride of 0", """
x, w, b = edf.Input(np.ones((2, 1, 8, 8))), edf.Param(np.ones((8, 1, 5, 5))), edf.Param(np.zeros(8))
edf.Conv2d(x, w, b, stride=0)
edf.forward()
""", ValueError, """
size and stride must be 1 or more, got (5, 5) and 0
in f of Conv2d(x (2, 1, 8, 8), w (8, 1, 5, 5), b (8,), stride 0, padding 0)
built at line 2 of student.py: edf.Conv2d(x, w, b, stride=0)
"""),

    ("Conv2d gets a stride for each axis", """
x, w, b = edf.Input(np.ones((2, 1, 8, 8))), edf.Param(np.ones((8, 1, 5, 5))), edf.Param(np.zeros(8))
edf.Conv2d(x, w, b, stride=(2, 2))
edf.forward()
""", TypeError, """
'<' not supported between instances of 'tuple' and 'int'
in f of Conv2d(x (2, 1, 8, 8), w (8, 1, 5, 5), b (8,), stride (2, 2), padding 0)
built at line 2 of student.py: edf.Conv2d(x, w, b, stride=(2, 2))
"""),

    ("MaxPool2d gets a size for each axis", """
edf.MaxPool2d(edf.Input(np.ones((2, 1, 8, 8))), (2, 2))
edf.forward()
""", TypeError, """
unsupported operand type(s) for //: 'tuple' and 'int'
in f of MaxPool2d(x (2, 1, 8, 8), size (2, 2), stride None, padding 0)
built at line 1 of student.py: edf.MaxPool2d(edf.Input(np.ones((2, 1, 8, 8))), (2, 2))
"""),

    ("MaxPool2d gets more padding than half of its size", """
edf.MaxPool2d(edf.Input(np.ones((2, 1, 8, 8))), 2, padding=2)
edf.forward()
""", ValueError, """
padding may be half of the size at most
in f of MaxPool2d(x (2, 1, 8, 8), size 2, stride None, padding 2)
built at line 1 of student.py: edf.MaxPool2d(edf.Input(np.ones((2, 1, 8, 8))), 2, padding=2)
"""),

    ("BatchNorm trains on a single example", """
x, gamma, beta = edf.Input(np.ones((1, 8))), edf.Param(np.ones(8)), edf.Param(np.zeros(8))
edf.BatchNorm(x, gamma, beta)
edf.forward()
""", ValueError, """
one number of each feature has no variance: drop a last batch of one row, train on larger ones,
    or run it inside `with edf.evaluating():`
in f of BatchNorm(x (1, 8), gamma (8,), beta (8,), momentum 0.1, eps 1e-05)
built at line 2 of student.py: edf.BatchNorm(x, gamma, beta)
"""),

    ("BatchNorm gets parameters for the batch, not for the features", """
x, gamma, beta = edf.Input(np.ones((4, 8))), edf.Param(np.ones(4)), edf.Param(np.zeros(4))
edf.BatchNorm(x, gamma, beta)
edf.forward()
""", ValueError, """
gamma and beta must have shape (8,), as axis 1 of x
in f of BatchNorm(x (4, 8), gamma (4,), beta (4,), momentum 0.1, eps 1e-05)
D is 8 in x, but 4 in beta
built at line 2 of student.py: edf.BatchNorm(x, gamma, beta)
"""),

    ("BatchNorm of images gets parameters for the columns, not for the channels", """
x, gamma, beta = edf.Input(np.ones((4, 3, 8, 8))), edf.Param(np.ones(8)), edf.Param(np.ones(8))
edf.BatchNorm(x, gamma, beta)
edf.forward()
""", ValueError, """
gamma and beta must have shape (3,), as axis 1 of x
in f of BatchNorm(x (4, 3, 8, 8), gamma (8,), beta (8,), momentum 0.1, eps 1e-05)
C is 3 in x, but 8 in beta
built at line 2 of student.py: edf.BatchNorm(x, gamma, beta)
"""),

    ("LayerNorm gets parameters for the rows", """
x, gamma, beta = edf.Input(np.ones((4, 8))), edf.Param(np.ones(4)), edf.Param(np.zeros(4))
edf.LayerNorm(x, gamma, beta)
edf.forward()
""", ValueError, """
gamma and beta must have shape (8,), as the last axis of x
in f of LayerNorm(x (4, 8), gamma (4,), beta (4,), eps 1e-05)
D is 8 in x, but 4 in gamma
built at line 2 of student.py: edf.LayerNorm(x, gamma, beta)
"""),

    ("Concat gets arrays that differ along the other axis", """
edf.Concat(edf.Param(np.ones((2, 3))), edf.Param(np.ones((2, 4))))
edf.forward()
""", ValueError, """
…must match exactly…
in f of Concat(x0 (2, 3), x1 (2, 4))
built at line 1 of student.py: edf.Concat(edf.Param(np.ones((2, 3))), edf.Param(np.ones((2, 4))))
"""),

    ("Concat gets nothing", """
edf.Concat()
edf.forward()
""", ValueError, """
need at least one array to concatenate
in f of Concat (no value yet)
built at line 1 of student.py: edf.Concat()
"""),

    ("a column that is not there", """
edf.Param(np.ones((2, 3)))[:, 3]
edf.forward()
""", IndexError, """
index 3 is out of bounds for axis 1 with size 3
in f of Slice(x (2, 3), key (slice(None, None, None), 3))
built at line 1 of student.py: edf.Param(np.ones((2, 3)))[:, 3]
"""),

    ("a slice by real numbers", """
edf.Param(np.ones((2, 3)))[edf.Input([0.0, 1.0])]
edf.forward()
""", IndexError, """
arrays used as indices must be of integer (or boolean) type
in f of Slice(x (2, 3), key (2,))
built at line 1 of student.py: edf.Param(np.ones((2, 3)))[edf.Input([0.0, 1.0])]
"""),

    ("a new shape for another number of entries", """
edf.Reshape(edf.Input(np.ones((2, 3))), (4, -1))
edf.forward()
""", ValueError, """
cannot reshape array of size 6 into shape…
in f of Reshape(x (2, 3), shape (4, -1))
built at line 1 of student.py: edf.Reshape(edf.Input(np.ones((2, 3))), (4, -1))
"""),

    ("a sum over an axis that is not there", """
edf.Sum(edf.Input(np.ones((2, 3))), axis=2)
edf.forward()
""", ValueError, """
axis 2 is out of bounds for array of dimension 2
in f of Sum(x (2, 3), axis 2, keepdims False)
built at line 1 of student.py: edf.Sum(edf.Input(np.ones((2, 3))), axis=2)
"""),

    ("the probability of Dropout is a percentage", """
edf.Dropout(edf.Param(np.ones(3)), 50)
edf.forward()
""", ValueError, """
p must be at least 0 and below 1, got 50
in f of Dropout(x (3,), p 50)
built at line 1 of student.py: edf.Dropout(edf.Param(np.ones(3)), 50)
"""),

    ("a word number that the table does not have", """
edf.Embedding(edf.Param(np.ones((5, 2))), edf.Input([0, 5]))
edf.forward()
""", ValueError, """
index must be row numbers from 0 to 4, got numbers from 0 to 5
in f of Embedding(w (5, 2), index (2,))
built at line 1 of student.py: edf.Embedding(edf.Param(np.ones((5, 2))), edf.Input([0, 5]))
"""),

    ("the arguments of Embedding are swapped", """
edf.Embedding(edf.Input([0, 1]), edf.Param(np.ones((5, 2))))
edf.forward()
""", ValueError, """
an Input holds integers, but Embedding[2] takes real numbers: divide images by 255, or convert
    with .astype(float) (or are these the labels?)
in forward of Input Embedding[2].w (2,)
built at line 1 of student.py: edf.Embedding(edf.Input([0, 1]), edf.Param(np.ones((5, 2))))
"""),

    ("the logarithm of 0", """
edf.Log(edf.Param([1.0, 0.0]))
edf.forward()
""", ValueError, """
x must be greater than 0, and not nan
in f of Log(x (2,))
built at line 1 of student.py: edf.Log(edf.Param([1.0, 0.0]))
"""),

    ("a division by 0", """
edf.Param([1.0, 2.0]) / edf.Param([0.0, 1.0])
edf.forward()
""", ValueError, """
b must not contain 0: it is divided by
in f of Div(a (2,), b (2,))
built at line 1 of student.py: edf.Param([1.0, 2.0]) / edf.Param([0.0, 1.0])
"""),

    ("the root of a negative number", """
edf.Param([-1.0, 1.0]) ** 0.5
edf.forward()
""", ValueError, """
x must not be negative under a root
in f of Power(x (2,), exponent 0.5)
built at line 1 of student.py: edf.Param([-1.0, 1.0]) ** 0.5
"""),

    # Labels.

    ("labels that begin at 1", """
scores, labels = edf.Param(np.ones((3, 10))), edf.Input([1, 5, 10])
edf.SoftmaxCrossEntropy(scores, labels)
edf.forward()
""", ValueError, """
labels must be class numbers from 0 to 9, got numbers from 1 to 10
in f of SoftmaxCrossEntropy(scores (3, 10), labels (3,))
built at line 2 of student.py: edf.SoftmaxCrossEntropy(scores, labels)
"""),

    ("a label of -1 for unknown", """
scores, labels = edf.Param(np.ones((3, 10))), edf.Input([-1, 5, 9])
edf.SoftmaxCrossEntropy(scores, labels)
edf.forward()
""", ValueError, """
labels must be class numbers from 0 to 9, got numbers from -1 to 9
in f of SoftmaxCrossEntropy(scores (3, 10), labels (3,))
built at line 2 of student.py: edf.SoftmaxCrossEntropy(scores, labels)
"""),

    ("labels that are not integers", """
scores, labels = edf.Param(np.ones((3, 10))), edf.Input([0.0, 5.0, 9.0])
edf.SoftmaxCrossEntropy(scores, labels)
edf.forward()
""", ValueError, """
labels must be class numbers of integer type, got float32: convert with .astype(int)
in f of SoftmaxCrossEntropy(scores (3, 10), labels (3,))
built at line 2 of student.py: edf.SoftmaxCrossEntropy(scores, labels)
"""),

    ("one-hot labels", """
scores, labels = edf.Param(np.ones((3, 10))), edf.Input(np.eye(10)[[0, 5, 9]])
edf.SoftmaxCrossEntropy(scores, labels)
edf.forward()
""", ValueError, """
labels must be one class number for each row of (3, 10), got shape (3, 10): set both to the same
    batch, flatten a column by [:, 0], or one-hot rows by .argmax(axis=1)
in f of SoftmaxCrossEntropy(scores (3, 10), labels (3, 10))
labels has shape (3, 10), but is meant to have (B,)
built at line 2 of student.py: edf.SoftmaxCrossEntropy(scores, labels)
"""),

    ("a column of labels", """
scores, labels = edf.Param(np.ones((3, 10))), edf.Input([[0], [5], [9]])
edf.SoftmaxCrossEntropy(scores, labels)
edf.forward()
""", ValueError, """
labels must be one class number for each row of (3, 10), got shape (3, 1): set both to the same
    batch, flatten a column by [:, 0], or one-hot rows by .argmax(axis=1)
in f of SoftmaxCrossEntropy(scores (3, 10), labels (3, 1))
labels has shape (3, 1), but is meant to have (B,)
built at line 2 of student.py: edf.SoftmaxCrossEntropy(scores, labels)
"""),

    ("labels of another batch", """
scores, labels = edf.Param(np.ones((3, 10))), edf.Input([0, 5])
edf.SoftmaxCrossEntropy(scores, labels)
edf.forward()
""", ValueError, """
labels must be one class number for each row of (3, 10), got shape (2,): set both to the same
    batch, flatten a column by [:, 0], or one-hot rows by .argmax(axis=1)
in f of SoftmaxCrossEntropy(scores (3, 10), labels (2,))
B is 3 in scores, but 2 in labels
built at line 2 of student.py: edf.SoftmaxCrossEntropy(scores, labels)
"""),

    ("the scores of one example, as a vector", """
scores, labels = edf.Param(np.ones(10)), edf.Input(5)
edf.SoftmaxCrossEntropy(scores, labels)
edf.forward()
""", ValueError, """
labels must be one class number for each row of (10,), got shape (): set both to the same batch,
    flatten a column by [:, 0], or one-hot rows by .argmax(axis=1)
in f of SoftmaxCrossEntropy(scores (10,), labels ())
scores has shape (10,), but is meant to have (B, K)
built at line 2 of student.py: edf.SoftmaxCrossEntropy(scores, labels)
"""),

    ("labels and scores are swapped", """
scores, labels = edf.Param(np.ones((3, 10))), edf.Input([0, 5, 9])
edf.SoftmaxCrossEntropy(labels, scores)
edf.forward()
""", ValueError, """
an Input holds integers, but SoftmaxCrossEntropy[2] takes real numbers: divide images by 255, or
    convert with .astype(float) (or are these the labels?)
in forward of Input SoftmaxCrossEntropy[2].scores (3,)
built at line 1 of student.py: scores, labels = edf.Param(np.ones((3, 10))), edf.Input([0, 5, 9])
"""),

    ("a mask that leaves nothing of a row", """
scores, mask = edf.Param(np.ones((2, 3))), edf.Input([[0, -np.inf, -np.inf], [-np.inf] * 3])
edf.Softmax(scores + mask)
edf.forward()
""", ValueError, """
a mask must leave a score above -inf in every row
in f of Softmax(x (2, 3))
built at line 2 of student.py: edf.Softmax(scores + mask)
"""),

    ("scores where CrossEntropy takes probabilities", """
scores, labels = edf.Param(np.full((3, 10), 2.0)), edf.Input([0, 5, 9])
edf.CrossEntropy(scores, labels)
edf.forward()
""", ValueError, """
a right class has probability more than 1, as scores may be: use SoftmaxCrossEntropy
in f of CrossEntropy(p (3, 10), labels (3,))
built at line 2 of student.py: edf.CrossEntropy(scores, labels)
"""),

    ("a probability that is 0", """
p, labels = edf.Param([[0.0, 1.0]]), edf.Input([0])
edf.CrossEntropy(p, labels)
edf.forward()
""", ValueError, """
a right class has probability 0, nearly 0 or nan: use SoftmaxCrossEntropy
in f of CrossEntropy(p (1, 2), labels (1,))
built at line 2 of student.py: edf.CrossEntropy(p, labels)
"""),

    ("images and labels are unpacked in the wrong order", """
x, labels = edf.Input(), edf.Input()
scores = edf.Affine(x, edf.Param(np.ones((4, 3))), edf.Param(np.zeros(3)))
edf.SoftmaxCrossEntropy(scores, labels)
for labels.value, x.value in edf.batches(np.ones((6, 4)), np.zeros(6, int), size=2):
    edf.forward()
""", ValueError, """
an Input holds integers, but Affine[4] takes real numbers: divide images by 255, or convert with
    .astype(float) (or are these the labels?)
in forward of Input Affine[4].x (2,)
built at line 1 of student.py: x, labels = edf.Input(), edf.Input()
"""),

    # The order of calls.

    ("forward of an empty graph", """
loss = edf.Param(1.0) * 2
edf.clear()
edf.forward()
""", TypeError, """
the graph is empty: build it again after clear()
"""),

    ("forward of one component", """
edf.forward(edf.Param(1.0))
""", TypeError, """
forward() takes 0 positional arguments but 1 was given
"""),

    ("backward before forward", """
loss = edf.Param(1.0) * 2
edf.backward(loss)
""", TypeError, """
Mul(a (), b 2) has no value yet: call forward() first, which must set it
"""),

    ("backward before forward of what was built since", """
w = edf.Param(1.0)
edf.forward()
loss = w * 2
edf.backward(loss)
""", TypeError, """
Mul(a (), b 2) has no value yet: call forward() first, which must set it
"""),

    ("backward before forward of the next batch", """
x, w = edf.Input(1.0, "x"), edf.Param(1.0, "w")
loss = w * x
edf.forward()
x.value = 2.0
edf.backward(loss)
""", TypeError, """
Input x () has changed since the last forward(): call it again
"""),

    ("backward after a step", """
loss = edf.Param(1.0, "w") * 2
edf.forward()
edf.backward(loss)
edf.SGD(0.1).step()
edf.backward(loss)
""", TypeError, """
Param w () has changed since the last forward(): call it again
"""),

    ("backward after a step by hand", """
w = edf.Param(1.0, "w")
loss = w * 2
edf.forward()
edf.backward(loss)
w.value -= 0.1 * w.grad
edf.backward(loss)
""", TypeError, """
Param w () has changed since the last forward(): call it again
"""),

    ("backward after a forward that failed", """
x, labels = edf.Input(np.ones((2, 4)), "x"), edf.Input([0, 1])
scores = edf.Affine(x, edf.Param(np.ones((4, 3))), edf.Param(np.zeros(3)))
loss = edf.SoftmaxCrossEntropy(scores, labels)
edf.forward()
labels.value = [0, 7]
try:
    edf.forward()
except ValueError:
    edf.backward(loss)
""", TypeError, """
the last forward() did not come to its end: call it again
"""),

    ("backward of a component of a cleared graph", """
loss = edf.Param(1.0) * 2
edf.forward()
edf.clear()
edf.backward(loss)
""", TypeError, """
the loss was built before clear() or a reload of edf, for the graph of that time:
    build Mul(a (), b 2)
    again
"""),

    ("backward of an array", """
loss = edf.Param(np.ones(3)) * 2
edf.forward()
edf.backward(loss.value)
""", TypeError, """
the loss must be a component, not of type ndarray: if it is the value of a component pass that,
    else wrap it: edf.Param(array) if it is learned, edf.Input(array) if it is data
"""),

    ("backward of a mean by NumPy", """
loss = edf.Param(np.ones(3)) * 2
edf.forward()
edf.backward(loss.value.mean())
""", TypeError, """
the loss must be a component, not of type float32: if it is the value of a component pass that,
    else wrap it: edf.Param(array) if it is learned, edf.Input(array) if it is data
"""),

    ("backward of nothing", """
edf.backward()
""", TypeError, """
backward() missing 1 required positional argument: 'loss'
"""),

    ("backward of an Input", """
x = edf.Input(1.0, "x")
edf.forward()
edf.backward(x)
""", TypeError, """
Input x () depends on no Param: make one of what you differentiate by
"""),

    ("backward of what depends on no Param", """
loss = edf.Input(1.0) * 2
edf.forward()
edf.backward(loss)
""", TypeError, """
Mul(a (), b 2) depends on no Param: make one of what you differentiate by
"""),

    ("backward of an empty array", """
loss = edf.Param(np.ones((3, 2)))[5:]
edf.forward()
edf.backward(loss)
""", ValueError, """
Slice(x (3, 2), key slice(5, None, None)) is an empty array, which has no mean
"""),

    ("backward as a method of the loss", """
loss = edf.Param(1.0) * 2
edf.forward()
loss.backward()
""", TypeError, """
Mul(a (), b 2) has no gradient yet: call edf.backward(loss)
"""),

    ("the rows of a batch are drawn for the images only", """
x, labels = edf.Input(), edf.Input()
scores = edf.Affine(x, edf.Param(np.ones((4, 3))), edf.Param(np.zeros(3)))
edf.SoftmaxCrossEntropy(scores, labels)
x.value, labels.value = np.ones((6, 4))[:2], np.zeros(6, int)
edf.forward()
""", ValueError, """
labels must be one class number for each row of (2, 3), got shape (6,): set both to the same
    batch, flatten a column by [:, 0], or one-hot rows by .argmax(axis=1)
in f of SoftmaxCrossEntropy(scores (2, 3), labels (6,))
B is 2 in scores, but 6 in labels
built at line 3 of student.py: edf.SoftmaxCrossEntropy(scores, labels)
"""),

    # Training.

    ("a step before backward", """
edf.Param(1.0) * 2
edf.forward()
edf.SGD(lr=0.1).step()
""", TypeError, """
no Param has a gradient: call backward first
"""),

    ("an optimiser without a learning rate", """
edf.SGD()
""", TypeError, """
SGD.__init__() missing 1 required positional argument: 'lr'
"""),

    ("an option of SGD has the name that other frameworks use", """
edf.SGD(learning_rate=0.1)
""", TypeError, """
SGD.__init__() got an unexpected keyword argument 'learning_rate'
"""),

    ("an option of Adam is misspelt", """
edf.Adam(lr=0.001, beta1=0.9)
""", TypeError, """
Adam.__init__() got an unexpected keyword argument 'beta1'
"""),

    ("nesterov without momentum", """
edf.SGD(lr=0.1, nesterov=True)
""", ValueError, """
nesterov needs a momentum, such as 0.9
"""),

    ("the gradients are set to zero, as in other frameworks", """
edf.SGD(lr=0.1).zero_grad()
""", AttributeError, """
'SGD' object has no attribute 'zero_grad'
"""),

    ("images and labels of unequal length", """
list(edf.batches(np.ones((60, 784)), np.zeros(50, int), size=10))
""", ValueError, """
arrays differ in length: [60, 50]
"""),

    ("batches without a size", """
list(edf.batches(np.ones((60, 784)), 10))
""", TypeError, """
batches() missing 1 required keyword-only argument: 'size'
"""),

    ("batches of no rows", """
list(edf.batches(np.ones((60, 784)), size=0))
""", ValueError, """
a batch needs a whole number of rows, at least one, got size 0
"""),

    ("evaluating without parentheses", """
with edf.evaluating:
    edf.forward()
""", TypeError, """
'type' object does not support the context manager protocol…
"""),

    # Components that students write.

    ("f has no return", """
class Double(edf.Component):
    def f(self, x):
        2 * x

Double(edf.Param([1.0, 2.0]))
edf.forward()
""", TypeError, """
the formula returned None: is its return missing?
in f of Double(x (2,))
built at line 5 of student.py: Double(edf.Param([1.0, 2.0]))
"""),

    ("f returns a number as a text", """
class Double(edf.Component):
    def f(self, x):
        return "2"

Double(edf.Param([1.0, 2.0]))
edf.forward()
""", TypeError, """
the formula returned <U1, not real numbers
in f of Double(x (2,))
built at line 5 of student.py: Double(edf.Param([1.0, 2.0]))
"""),

    ("f returns a word", """
class Double(edf.Component):
    def f(self, x):
        return "twice"

Double(edf.Param([1.0, 2.0]))
edf.forward()
""", ValueError, """
could not convert string to float: 'twice'
in f of Double(x (2,))
built at line 5 of student.py: Double(edf.Param([1.0, 2.0]))
"""),

    ("f returns a list of an array and a number", """
class Both(edf.Component):
    def f(self, x):
        return [x, 2]

Both(edf.Param([1.0, 2.0]))
edf.forward()
""", ValueError, """
setting an array element with a sequence…
in f of Both(x (2,))
built at line 5 of student.py: Both(edf.Param([1.0, 2.0]))
"""),

    ("f computes with components in place of their values", """
class Double(edf.Component):
    def f(self, x):
        return 2 * self.x

Double(edf.Param([1.0, 2.0]))
edf.forward()
""", TypeError, """
Mul(a 2, b (2,)) is a component, not an array: NumPy takes its .value, and edf has functions of
    its own
in f of Double(x (2,))
built at line 5 of student.py: Double(edf.Param([1.0, 2.0]))
"""),

    ("f builds components", """
class Double(edf.Component):
    def f(self, x):
        return edf.ReLU(x)

Double(edf.Param([1.0, 2.0]))
edf.forward()
""", TypeError, """
x of ReLU must be a component, not of type ndarray: if it is the value of a component pass that,
    else wrap it: edf.Param(array) if it is learned, edf.Input(array) if it is data
in f of Double(x (2,))
built at line 5 of student.py: Double(edf.Param([1.0, 2.0]))
"""),

    ("f is a stub", """
class Double(edf.Component):
    def f(self, x):
        raise NotImplementedError("exercise 3")

Double(edf.Param([1.0, 2.0]))
edf.forward()
""", NotImplementedError, """
exercise 3
in f of Double(x (2,))
built at line 5 of student.py: Double(edf.Param([1.0, 2.0]))
"""),

    ("f is missing", """
class Double(edf.Component):
    pass

Double(edf.Param([1.0, 2.0]))
edf.forward()
""", NotImplementedError, """
Double does not define f
in f of Double(x0 (2,))
built at line 4 of student.py: Double(edf.Param([1.0, 2.0]))
"""),

    ("f does not take self", """
class Double(edf.Component):
    def f(x):
        return 2 * x

Double(edf.Param([1.0, 2.0]))
""", TypeError, """
Double(): too many positional arguments
"""),

    ("an input has the name of what every component has", """
class Double(edf.Component):
    def f(self, value):
        return 2 * value

Double(edf.Param([1.0, 2.0]))
""", TypeError, """
Double: an input cannot be called value: that is taken
"""),

    ("f changes its argument in place, under check_gradients", """
class Double(edf.Component):
    def f(self, x):
        x *= 2
        return x

    def dx(self, dy, x):
        return 2 * dy

y = Double(edf.Param([1.0, 2.0]))
edf.check_gradients(y)
""", ValueError, """
output array is read-only
in f of Double(x (2,))
a formula must not change what it gets: write x = 2 * x, which makes a new array, not x *= 2
built at line 9 of student.py: y = Double(edf.Param([1.0, 2.0]))
"""),

    ("a d-method is missing", """
class Double(edf.Component):
    def f(self, x):
        return 2 * x

y = Double(edf.Param([1.0, 2.0]))
edf.forward()
edf.backward(y)
""", NotImplementedError, """
Double has to define dx, because x depends on a Param
in dx of Double(x (2,))
built at line 5 of student.py: y = Double(edf.Param([1.0, 2.0]))
"""),

    ("a d-method has no return", """
class Double(edf.Component):
    def f(self, x):
        return 2 * x

    def dx(self, dy, x):
        2 * dy

y = Double(edf.Param([1.0, 2.0]))
edf.forward()
edf.backward(y)
""", TypeError, """
the formula returned None: is its return missing?
in dx of Double(x (2,))
built at line 8 of student.py: y = Double(edf.Param([1.0, 2.0]))
"""),

    ("a d-method takes dy only", """
class Double(edf.Component):
    def f(self, x):
        return 2 * x

    def dx(self, dy):
        return 2 * dy

y = Double(edf.Param([1.0, 2.0]))
edf.forward()
edf.backward(y)
""", TypeError, """
Double.dx() takes 2 positional arguments but 3 were given
in dx of Double(x (2,))
f takes self and the inputs, d<input> self, dy and then the same as f, forward and backward only
    self
built at line 8 of student.py: y = Double(edf.Param([1.0, 2.0]))
"""),

    ("a d-method does not take the option", """
class Scale(edf.Component):
    def f(self, x, factor=2):
        return factor * x

    def dx(self, dy, x):
        return 2 * dy

y = Scale(edf.Param([1.0, 2.0]))
edf.forward()
edf.backward(y)
""", TypeError, """
Scale.dx() takes 3 positional arguments but 4 were given
in dx of Scale(x (2,), factor 2)
f takes self and the inputs, d<input> self, dy and then the same as f, forward and backward only
    self
built at line 8 of student.py: y = Scale(edf.Param([1.0, 2.0]))
"""),

    ("a d-method returns a number", """
class Double(edf.Component):
    def f(self, x):
        return 2 * x

    def dx(self, dy, x):
        return 2.0

y = Double(edf.Param([1.0, 2.0]))
edf.forward()
edf.backward(y)
""", ValueError, """
the gradient has shape (), but the value has shape (2,)
in dx of Double(x (2,))
built at line 8 of student.py: y = Double(edf.Param([1.0, 2.0]))
"""),

    ("a d-method sums too much", """
class Double(edf.Component):
    def f(self, x):
        return 2 * x

    def dx(self, dy, x):
        return (2 * dy).sum(axis=0)

y = Double(edf.Param([[1.0, 2.0]]))
edf.forward()
edf.backward(y)
""", ValueError, """
the gradient has shape (2,), but the value has shape (1, 2)
in dx of Double(x (1, 2))
is keepdims=True missing?
built at line 8 of student.py: y = Double(edf.Param([[1.0, 2.0]]))
"""),

    ("a d-method changes dy in place, under check_gradients", """
class Double(edf.Component):
    def f(self, x):
        return 2 * x

    def dx(self, dy, x):
        dy *= 2
        return dy

y = Double(edf.Param([1.0, 2.0]))
edf.check_gradients(y)
""", ValueError, """
output array is read-only
in dx of Double(x (2,))
a formula must not change what it gets: write x = 2 * x, which makes a new array, not x *= 2
built at line 9 of student.py: y = Double(edf.Param([1.0, 2.0]))
"""),

    ("a d-method takes x before dy", """
class Double(edf.Component):
    def f(self, x):
        return 2 * x

    def dx(self, x, dy):
        return 2 * dy

y = Double(edf.Param([1.0, 2.0]))
edf.check_gradients(y)
""", AssertionError, """
wrong gradient: Double[1].dx gives … at entry (1,), central differences give …
in dx of Double(x (2,))
built at line 8 of student.py: y = Double(edf.Param([1.0, 2.0]))
"""),

    ("a derivative is wrong", """
class Square(edf.Component):
    def f(self, x):
        return x ** 2

    def dx(self, dy, x):
        return dy * x

y = Square(edf.Param([1.0, 2.0]))
edf.check_gradients(y)
""", AssertionError, """
wrong gradient: Square[1].dx gives … at entry (1,), central differences give …
in dx of Square(x (2,))
built at line 8 of student.py: y = Square(edf.Param([1.0, 2.0]))
"""),

    ("a derivative is wrong at a kink", """
class Absolute(edf.Component):
    def f(self, x):
        return abs(x)

    def dx(self, dy, x):
        return dy * np.where(x > 0, 1, -2)

y = Absolute(edf.Param([0.0, 2.0]))
edf.check_gradients(y)
""", AssertionError, """
wrong gradient: Absolute[1].dx gives … at entry (0,), central differences give … (is a kink near?
    then change the values and check again)
in dx of Absolute(x (2,))
built at line 8 of student.py: y = Absolute(edf.Param([0.0, 2.0]))
"""),

    ("f takes a component in place of an option", """
class Scale(edf.Component):
    def f(self, x, factor=2):
        return factor * x

Scale(edf.Param([1.0, 2.0]), edf.Param(3.0))
""", TypeError, """
factor of Scale is an option: it takes no component
"""),

    ("an input without a default gets an array", """
class Scale(edf.Component):
    def f(self, x, factor):
        return factor * x

Scale(edf.Param([1.0, 2.0]), np.array([3.0, 4.0]))
""", TypeError, """
factor of Scale must be a component, not of type ndarray: if it is the value of a component pass
    that, else wrap it: edf.Param(array) if it is learned, edf.Input(array) if it is data
"""),

    ("__init__ of a component with f does not call super().__init__", """
class Scale(edf.Component):
    def __init__(self, x, factor):
        self.factor = factor

    def f(self, x):
        return self.factor * x

Scale(edf.Param([1.0, 2.0]), 3)
""", TypeError, """
__init__ of Scale must call super().__init__
"""),

    ("__init__ keeps weights that it does not pass on", """
class Linear(edf.Component):
    def __init__(self, x, w):
        super().__init__(x)
        self.w = w

    def f(self, x):
        return x @ self.w.value

    def dx(self, dy, x):
        return dy @ self.w.value.T

h = Linear(edf.Input(np.ones((2, 4))), edf.Param(np.ones((4, 3))))
edf.forward()
edf.backward(h)
""", TypeError, """
w is no input of Linear: to be learned pass it to super().__init__, else set its
    needs_grad = False
in __init__ of Linear(x (2, 4))
built at line 12 of student.py: h = Linear(edf.Input(np.ones((2, 4))), edf.Param(np.ones((4, 3))))
"""),

    # Components with forward and backward of their own.

    ("forward sets no value", """
class Double(edf.Component):
    def __init__(self, x):
        super().__init__(x)
        self.x = x

    def forward(self):
        return 2 * self.x.value

loss = Double(edf.Param([1.0, 2.0]))
edf.forward()
edf.backward(loss)
""", TypeError, """
Double(x0 (2,)) has no value yet: call forward() first, which must set it
"""),

    ("forward computes with components in place of their values", """
class Double(edf.Component):
    def __init__(self, x):
        super().__init__(x)
        self.x = x

    def forward(self):
        self.value = 2 * self.x

Double(edf.Param([1.0, 2.0]))
edf.forward()
""", TypeError, """
Mul(a 2, b (2,)) is a component, not an array: NumPy takes its .value, and edf has functions of
    its own
in forward of Double(x0 (2,))
built at line 9 of student.py: Double(edf.Param([1.0, 2.0]))
"""),

    ("__init__ does not call super().__init__", """
class Double(edf.Component):
    def __init__(self, x):
        self.x = x

    def forward(self):
        self.value = 2 * self.x.value

Double(edf.Param([1.0, 2.0]))
""", TypeError, """
__init__ of Double must call super().__init__
"""),

    ("__init__ puts its component into the list by hand", """
class Double(edf.Component):
    def __init__(self, x):
        edf.components.append(self)
        self.x = x

    def forward(self):
        self.value = 2 * self.x.value

Double(edf.Param([1.0, 2.0]))
""", TypeError, """
__init__ of Double must call super().__init__
"""),

    ("__init__ does not pass its inputs on", """
class Double(edf.Component):
    def __init__(self, x):
        super().__init__()
        self.x = x

    def forward(self):
        self.value = 2 * self.x.value

loss = Double(edf.Param([1.0, 2.0]))
edf.forward()
edf.backward(loss)
""", TypeError, """
x is no input of Double: to be learned pass it to super().__init__, else set its
    needs_grad = False
in __init__ of Double (2,)
built at line 9 of student.py: loss = Double(edf.Param([1.0, 2.0]))
"""),

    ("a class that is no component", """
class Double:
    def __init__(self, x):
        self.x = x

edf.ReLU(Double(edf.Param([1.0, 2.0])))
""", TypeError, """
x of ReLU must be a component, not of type Double: if it is the value of a component pass that,
    else wrap it: edf.Param(array) if it is learned, edf.Input(array) if it is data
"""),

    ("backward adds no gradient", """
class Double(edf.Component):
    def __init__(self, x):
        super().__init__(x)
        self.x = x

    def forward(self):
        self.value = 2 * self.x.value

    def backward(self):
        return 2 * self.grad

y = Double(edf.Param([1.0, 2.0]))
edf.forward()
edf.backward(y)
""", TypeError, """
no gradient was added to an input: call its add_grad (or set self.needs_grad = False in __init__,
    if none is to pass)
in backward of Double(x0 (2,))
built at line 12 of student.py: y = Double(edf.Param([1.0, 2.0]))
"""),

    ("backward adds to a gradient that is not there yet", """
class Double(edf.Component):
    def __init__(self, x):
        super().__init__(x)
        self.x = x

    def forward(self):
        self.value = 2 * self.x.value

    def backward(self):
        self.x.grad = self.x.grad + 2 * self.grad

y = Double(edf.Param([1.0, 2.0]))
edf.forward()
edf.backward(y)
""", TypeError, """
unsupported operand type(s) for +: 'NoneType' and…
in backward of Double(x0 (2,))
None is what is not there yet: values come from forward(), and gradients from backward(loss) and
    by add_grad
built at line 12 of student.py: y = Double(edf.Param([1.0, 2.0]))
"""),

    ("backward calls addgrad, as in the original course", """
class Double(edf.Component):
    def __init__(self, x):
        super().__init__(x)
        self.x = x

    def forward(self):
        self.value = 2 * self.x.value

    def backward(self):
        self.x.addgrad(2 * self.grad)

y = Double(edf.Param([1.0, 2.0]))
edf.forward()
edf.backward(y)
""", AttributeError, """
'Param' object has no attribute 'addgrad'
in backward of Double(x0 (2,))
built at line 12 of student.py: y = Double(edf.Param([1.0, 2.0]))
"""),

    ("backward sets a gradient, and so loses what others added", """
class Double(edf.Component):
    def __init__(self, x):
        super().__init__(x)
        self.x = x

    def forward(self):
        self.value = 2 * self.x.value

    def backward(self):
        self.x.grad = 2 * self.grad

y = Double(edf.Param([1.0, 2.0]))
edf.check_gradients(y)
""", AssertionError, """
lost gradient: Double[1].backward does not add the same a second time: it replaces the gradient
    instead of calling add_grad, or writes into what f has kept
in backward of Double(x0 (2,))
built at line 12 of student.py: y = Double(edf.Param([1.0, 2.0]))
"""),

    ("backward adds a gradient of another shape", """
class Total(edf.Component):
    def __init__(self, x):
        super().__init__(x)
        self.x = x

    def forward(self):
        self.value = self.x.value.sum()

    def backward(self):
        self.x.add_grad(self.grad)

y = Total(edf.Param([1.0, 2.0]))
edf.forward()
edf.backward(y)
""", ValueError, """
the gradient has shape (), but the value has shape (2,)
in backward of Total(x0 (2,))
built at line 12 of student.py: y = Total(edf.Param([1.0, 2.0]))
"""),
]

# What is not refused, and what it prints: the code is right, or nothing can tell that it is not.

ACCEPTED = [
    ("an Input is set to a list", """
x = edf.Input()
x.value = [[0, 1.5], [2, 3]]
print(repr(x.value))
""", """
array([[0. , 1.5],
       [2. , 3. ]], dtype=float32)
"""),

    ("a Param is set to a list of its shape", """
w = edf.Param(np.zeros(3))
w.value = [1, 2, 3]
print(repr(w.value))
""", """
array([1., 2., 3.], dtype=float32)
"""),

    ("an Input holds nan, which goes through all that depends on it", """
x = edf.Input([1.0, np.nan])
y = edf.Sum(x * edf.Param([2.0, 3.0]))
edf.forward()
print(x.value, y.value)
""", """
[ 1. nan] nan
"""),

    ("labels that never change are given as a list", """
scores = edf.Param(np.zeros((2, 3)))
loss = edf.SoftmaxCrossEntropy(scores, [0, 2])
edf.forward()
edf.backward(loss)
print(np.sign(scores.grad))
""", """
[[-1.  1.  1.]
 [ 1.  1. -1.]]
"""),

    ("batches of one array are tuples with one entry, which gives it an axis", """
x = edf.Input()
for x.value in edf.batches(np.ones((4, 3)), size=2):
    print(x.value.shape)
""", """
(1, 2, 3)
(1, 2, 3)
"""),

    ("components are added up by sum, which begins with 0", """
y = sum([edf.Param(1.0, "a"), edf.Param(2.0, "b")])
edf.forward()
print(y.value, edf.components)
""", """
3.0 [Param a (), Param b (), Add(a 0, b ()), Add(a (), b ())]
"""),

    ("+= builds a component, and the name is that one from then on", """
w = x = edf.Param(1.0, "w")
x += 1
print(w, x)
""", """
Param w () Add(a (), b 1)
"""),

    ("== asks whether it is the same component, as lists of components do", """
a, b = edf.Param(1.0), edf.Param(1.0)
print(a == b, a == 1, a == a, b in [a], b in edf.components)
""", """
False False True False True
"""),

    ("the value of a function is set, which the next forward computes anew", """
x = edf.Input([1.0])
x = x * 2
x.value = np.array([5.0])
edf.forward()
print(x.value)
""", """
[2.]
"""),

    ("entries of a Param are changed after forward, which nobody is told", """
w = edf.Param([1.0])
loss = w ** 2
edf.forward()
w.value[0] = 5
edf.backward(loss)
print(loss.value, w.grad)
""", """
[1.] [10.]
"""),

    ("evaluating is called without with, and does nothing", """
edf.evaluating()
print(edf.training)
""", """
True
"""),

    ("f returns a Python number", """
class Seven(edf.Component):
    def f(self, x):
        return 7

y = Seven(edf.Param([1.0, 2.0]))
edf.forward()
print(repr(y.value))
""", """
array(7., dtype=float32)
"""),

    ("f returns a list of numbers", """
class Double(edf.Component):
    def f(self, x):
        return [2 * number for number in x]

y = Double(edf.Param([1.0, 2.0]))
edf.forward()
print(repr(y.value))
""", """
array([2., 4.], dtype=float32)
"""),

    ("a d-method returns float64", """
class Double(edf.Component):
    def f(self, x):
        return 2 * x

    def dx(self, dy, x):
        return 2 * dy.astype(np.float64)

w = edf.Param([1.0, 2.0])
y = Double(w)
edf.forward()
edf.backward(y)
print(repr(w.grad))
""", """
array([1., 1.], dtype=float32)
"""),

    ("a component writes into its inputs, which only check_gradients and debugging see", """
class Double(edf.Component):
    def f(self, x):
        x *= 2
        return x

w = edf.Param([1.0, 2.0])
Double(w)
edf.forward()
edf.forward()
print(w.value)
""", """
[4. 8.]
"""),

    ("a kind of Input draws its value in forward, which is no change after it", """
class Noise(edf.Input):
    def forward(self):
        self.value = edf.rng.normal(size=3)

loss = Noise() * edf.Param(1.0, "w")
edf.forward()
edf.backward(loss)
print(np.isclose(edf.params[0].grad, loss.inputs[0].value.mean()))
""", """
True
"""),
]
