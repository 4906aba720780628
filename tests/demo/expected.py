"""What the demo's job must find, computed from the CSV alone: shares no code with the product or the demo."""
import collections
import datetime
import lzma


def load(path):
    opened = lzma.open(path, "rt") if path.endswith(".xz") else open(path)
    with opened as file:
        header = file.readline().rstrip("\n").split(",")
        for line in file:
            yield dict(zip(header, line.rstrip("\n").split(",")))


def expected(path):
    hours = collections.defaultdict(list)
    long_delays = collections.Counter()
    count = 0
    for flight in load(path):
        count += 1
        time = datetime.datetime(int(flight["year"]), int(flight["month"]), int(flight["day"]),
                                 int(flight["hour"]), int(flight["minute"]))
        delay = None if flight["dep_delay"] in ("", "NA") else int(float(flight["dep_delay"]))
        hours[flight["origin"], flight["carrier"], time.replace(minute=0)].append(delay)
        if delay is not None and delay > 120:
            long_delays[str(time), flight["origin"], flight["dest"], flight["carrier"],
                        int(flight["flight"]), delay, str(time.date())] += 1
    delays = {}
    for (origin, carrier, hour), list_of_delays in hours.items():
        left = [delay for delay in list_of_delays if delay is not None]
        delays[origin, carrier, str(hour)] = (
            len(list_of_delays),
            sum(left) / len(left) if left else None,
            max(left) if left else None,
            sum(1 for delay in left if delay > 15) / len(list_of_delays))
    return count, delays, long_delays


def differences(path, found_delays, found_files, most=10):
    """Words for each difference between what was found (lists of JSON rows) and what must be."""
    count, delays, long_delays = expected(path)
    words = []
    seen = collections.Counter()
    for row in found_delays:
        key = (row["origin"], row["carrier"], row["window_start"])
        seen[key] += 1
        value = (row["flights"], row["avg_delay"], row["max_delay"], row["late_share"])
        if delays.get(key) != value:
            words.append("carrier-hour %s is %s, must be %s" % (key, value, delays.get(key)))
    for key in delays:
        if seen[key] != 1:
            words.append("carrier-hour %s was given %d times" % (key, seen[key]))
    files = collections.Counter(
        (row["sched"], row["origin"], row["dest"], row["carrier"], row["flight"], row["dep_delay"], row["day"])
        for row in found_files)
    for row in (files - long_delays):
        words.append("long delay too many: %s" % (row,))
    for row in (long_delays - files):
        words.append("long delay missing: %s" % (row,))
    return count, words[:most] + (["and %d more" % (len(words) - most)] if len(words) > most else [])
