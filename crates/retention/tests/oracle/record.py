#!/usr/bin/env python3
"""Asks the real programs what they keep.

Makes a repository of dated archives with `borg` and with `restic`, runs `borg prune --dry-run` and
`restic forget --dry-run` over it with many policies, and writes down which archives are kept, by which rule.

    record.py times                     writes the lists of dates (<series>.times)
    record.py <borg|restic> SERIES...   writes <series>.<program>.txt beside this file
    record.py --to DIR N <borg|restic> SERIES...    into another directory, every Nth policy (what the live test does)

The series and policies are chosen to meet calendars where they are odd: New Year in ISO weeks, clock changes, gaps.
"""

import datetime as dt
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import zoneinfo

HERE = pathlib.Path(__file__).parent
UTC = dt.timezone.utc

POLICIES = [
    "daily=7,weekly=4,monthly=3",
    "daily=7",
    "weekly=4",
    "monthly=3",
    "yearly=2",
    "hourly=24",
    "last=3",
    "last=1,weekly=2",
    "hourly=6,daily=3,weekly=2",
    "hourly=30,daily=9,monthly=2",
    "last=3,daily=2,weekly=2,monthly=2,yearly=1",
    "daily=1,weekly=1,monthly=1,yearly=1",
    "daily=30,weekly=10,monthly=12,yearly=5",
    "weekly=6,yearly=3",
    "monthly=5,yearly=4",
    "daily=400",
    "last=5,hourly=5,daily=5,weekly=5,monthly=5,yearly=5",
    "daily=all",
    "daily=3,weekly=all",
    "last=2,monthly=all,yearly=2",
]

# The zones in which Borg prunes, and the one in which restic's snapshots are made: it stores the offset with each.
SERIES = {
    "regular": (["UTC", "Pacific/Auckland"], "UTC"),
    "irregular": (["UTC", "America/New_York", "Asia/Kathmandu"], "America/New_York"),
    "clock-change": (["UTC", "Europe/Berlin"], "Europe/Berlin"),
    "sparse": (["UTC", "Pacific/Auckland"], "Pacific/Auckland"),
    "short": (["UTC", "Europe/Berlin"], "UTC"),
}


def series(name):
    """The dates of a series, oldest first."""
    at = lambda *a: dt.datetime(*a, tzinfo=UTC)
    hours = lambda start, count, step: [start + dt.timedelta(hours=step * i) for i in range(count)]
    if name == "regular":
        return hours(at(2025, 10, 20, 2), 130, 24)
    if name == "irregular":
        rng = random.Random(7)
        times, now = [], at(2024, 10, 3, 5)
        for i in range(95):
            now += dt.timedelta(seconds=int(rng.expovariate(1 / (30 * 3600))) + 1)
            if i == 50:
                now += dt.timedelta(days=60)
            times.append(now)
        return times
    if name == "clock-change":
        spring = hours(at(2026, 3, 28, 21), 14, 0.5)
        autumn = hours(at(2026, 10, 24, 20, 10), 26, 0.5)
        return spring + autumn + [at(2026, 10, 25, 22, 59, 59), at(2026, 10, 25, 23, 0, 0)]
    if name == "sparse":
        dates = [(2019, 12, 29), (2019, 12, 30), (2020, 1, 5), (2020, 1, 6), (2020, 2, 29), (2020, 12, 27),
                 (2020, 12, 28), (2021, 1, 3), (2021, 1, 4), (2021, 6, 30), (2021, 7, 1), (2022, 1, 1),
                 (2022, 1, 2), (2022, 1, 3), (2022, 9, 18), (2023, 12, 31), (2024, 1, 1), (2024, 2, 29),
                 (2024, 12, 29), (2024, 12, 30), (2024, 12, 31), (2025, 1, 4), (2025, 1, 6)]
        return [at(*date, 11, 30) for date in dates]
    if name == "short":
        return hours(at(2026, 2, 24, 22, 30), 9, 13)
    raise SystemExit(f"no series {name}")


def write_times():
    for name in SERIES:
        lines = [f"{i:04} {time:%Y-%m-%dT%H:%M:%SZ}" for i, time in enumerate(series(name), 1)]
        (HERE / f"{name}.times").write_text("\n".join(lines) + "\n")


