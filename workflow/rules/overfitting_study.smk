# overfitting_study: the article's lesson; its network from the LSTM alone upwards, then with dropout; made on demand
#
# needs  the data set, the block `overfitting_study`, the root seed
# makes  reports/overfitting_study.csv, .png and .svg; the histories lie below models/overfitting_study/

STUDY = study_steps.steps(config["overfitting_study"])
STEP = "models/overfitting_study/step-{step}"


use rule model as study_model with:
    input:
        dataset=products(rules.dataset),
        code=code("model", network="article"),
    output:
        **{name: f"{STEP}/{Path(path).name}" for name, path in rules.model.output.items()},
    log:
        "logs/study_model-{step}.log",
    benchmark:
        "benchmarks/study_model-{step}.tsv"
    params:
        model=values_of_step,


rule overfitting_study:
    """Draw the training of each network, and say from which on the clips are learned by heart."""
    input:
        histories=expand(f"{STEP}/history.csv", step=range(1, len(STUDY) + 1)),
        code=code("overfitting_study"),
    output:
        table="reports/overfitting_study.csv",
        figures=[
            "reports/overfitting_study.png",
            report(
                "reports/overfitting_study.svg",
                caption="../report/overfitting_study.rst",
                category="Study of overfitting",
            ),
        ],
        provenance="reports/overfitting_study.provenance.json",
    log:
        "logs/overfitting_study.log",
    benchmark:
        "benchmarks/overfitting_study.tsv"
    conda:
        "../../environment.yml"
    params:
        overfitting_study=values("overfitting_study"),
    shell:
        command(
            "overfitting_study",
            "--histories {input.histories:q}"
            " --params {params.overfitting_study:q} --table {output.table:q} --figures {output.figures:q}",
        )
