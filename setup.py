"""Packaging of steeldefect: the scoring library, and the training module beside it."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

TENSORFLOW = "tensorflow==2.21.0"
POLARS = "polars==2.1.0"

setup(
    name="steeldefect",
    version="0.1.0",
    description="Distributed scoring of archived steel imagery on Spark, with Keras models",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.12",
    packages=find_packages(include=["steeldefect", "steeldefect.*", "training", "training.*"]),
    package_data={"steeldefect": ["py.typed"], "training": ["py.typed"]},
    entry_points={"console_scripts": ["steeldefect = steeldefect.cli:main"]},
    # each pin with its reason; requirements.lock pins everything below these, too
    install_requires=[
        "pyspark==4.3.0",  # mapInArrow and resource scheduling; the version that is tested
        TENSORFLOW,  # the models' source of truth; the GPU runtime
        "keras==3.15.1",  # the format of the bundle's models
        "openvino==2026.4.1",  # the CPU runtime: up to five times TensorFlow's speed
        "deltalake==1.6.6",  # all-or-nothing commits to the tables, no JVM needed
        "pyarrow==26.0.1",  # Parquet, and the batches that Spark hands over
        "pandas==2.3.3",  # PySpark 4.3 warns on pandas 3
        "numpy==2.4.6",  # masks and run lengths
        "opencv-python-headless==5.0.0.93",  # resizing and connected regions, no screen needed
        "pillow==13.0.0",  # decodes PNG, BMP and TIFF, and refuses what is truncated
        "simplejpeg==1.9.0",  # decodes JPEG, and reports libjpeg's warnings of damage
        "threadpoolctl==3.8.0",  # BLAS keeps to a task's cores
        "scikit-learn==1.9.1",  # grouped splits, ROC, classification reports
        "boto3==1.44.5",  # S3; the one client that every gateway tried gets on with
        "cryptography==50.0.2",  # Ed25519 signatures of bundles; OpenSSL's own code
        "packaging==26.3",  # requirements of what is packed for executors
        "tenacity==9.2.1",  # bounded retries with jitter for broken downloads
        "duckdb==2.0.0",  # SQL over the tables for analysts
        "pydantic==2.14.3",  # settings, recipes and manifests that list every problem
        "PyYAML==6.0.3",  # settings files
        "tqdm==4.70.1",  # progress on the terminal
        "matplotlib==3.11.2",  # charts of data sets and fits, as SVG that needs nothing to be shown
        "scipy==1.17.1",  # exact binomial intervals of the gate's recall
        "nncf==3.4.0",  # int8 forms of the models, calibrated on training pictures
        "tensorboard==2.21.0",  # shows the logs that a fit writes while it runs
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]==2.21.0"],  # the same wheel, with CUDA's libraries
        "polars": [POLARS],  # answers of the tables as Polars DataFrames
        # what benchmarks measure scoring against; `make bench` installs them
        "peers": [
            "mlflow-skinny==3.17.2",  # pyfunc.spark_udf
            "ray[data]==2.60.0",  # map_batches
            "daft==0.6.14",  # the newest that takes this pyarrow
        ],
        # the site of the documents; `make docs` installs them. MkDocs 1 is no longer maintained,
        # support for its theme Material ends in 2027, Zensical, which follows it, is before 1.0
        "docs": [
            "sphinx==9.0.4",  # pages and API without a network; every link and anchor is checked
            "myst-parser==5.2.0",  # the Markdown of this repository, as it stands
            "furo==2025.12.19",  # light, dark, phones; fetches nothing from elsewhere
        ],
        # checks of a commit before it is made; `make hooks` installs them
        "hooks": [
            "pre-commit==4.7.0",  # runs the hooks of .pre-commit-config.yaml
            "pre-commit-hooks==6.0.0",  # ends of files and lines, merge marks, keys, large files
        ],
        "dev": [
            "pytest==9.2.0",  # the tests
            "pytest-xdist==3.8.0",  # the tests in two processes
            "markdown-it-py==4.3.0",  # reads the documents whose links the tests follow
            "hypothesis==6.170.15",  # property tests of codec and metrics
            "moto[server]==5.2.5",  # an S3 server for the quick tests
            "ruff==0.17.6",  # style
            "mypy==2.4.1",  # types
            "kubernetes-validate==1.37.0",  # Kubernetes' own schema, for the pod templates
            "databricks-sdk==0.156.0",  # reads the settings for Databricks as Databricks does
            "trustme==1.2.1",  # a certificate authority for the tests of one of your own
            POLARS,  # for the tests of the extra polars
            "greenlet==3.5.6",  # steps of runs whose every order the tests explore
            "psutil==7.2.2",  # processes, memory and CPU seconds of what benchmarks measure
            "pandas-stubs",  # types
            "types-PyYAML",  # types
            "types-tqdm",  # types
        ],
    },
)