def run(command, env):
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")
    return done


def flags(policy, every):
    """The keep flags of a policy; None where the program has no word for "all"."""
    result = []
    for part in policy.split(","):
        tier, count = part.split("=")
        if count == "all":
            if every is None:
                return None
            count = every
        result.append(f"--keep-{tier}={count}")
    return result


def borg(names, scratch):
    version = run(["borg", "--version"], {}).stdout.strip()
    for name in names:
        repo, home = scratch / f"{name}-repo", scratch / "home"
        env = {"BORG_BASE_DIR": str(home), "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes", "TZ": "UTC"}
        run(["borg", "init", "--encryption=none", str(repo)], env)
        for i, time in enumerate(series(name), 1):
            run(["borg", "create", f"--timestamp={time:%Y-%m-%dT%H:%M:%S}", f"{repo}::{i:04}", "input"], env)
        lines = [f"# {version}"]
        for zone in SERIES[name][0]:
            for policy in POLICIES:
                command = ["borg", "prune", "--dry-run", "--list", *flags(policy, "-1"), str(repo)]
                listed = run(command, {**env, "TZ": zone}).stderr
                kept = re.findall(r"Keeping archive \(rule: (\S+) #(\d+)\):\s+(\d{4}) ", listed)
                if len(listed.splitlines()) != len(series(name)):
                    raise SystemExit(f"unexpected: {listed}")
                lines.append(f"{zone} {policy}: " + " ".join(f"{i}={rule}#{rank}" for rule, rank, i in kept))
        yield name, lines


def restic(names, scratch):
    version = run(["restic", "version"], {}).stdout.strip()
    # The oldest-snapshot rule came with 0.16, and the word "unlimited" with it.
    release = tuple(int(n) for n in re.match(r"restic (\d+)\.(\d+)", version).groups())
    for name in names:
        zone = zoneinfo.ZoneInfo(SERIES[name][1])
        env = {"RESTIC_REPOSITORY": str(scratch / f"{name}-repo"), "RESTIC_PASSWORD": "x",
               "RESTIC_CACHE_DIR": str(scratch / "cache")}
        run(["restic", "init"], env)
        for i, time in enumerate(series(name), 1):
            # A zone of one fixed offset, so that the hour that a clock change repeats can be told twice.
            offset = time.astimezone(zone).utcoffset()
            if offset % dt.timedelta(hours=1):
                raise SystemExit(f"restic cannot be told the offset {offset}")
            local = (time + offset).strftime("%Y-%m-%d %H:%M:%S")
            hours = offset // dt.timedelta(hours=1)
            run(["restic", "backup", "--quiet", f"--time={local}", f"--tag=n{i:04}", "--host=x", "input"],
                {**env, "TZ": f"Etc/GMT{-hours:+d}"})
        lines = [f"# {version}"]
        for policy in POLICIES:
            keep = flags(policy, "unlimited" if release >= (0, 16) else None)
            if keep is None:
                continue
            command = ["restic", "forget", "--dry-run", "--json", "--group-by=", *keep]
            [group] = json.loads(run(command, env).stdout)
            kept = []
            for reason in group["reasons"]:
                tag = reason["snapshot"]["tags"][0].lstrip("n")
                rules = [m.replace(" snapshot", "").replace("oldest ", "oldest-") for m in reason["matches"]]
                kept.append(f"{tag}={','.join(rules)}")
            lines.append(f"{SERIES[name][1]} {policy}: " + " ".join(kept))
        yield name, lines


def main(arguments):
    to = HERE
    if arguments[:1] == ["--to"]:
        to, every, arguments = pathlib.Path(arguments[1]), int(arguments[2]), arguments[3:]
        POLICIES[:] = POLICIES[::every]
    if arguments == ["times"]:
        return write_times()
    program = {"borg": borg, "restic": restic}[arguments[0]]
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        pathlib.Path("input").mkdir()
        pathlib.Path("input/file").write_text("x")
        for name, lines in program(arguments[1:] or list(SERIES), pathlib.Path(scratch)):
            (to / f"{name}.{arguments[0]}.txt").write_text("\n".join(lines) + "\n")


main(sys.argv[1:])
