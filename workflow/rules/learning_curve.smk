# learning_curve: what the recipe is worth with fewer labels, and what twice as many would bring; made on demand
#
# needs  the data set, the model of the run (all labels), the blocks `learning_curve`, `model`, `train`, the root seed,
#        evaluation.batch_size and evaluation.bootstrap_draws
# makes  reports/learning_curve/: curve.csv, draws.csv, fit.json, the figure as .png and .svg, learning_curve.html;
#        the scores of each training lie below data/learning_curve/
#
# A job a training, as parallel as cores and GPUs allow: another number of labels or another draw costs only its own.

CURVE_LABELS = config["learning_curve"]["labels"]
CURVE_SEEDS = range(config["seed"], config["seed"] + config["learning_curve"]["draws"])
# What needs no network computes on one thread, so that as many trainings run beside each other as there are cores.
CURVE_THREADS = device.THREADS if hasattr(networks.get(config["model"]["name"]), "build") else 1


rule learning_curve_draw:
    """Train on a few labels of each species, drawn at random, and name the test clips."""
    input:
        dataset=products(rules.dataset),
        code=code("learning_curve_draw"),
    output:
        predictions="data/learning_curve/labels-{labels}-seed-{seed}.csv",
        provenance="data/learning_curve/labels-{labels}-seed-{seed}.provenance.json",
    log:
        "logs/learning_curve_draw-{labels}-{seed}.log",
    benchmark:
        "benchmarks/learning_curve_draw-{labels}-{seed}.tsv"
    conda:
        "../../environment.yml"
    threads: CURVE_THREADS
    resources:
        gpu=1,
    params:
        draw=lambda wildcards: values("learning_curve_draw", seed=int(wildcards.seed)),
    shell:
        command(
            "learning_curve_draw",
            "--dataset {input.dataset:q} --labels {wildcards.labels} --params {params.draw:q}"
            f" --threads {CURVE_THREADS}"
            " --output {output.predictions:q}",
        )


rule learning_curve:
    """Measure what trainings on few labels are worth, and say what twice the labels would bring."""
    input:
        dataset=products(rules.dataset),
        draws=expand(patterns([rules.learning_curve_draw.output.predictions]), labels=CURVE_LABELS, seed=CURVE_SEEDS),
        model="models/model.keras",
        code=code("learning_curve"),
    output:
        curve=report(
            "reports/learning_curve/curve.csv",
            caption="../report/learning_curve.rst",
            category="Learning curve",
        ),
        drawn="reports/learning_curve/draws.csv",
        fit="reports/learning_curve/fit.json",
        figures=[
            "reports/learning_curve/learning_curve.png",
            report(
                "reports/learning_curve/learning_curve.svg",
                caption="../report/learning_curve.rst",
                category="Learning curve",
            ),
        ],
        page="reports/learning_curve/learning_curve.html",
        provenance="reports/learning_curve/learning_curve.provenance.json",
    log:
        "logs/learning_curve.log",
    benchmark:
        "benchmarks/learning_curve.tsv"
    conda:
        "../../environment.yml"
    threads: device.THREADS
    params:
        learning_curve=values("learning_curve"),
    shell:
        command(
            "learning_curve",
            "--dataset {input.dataset:q} --draws {input.draws:q} --model {input.model:q}"
            f" --threads {device.THREADS}"
            " --params {params.learning_curve:q} --curve {output.curve:q}"
            " --drawn {output.drawn:q} --fit {output.fit:q} --page {output.page:q} --figures {output.figures:q}",
        )
