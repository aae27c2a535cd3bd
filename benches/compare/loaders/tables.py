"""What was measured, as tables: medians, and all runs."""

from statistics import median

COLUMNS = ["loader", "images/s", "all runs", "per CPU-s", "cores", "others", "first batch", "memory"]


def row(name, runs, precomputed):
    def middle(key, form):
        values = [run[key] for run in runs if run.get(key) is not None]
        return form.format(median(values)) if values else ""

    return [
        name + (" *" if precomputed else ""),
        middle("images_per_s", "{:,.0f}"),
        " ".join(f"{run['images_per_s']:,.0f}" for run in runs),
        middle("images_per_cpu_s", "{:,.0f}"),
        middle("cores", "{:.2f}"),
        middle("other_cores", "{:.2f}"),
        middle("first_batch_s", "{:.3f} s"),
        middle("memory_mb", "{:,.0f} MB"),
    ]


def rows(result, precomputes):
    """The loaders of one workload, the fastest first; how often each fits into the best of rfx, where rfx took part."""
    runs = {name: found for name, found in result["runs"].items() if found}
    rates = {name: median(run["images_per_s"] for run in found) for name, found in runs.items()}
    ours = max((rate for name, rate in rates.items() if name.startswith("rfx")), default=None)
    columns = COLUMNS + (["rfx is"] if ours else [])
    body = []
    for name in sorted(rates, key=rates.get, reverse=True):
        times = [f"{ours / rates[name]:.2f} x"] if ours else []
        body.append(row(name, runs[name], name in precomputes) + times)
    return columns, body


def notes(result, starred):
    lines = (
        ["* all images are made at the start and kept: the first batch says how long that takes."] if starred else []
    )
    lines += [f"{name}: {reason}" for name, reason in result["left_out"].items()]
    lines += [f"{name} failed: {problem.splitlines()[-1]}" for name, problem in result["failed"].items()]
    one, two = ([c[f"copy_gb_per_s_{n}"] for c in result["calibration"]] for n in (1, 2))
    if one:
        copies = "; ".join(
            f"{name} {' '.join(f'{rate:.1f}' for rate in rates)}" for name, rates in (("1 thread", one), ("2", two))
        )
        lines.append(f"Memory copies of each round, GB/s: {copies}.")
    return lines


def text(result, precomputes):
    columns, body = rows(result, precomputes)
    widths = [max(map(len, column)) for column in zip(columns, *body)]
    lines = [f"{result['workload']}: {result['about']}; batch {result['batch']}", ""]
    for cells in [columns, *body]:
        padded = [cells[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:])]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines + [""] + notes(result, any("*" in cells[0] for cells in body))) + "\n"


def markdown(result, precomputes):
    columns, body = rows(result, precomputes)
    lines = [
        f"### {result['workload']}",
        "",
        f"{result['about'][0].upper()}{result['about'][1:]}; batch {result['batch']}.",
        "",
    ]
    lines += ["| " + " | ".join(columns) + " |", "|---|" + "--:|" * (len(columns) - 1)]
    lines += ["| " + " | ".join(cells).replace(" *", " \\*") + " |" for cells in body] + [""]
    lines += [
        line.replace("* all", "\\* all", 1) + "\n" for line in notes(result, any("*" in cells[0] for cells in body))
    ]
    return "\n".join(lines)
