# features: the per-recording extraction, one job a shard
#
# needs  recordings.csv, annotations.csv and false_positives.csv, the audio, the block `features`,
#        and the file that the kind of features reads, if any
# makes  data/features/shard-K-of-N.zip: the frames of every clip of the recordings whose id hashes to K of N (`shards`),
#        data/features/negatives-K-of-N.zip: those of the boxes that were checked not to hold their species,
#        data/features/recordings-K-of-N.zip: those of whole recordings, for presence (empty without)
#
# A job keeps what it made before of every recording whose content, clips, parameters and code are the same, and takes
# such from files of another N, and from what a killed job was writing; those are removed when a run has made all of this
# one and ended well.


rule features:
    """Compute the features of every annotated call, such as its spectrogram."""
    input:
        recordings="data/recordings/recordings.csv",
        annotations="data/recordings/annotations.csv",
        false_positives="data/recordings/false_positives.csv",
        kind_files=KIND_FILES,
        audio=AUDIO,
        code=code("features"),
    output:
        shard=f"data/features/shard-{OF_SET}.zip",
        negatives=f"data/features/negatives-{OF_SET}.zip",
        whole=f"data/features/recordings-{OF_SET}.zip",
        provenance=f"data/features/shard-{OF_SET}.provenance.json",
    log:
        "logs/features-{shard}.log",
    benchmark:
        "benchmarks/features-{shard}.tsv"
    conda:
        "../../environment.yml"
    params:
        features=values("features"),
        audio_dir=config["data"]["audio_dir"],
    shell:
        command(
            "features",
            "--recordings {input.recordings:q}"
            " --annotations {input.annotations:q} --false-positives {input.false_positives:q}"
            " --audio-dir {params.audio_dir:q} --shard {wildcards.shard}"
            f" --shards {len(SHARDS)}"
            " --params {params.features:q}"
            " --output {output.shard:q} --negatives {output.negatives:q}"
            " --whole {output.whole:q}",
        )


# The shards of every number, so that a command need not name them all.
rule all_features:
    input:
        expand(patterns(rules.features.output), shard=SHARDS),
