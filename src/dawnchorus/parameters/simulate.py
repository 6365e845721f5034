"""The block `simulate`: the small data set that is made where there is none."""

from dawnchorus.parameters.base import Block, value


class SimulatedSet(Block):
    """What is simulated."""

    species: int = value(
        12,
        "species-like call types; the first 12 are a family each, further ones the same in other registers and tempi",
        ge=2,
        le=200,
    )
    recordings: int = value(112, "recordings; every species must come into at least 3", ge=1, le=10_000)
    sites: int = value(6, "places, A, B, ...; each has its own hum, weather, insects and echo", ge=1, le=26)
    recording_duration_s: float = value(20.0, "length of a recording", ge=1, le=3600)
    sample_rate_hz: int = value(24_000, "samples a second", ge=16_000, le=96_000)
    call_free_share: float = value(
        0.14, "share of recordings without any call of the species, evenly among the others", ge=0, le=0.9
    )
    species_per_recording: int = value(
        4, "most species in a recording; those with calls have 1, 2, ... this many in turn", ge=1, le=20
    )
    calls_per_species: int = value(
        4, "mean number of calls of a species in a recording; each draws 1 to 2 n - 1", ge=1, le=50
    )
    distractors_per_recording: float = value(
        1.0, "mean number of calls of species that are not in the set and have no annotation", ge=0, le=20
    )
    overlap_fraction: float = value(
        0.15, "chance that a call begins during others, of other species; any number may call at once", ge=0, le=1
    )
    snr_min_db: float = value(3.0, "lowest signal-to-noise ratio, within the box of the annotation", ge=-30, le=60)
    snr_max_db: float = value(20.0, "highest signal-to-noise ratio, within the box of the annotation", ge=-30, le=60)
    faint_share: float = value(0.05, "share of calls that are fainter than snr_min_db", ge=0, le=1)
    faint_snr_min_db: float = value(0.0, "lowest signal-to-noise ratio of these", ge=-30, le=60)
    box_level_db: float = value(
        20.0,
        "a call is annotated from where its level, over 10 ms, first is this far below its highest one to where it "
        "last is",
        ge=3,
        le=60,
    )
    pitch_variation_semitones: float = value(1.0, "standard deviation of pitch between individuals", ge=0, le=3)
    tempo_variation: float = value(
        0.12, "standard deviation of the logarithm of tempo between individuals", ge=0, le=0.5
    )
    reverberation_s: float = value(
        0.3, "longest time in which an echo decays by 60 dB; a site has half to all of it", ge=0, le=2
    )
    background_level_dbfs: float = value(
        -45.0, "RMS of the background in dB of full scale; recordings lie up to 6 dB around it", ge=-80, le=-20
    )


class Simulate(Block):
    """The one block that may be empty: with data of your own there is no such stage, for DVC neither."""

    meaning = "the simulated data set; {} with data of your own"
    follows = "data"
    read_by = ("simulate", "report")

    set: SimulatedSet = value(..., "what is simulated", required=False)
