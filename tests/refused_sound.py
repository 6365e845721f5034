"""Files with a sound's name that are none, or damaged: a folder full of them."""

import os
import socket

import numpy as np
import soundfile

RATE_HZ = 8000


def write_refused(folder) -> list[str]:
    """Write one of each kind into a folder, and return their names."""
    folder.mkdir(parents=True)
    sound = (0.1 * np.random.default_rng(7).standard_normal(3 * RATE_HZ)).astype(np.float32)
    for name in ("cut.wav", "cut.flac", "cut.ogg", "cut.mp3", "damaged.ogg", "damaged.flac", "stream.wav"):
        soundfile.write(folder / name, sound, RATE_HZ)
        content = bytearray((folder / name).read_bytes())
        if name.startswith("cut"):
            del content[len(content) // 2 :]
        elif name.startswith("damaged"):
            content[len(content) // 2] ^= 0xFF
        else:
            content[40:44] = bytes(4)
        (folder / name).write_bytes(content)
    for name, value in (("nan.wav", np.nan), ("loud.wav", 1e30)):
        bad = sound.copy()
        bad[RATE_HZ] = value
        soundfile.write(folder / name, bad, RATE_HZ, subtype="FLOAT")
    soundfile.write(folder / "silent.wav", 0 * sound, RATE_HZ)
    soundfile.write(folder / "fast.wav", sound, 2_000_000_000)
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_text("no sound at all")
    (folder / "folder.wav").mkdir()
    (folder / "gone.wav").symlink_to("nothing.wav")
    (folder / "loop.wav").symlink_to("loop.wav")
    (folder / "zeros.wav").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.wav")
    here = os.getcwd()
    with socket.socket(socket.AF_UNIX) as bound:
        os.chdir(folder)  # the path of a socket is short
        try:
            bound.bind("socket.wav")
        finally:
            os.chdir(here)
    return sorted(os.listdir(folder))
