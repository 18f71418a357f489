"""The data sets in IDX files: their names, classes and files, and how to read them."""

from collections.abc import Mapping
import string

from attrs import field, frozen

from fnmlp.data.drawings import Fit

__all__ = ["SOURCES", "Source"]

DIGIT_CLASSES = tuple(string.digits)
FASHION_CLASSES = (
    *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
KUZUSHIJI_CLASSES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
LETTER_CLASSES = tuple(string.ascii_uppercase)
MERGED_CLASSES = (*string.digits, *string.ascii_uppercase, *"abdefghnqrt")
"""Lower-case letters that look like their capitals share a class with them."""

MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""SHA-256 of the unpacked files; the packed bytes depend on the packer."""

FASHION_SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


MNIST_MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)


@frozen
class Source:
    """Describe a data set in IDX files: its name, its classes, its files, and how to read them.

    `files` are the training images and labels, then the test images and labels. `folders` are where programs put them.
    `digests` are the SHA-256 of the unpacked files; only files with known digests are read from the user's cache.
    `mirrors` are the addresses from which they are downloaded there. `in_debian` says that Debian has a package of it,
    named after it. `label` is the dtype and shape of a label in the file; of several numbers, the first is the class.
    `first_label` is the label of class 0. `transposed` images are stored column by column. `fit` is how handwriting
    lies in its images, or None.
    """

    name: str
    classes: tuple[str, ...]
    files: tuple[str, ...]
    folders: tuple[str, ...]
    digests: Mapping[str, str] = field(factory=dict)
    mirrors: tuple[str, ...] = ()
    in_debian: bool = False
    label: tuple[str, tuple[int, ...]] = ("uint8", ())
    first_label: int = 0
    transposed: bool = False
    fit: Fit | None = None


def _emnist(split: str, classes: tuple[str, ...], first_label: int = 0) -> Source:
    parts = ("train-images-idx3", "train-labels-idx1", "test-images-idx3", "test-labels-idx1")
    files = tuple(f"emnist-{split}-{part}-ubyte" for part in parts)
    folders = (f"emnist-{split}", "emnist", "emnist/gzip", "EMNIST/raw", "EMNIST/raw/gzip", "EMNIST", "gzip")
    fit = Fit(box=24, beyond=0.0)
    return Source(f"emnist-{split}", classes, files, folders, first_label=first_label, transposed=True, fit=fit)


_MNIST_FILES = tuple(MNIST_SHA256)
_QMNIST_FILES = (
    *("qmnist-train-images-idx3-ubyte", "qmnist-train-labels-idx2-int"),
    *("qmnist-test-images-idx3-ubyte", "qmnist-test-labels-idx2-int"),
)

SOURCES = {
    source.name: source
    for source in (
        Source(
            "mnist",
            DIGIT_CLASSES,
            _MNIST_FILES,
            ("mnist", "MNIST/raw", "MNIST"),
            MNIST_SHA256,
            MNIST_MIRRORS,
            fit=Fit(box=20),
        ),
        Source(
            "fashion-mnist",
            FASHION_CLASSES,
            _MNIST_FILES,
            ("fashion-mnist", "FashionMNIST/raw", "FashionMNIST", "fashion_mnist", "fashion"),
            FASHION_SHA256,
            in_debian=True,
        ),
        Source("kmnist", KUZUSHIJI_CLASSES, _MNIST_FILES, ("kmnist", "KMNIST/raw", "KMNIST")),
        Source(
            "qmnist",
            DIGIT_CLASSES,
            _QMNIST_FILES,
            ("qmnist", "QMNIST/raw", "QMNIST"),
            label=("int32", (8,)),
            fit=Fit(box=20),
        ),
        _emnist("mnist", DIGIT_CLASSES),
        _emnist("digits", DIGIT_CLASSES),
        _emnist("letters", LETTER_CLASSES, first_label=1),
        _emnist("balanced", MERGED_CLASSES),
        _emnist("bymerge", MERGED_CLASSES),
        _emnist("byclass", (*DIGIT_CLASSES, *LETTER_CLASSES, *string.ascii_lowercase)),
    )
}
"""All known data sets in IDX files, by name."""
