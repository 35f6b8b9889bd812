"""Medians, spreads and ratios of what was measured, and the tables that show them."""

import math
import statistics

UNITS = {"wall": "s", "cpu": "s", "peak_mib": "MiB", "ns_per_operation": "ns",
         "cpu_ns_per_operation": "ns", "mean_mib": "MiB", "highest_mib": "MiB"}
GENERAL = ("wall", "cpu", "peak_mib", "cpu_ns_per_operation")  # not named by a workload
FEW_ROUNDS = 3  # under that a spread means nothing


def spread(values):
    """The distance of the quartiles."""
    if len(values) < 2:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return high - low


def summarize(values_by_name):
    """For one workload and one metric: name -> values to name -> figures. noise: the difference to the
    best is smaller than the spread of one of the two, or there are too few rounds to know."""
    figures = {name: {"values": values, "median": statistics.median(values), "least": min(values),
                      "spread": spread(values)}
               for name, values in values_by_name.items() if values}
    if not figures:
        return figures
    best = min(figures.values(), key=lambda each: each["median"])
    for each in figures.values():
        each["best"] = each is best
        each["ratio"] = each["median"] / best["median"] if best["median"] > 0 else math.nan
        difference = each["median"] - best["median"]
        each["noise"] = each is not best and (len(each["values"]) < FEW_ROUNDS
                                              or difference <= max(each["spread"], best["spread"]))
    return figures


def number(value):
    if value >= 1000:
        return f"{value:.0f}"
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"


def print_workload(workload, result):
    """All figures of one workload: a block for each metric, one line for each allocator."""
    for metric, figures in result["metrics"].items():
        unit = UNITS.get(metric, "")
        print(f"  {metric + (' (' + unit + ')' if unit else ''):24}{'median':>10}{'least':>10}{'spread':>10}{'ratio':>8}")
        for name, each in figures.items():
            print(f"    {name:22}{number(each['median']):>10}{number(each['least']):>10}{number(each['spread']):>10}"
                  f"{each['ratio']:>8.2f}{' noise' if each['noise'] else ' best' if each['best'] else ''}")
    for name, reason in result["failures"].items():
        print(f"    {name}: FAILED: {reason}")


def geometric_mean(values):
    return math.exp(sum(math.log(value) for value in values) / len(values)) if values else math.nan


def rows_of(results, kind):
    """(row name, figures, failed names) of the summary called kind: time, cpu, peak_mib, or other. A workload
    that counts operations is compared by what one takes, one with figures of its own by these, others by time. One
    that sleeps prints CPU time for each operation, and no other time."""
    for workload, result in results.items():
        own = [metric for metric in result["metrics"] if metric not in GENERAL]
        time = "ns_per_operation" if "ns_per_operation" in own else "wall"
        cpu = "cpu_ns_per_operation" if "cpu_ns_per_operation" in result["metrics"] else "cpu"
        if kind in ("time", "cpu"):
            metric = time if kind == "time" else cpu
            chosen = [(workload, metric)] if metric not in ("wall", "cpu") or not own else []
        elif kind == "other":
            chosen = [(f"{workload} {metric}", metric) for metric in own if metric != time]
        else:
            chosen = [(workload, kind)]
        for row, metric in chosen:
            yield row, result["metrics"].get(metric, {}), result["failures"]


def cell(name, figures, failures):
    if name in failures:
        return "FAIL"
    if name not in figures:
        return "-"
    each = figures[name]
    return f"{each['ratio']:.2f}{'~' if each['noise'] else ''}"


def print_summary(title, results, kind, names):
    """One Markdown table of ratios to the best, and which of its rows decide nothing."""
    rows = list(rows_of(results, kind))
    if not rows:
        return
    print(f"\n{title}\n")
    print("| row | best | " + " | ".join(names) + " |")
    print("|---|---|" + "---|" * len(names))
    ratios, undecided = {name: [] for name in names}, []
    for row, figures, failures in rows:
        best = min((each["median"] for each in figures.values()), default=math.nan)
        print(f"| {row} | {number(best)} | " + " | ".join(cell(name, figures, failures) for name in names) + " |")
        if len(figures) > 1 and all(each["noise"] or each["best"] for each in figures.values()):
            undecided.append(row)
        if all(name in figures and name not in failures and figures[name]["ratio"] > 0 for name in names):
            for name in names:
                ratios[name].append(figures[name]["ratio"])
    count = len(ratios[names[0]])
    if count:
        means = " | ".join(f"**{geometric_mean(ratios[name]):.3f}**" for name in names)
        print(f"| **geometric mean** ({count} rows) | | {means} |")
    if undecided:
        print(f"\nOnly noise: {', '.join(undecided)}.")
