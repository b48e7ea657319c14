"""Runs one job of a worker, as harness/PROTOCOL.md says, for the tests beside it."""
import json
import os
import subprocess

FP8 = {"formats": ["e4m3", "e5m2"], "overflow": ["satfinite", "nonsat"], "rounding": "ties_even"}
TENSORS = {"granularities": ["tensor", "channel", "block"], "block": 16, "max_rows": 4, "max_cols": 64, "cases": 60,
           "families": ["normal", "near_ties_e4m3", "bit_uniform_finite"]}


def job(contract, claim, subject="cpu_scalar", **changes):
    """A whole job; `changes` replaces members."""
    return {"protocol": 1, "job": "j", "nonce": "n", "contract": contract, "claim": claim, "subject": subject,
            "arm": "subject", "mutant": "", "seed": "7", "parameters": {}, "fixtures": {}, "external_subject": "",
            "threads": 2, "limits": {"time_s": 60, "memory_mib": 1024}, "replay": None} | changes


def run(worker, a_job, environment=None, timeout=60):
    """(exit status, bytes of the record, stderr). A signal is a negative status."""
    read, write = os.pipe()
    # The protocol's descriptor is 3, so a shell moves the pipe there.
    process = subprocess.Popen(["sh", "-c", f'exec "$0" --run 3>&{write}', str(worker)], stdin=subprocess.PIPE,
                               stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=(write,),
                               env=None if environment is None else os.environ | environment)
    os.close(write)
    text = a_job if isinstance(a_job, str) else json.dumps(a_job)
    try:
        _, error = process.communicate(text.encode(), timeout=timeout)
        with os.fdopen(read, "rb") as pipe:
            return process.returncode, pipe.read(), error.decode(errors="replace")
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        os.close(read)
        raise


def record(worker, a_job, **options):
    """The record of a job that must write one."""
    status, data, error = run(worker, a_job, **options)
    assert status == 0 and data, f"status {status}: {error}"
    return json.loads(data)
